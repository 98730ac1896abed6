/** Signing in and making the first administrator, with the limit on failed attempts; used by API and page alike. */

import { AppError } from "../errors";
import type { Core, User } from "../protocols";

/** The user and a token. Throws AppError "unauthenticated", or "limited" after too many failures. */
export async function signIn(core: Core, username: string, password: string, address: string): Promise<SignedIn> {
  const keys = [`login-address:${address}`, `login-account:${username.slice(0, 64)}`];
  await spend(core, keys, 0);
  const user = await core.auth.authenticate(username, password);
  if (!user) {
    await spend(core, keys, 1);
    core.log.info("A sign-in failed", { address });
    throw new AppError("unauthenticated", "Wrong user name or password.");
  }
  return { user, token: await core.auth.createToken(user) };
}

export interface SignedIn {
  readonly user: User;
  readonly token: string;
}

async function spend(core: Core, keys: readonly string[], cost: number): Promise<void> {
  const rate = core.config.rateLimitLogin;
  if (!rate) return;
  for (const key of keys) {
    const taken = await core.limit.take(key, rate.max, rate.windowS, cost);
    if (taken.allowed || cost > 0) continue;
    const { retryAfterS } = taken;
    throw new AppError("limited", `Too many failed attempts. Try again in ${retryAfterS} seconds.`, { retryAfterS });
  }
}
