/** Signing in and making the first administrator, with the limit on failed attempts; used by API and page alike. */

import { AppError } from "../errors";
import type { Core, User } from "../protocols";

/** The user and a token. Throws AppError "unauthenticated", or "limited" after too many failures. */
export async function signIn(core: Core, username: string, password: string, address: string): Promise<SignedIn> {
  const keys = [`login-address:${address}`, `login-account:${username.slice(0, 64)}`];
  const user = await underLimit(core, keys, () => core.auth.authenticate(username, password));
  if (user) return { user, token: await core.auth.createToken(user) };
  core.log.info("A sign-in failed", { address });
  throw new AppError("unauthenticated", "Wrong user name or password.", { reason: "wrongPassword" });
}

export interface SignedIn {
  readonly user: User;
  readonly token: string;
}

/** Attempts whose outcome is not known yet count as failures: guesses sent at once are as few as guesses one by one. */
const underWay = new Map<string, number>();

async function underLimit(
  core: Core,
  keys: readonly string[],
  attempt: () => Promise<User | null>,
): Promise<User | null> {
  const rate = core.config.rateLimitLogin;
  if (!rate) return attempt();
  for (const key of keys) {
    const looked = await core.limit.take(key, rate.max, rate.windowS, 0);
    if (!looked.allowed) throw tooMany(looked.retryAfterS);
    if (looked.remaining <= (underWay.get(key) ?? 0)) throw tooMany(1);
  }
  for (const key of keys) count(key, 1);
  try {
    const user = await attempt();
    if (!user) await Promise.all(keys.map((key) => core.limit.take(key, rate.max, rate.windowS)));
    return user;
  } finally {
    for (const key of keys) count(key, -1);
  }
}

function count(key: string, change: 1 | -1): void {
  const attempts = (underWay.get(key) ?? 0) + change;
  if (attempts === 0) underWay.delete(key);
  else underWay.set(key, attempts);
}

function tooMany(retryAfterS: number): AppError {
  return new AppError("limited", `Too many failed attempts. Try again in ${retryAfterS} seconds.`, {
    retryAfterS,
    reason: "manySignIns",
  });
}
