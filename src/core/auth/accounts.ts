/**
 * What `users.yaml` says: a map of user names, at the top or under `users:`. An entry that is wrong is left out and named;
 * the others stay good.
 */

import { messageOf } from "../../basics/errors";
import { isRecord } from "../../basics/json";
import { USER_NAME_MAX } from "../../basics/limits";
import type { User, UserRole } from "../../protocols";
import { isPasswordHash, kindOfHash } from "./passwords";

export interface Account {
  readonly user: User;
  readonly passwordHash: string;
}

export interface Accounts {
  readonly byName: ReadonlyMap<string, Account>;
  /** How many entries there are, good and bad. */
  readonly entries: number;
  /** What is wrong, each naming the entry, without its hash. */
  readonly problems: readonly string[];
  /** A hash of the kind and cost that most accounts have, so that an unknown name takes as long as a wrong password. */
  readonly decoy: string;
}

/** Of nothing; as dear as the hashes that the users command makes. */
const DECOY =
  "$argon2id$v=19$m=65536,t=2,p=1$l1pSSao4pqHFCBkldTm6czydnvStMsqbvnyC2ysZ/Tk$WzCRWqQT3/KvjFasf/B6b8qkgsoEu4Ax8/GnarHs+hc";

export const NO_ACCOUNTS: Accounts = { byName: new Map(), entries: 0, problems: [], decoy: DECOY };

const HASH_KEYS = ["password_hash", "password", "hash"];
const ENTRY_KEYS = [...HASH_KEYS, "role", "model_mask"];
const MAX_TYPED = 4 * USER_NAME_MAX; // No letter is typed as more. Normalising a run of marks takes time with its square.

/** Throws an Error when the file as a whole is not a map. `content` is null for an empty file. */
export function parseAccounts(content: unknown): Accounts {
  if (content === null) return NO_ACCOUNTS;
  if (!isRecord(content)) throw new Error("It must be a map of user names");
  const problems: string[] = [];
  const byName = new Map<string, Account>();
  if (isWrapped(content)) {
    for (const key of Object.keys(content).filter((key) => key !== "users")) {
      problems.push(`${JSON.stringify(key)}: it stands beside "users:" and must be moved into it`);
    }
  }
  const entries = Object.entries(rawAccounts(content));
  for (const [key, entry] of entries) {
    const name = normaliseName(key);
    const account = byName.has(name) ? "there is another entry with this name" : parseEntry(name, entry, problems);
    if (typeof account === "string") problems.push(`${JSON.stringify(name)}: ${account}`);
    else byName.set(name, account);
  }
  return { byName, entries: entries.length, problems, decoy: decoyOf([...byName.values()]) };
}

function decoyOf(accounts: readonly Account[]): string {
  const byKind = Map.groupBy(accounts, ({ passwordHash }) => kindOfHash(passwordHash));
  const [most] = [...byKind.values()].sort((a, b) => b.length - a.length);
  return most?.[0]?.passwordHash ?? DECOY;
}

/** The same name typed on another keyboard must be the same user. What is too long to be a name stays as it is. */
export function normaliseName(name: string): string {
  return name.length > MAX_TYPED ? name : name.normalize("NFC");
}

/** What is wrong with a normalised name, or null. */
export function problemWithName(name: string): string | null {
  const length = [...name].length;
  if (length < 1 || length > USER_NAME_MAX) return `A user name has 1 to ${USER_NAME_MAX} characters.`;
  if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(name)) return "A user name has no control characters.";
  if (name !== name.trim()) return "A user name does not begin or end with a space.";
  return null;
}

export function isRole(value: unknown): value is UserRole {
  return value === "admin" || value === "user";
}

/** The mask as a test of the whole model id, or what is wrong with it. */
export function compileMask(mask: string): RegExp | string {
  try {
    // First on its own, since "a)|(b" would become valid in the brackets that make it match as a whole.
    new RegExp(mask);
    return new RegExp(`^(?:${mask})$`);
  } catch (error) {
    return `model_mask is not a regular expression: ${messageOf(error)}`;
  }
}

/** The entries as they stand in the file, good and bad; none when there is no map. */
export function rawAccounts(content: unknown): Record<string, unknown> {
  if (!isRecord(content)) return {};
  if (!isWrapped(content)) return content;
  return isRecord(content.users) ? content.users : {};
}

/** Whether the map of a file holds the accounts under `users:` rather than itself. */
export function isWrapped(content: Record<string, unknown>): boolean {
  if (!Object.hasOwn(content, "users")) return false;
  const users = content.users;
  // A user may be called "users".
  return users === null || (isRecord(users) && !HASH_KEYS.some((key) => typeof users[key] === "string"));
}

function parseEntry(name: string, entry: unknown, problems: string[]): Account | string {
  const nameProblem = problemWithName(name);
  if (nameProblem !== null) return nameProblem;
  if (!isRecord(entry)) return "must be a map with password_hash, role and, if wanted, model_mask";
  const passwordHash = HASH_KEYS.map((key) => entry[key]).find((value) => value !== undefined && value !== null);
  if (passwordHash === undefined) return "password_hash is missing";
  if (typeof passwordHash !== "string" || !isPasswordHash(passwordHash)) {
    return "password_hash is not a bcrypt or argon2 hash; set a password with the users command";
  }
  const role = entry.role ?? "user";
  if (!isRole(role))
    return `role must be admin or user${typeof role === "string" ? `, not ${JSON.stringify(role)}` : ""}`;
  const mask = entry.model_mask ?? "";
  if (typeof mask !== "string") return "model_mask must be a text";
  const compiled = compileMask(mask);
  if (typeof compiled === "string") return compiled;
  const unknown = Object.keys(entry).filter((key) => !ENTRY_KEYS.includes(key));
  if (unknown.length > 0)
    problems.push(`${JSON.stringify(name)}: ${unknown.join(", ")} means nothing here; the rest is used`);
  return { user: Object.freeze({ username: name, role, ...(mask !== "" && { modelMask: mask }) }), passwordHash };
}
