/**
 * A token for a program, which is a session that lasts longer. It is in no list; it ends with its time, with the user's password, with
 * the user, and when it is signed out.
 */

import { AppError } from "../../basics/errors";
import type { Config, Log } from "../../protocols";
import { type Accounts, normaliseName } from "./accounts";
import { readSecret } from "./secret";
import { createTokens } from "./tokens";

const DAYS = 365; // Unless it is said.
const DAYS_MAX = 3650;
const HOURS = 24;

/** Throws AppError: "notFound" when there is no such user, "invalid" for days that are none. */
export async function programToken(config: Config, log: Log, { byName }: Accounts, asked: TokenQuery): Promise<string> {
  const { token: name, days = String(DAYS) } = asked;
  const count = /^\d+$/.test(days) ? Number(days) : 0;
  if (count < 1 || count > DAYS_MAX) throw new AppError("invalid", `--days must be 1 to ${DAYS_MAX}.`);
  const account = byName.get(normaliseName(name));
  if (!account) throw new AppError("notFound", `There is no user ${JSON.stringify(name)}.`);
  return createTokens(readSecret(config, log), count * HOURS).sign(account, Date.now());
}

/** Of the command `users`, as they are typed. */
interface TokenQuery {
  readonly token: string;
  readonly days?: string | undefined;
}
