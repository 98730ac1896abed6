/**
 * What the server signs for people: session tokens (JWT, HS256 and nothing else, with an id and an end) and marks of browsers.
 * Each is bound to the password hash that it was made under, so that a changed password ends them all without a list to keep;
 * tokens that are ended one by one before their time are kept. And the secret that it signs with: from the configuration, else
 * from a file that is made at the first start, read once, so that nobody is signed out while the server runs.
 */

import { createHmac, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { codeOf, errorOf, messageOf } from "../../basics/errors";
import { onceDone } from "../../basics/once";
import { createRecent } from "../../basics/recent";
import { addIfAbsent } from "../../basics/records";
import { isSameSecret } from "../../basics/secret";
import type { Config, Core, Json, JsonObject, Log } from "../../protocols";
import { requireDataFolder } from "../data-folder";
import type { Account } from "./accounts";

export interface Tokens {
  /** `madeMs` is the time that `Claims` tells. */
  sign(account: Account, madeMs: number): Promise<string>;
  /** What the token says, or null when we did not sign it or it has expired. Ours are remembered, so that asking again costs little. */
  read(token: string): Promise<Claims | null>;
  /** Whether the account has still the password that the token was made under. */
  isMadeUnder(account: Account, claims: Claims): boolean;
  /** As `installation` of AuthProtocol: made of the secret, which all servers of an installation have. */
  readonly installation: string;
  /** For a browser in which the account's user signed in. */
  mark(account: Account): string;
  isMark(account: Account, mark: string): boolean;
}

export interface Claims {
  readonly username: string;
  /** Unlike that of every other token of the user. */
  readonly id: string;
  readonly madeMs: number;
  readonly expiresMs: number;
  readonly fingerprint: string;
}

// The plugin itself pins neither the algorithm nor an end.
const REQUIRED = { algorithms: ["HS256"], requiredClaims: ["exp", "sub"] };
const FINGERPRINT_BYTES = 12; // Guessing one does not help anybody who cannot sign.
const ID_BYTES = 12;
const MAC_BYTES = 24;
const INSTALLATION_BYTES = 6; // A host has a handful of servers.
const S_PER_HOUR = 3600;
const REMEMBERED = 20_000; // Tokens, about half a kilobyte each: more than one process has open streams.

export function createTokens(secret: string, ttlHours: number): Tokens {
  // Loaded with the first token: a server starts without it.
  const signer = onceDone(async () => (await import("@elysiajs/jwt")).jwt({ secret, alg: "HS256" }).decorator.jwt);
  const remembered = createRecent<Claims>(REMEMBERED, () => 1);
  const fingerprints = new WeakMap<Account, string>();

  const macOf = (...parts: readonly string[]): Buffer => createHmac("sha256", secret).update(parts.join("\0")).digest();

  const makeFingerprint = ({ user, passwordHash }: Account): string =>
    macOf("password", user.username, passwordHash).subarray(0, FINGERPRINT_BYTES).toString("base64url");
  const fingerprint = (account: Account): string => fingerprints.getOrInsertComputed(account, makeFingerprint);

  const markOf = ({ user, passwordHash }: Account, id: string): string => {
    const mac = macOf("browser", user.username, passwordHash, id).subarray(0, MAC_BYTES);
    return `${id}.${mac.toString("base64url")}`;
  };

  return {
    installation: macOf("installation").subarray(0, INSTALLATION_BYTES).toString("hex"),
    async sign(account, madeMs) {
      const exp = Math.floor(Date.now() / 1000 + ttlHours * S_PER_HOUR);
      const jti = randomId();
      return (await signer()).sign({ sub: account.user.username, exp, pwd: fingerprint(account), jti, made: madeMs });
    },
    async read(token) {
      const known = remembered.get(token);
      if (known && known.expiresMs > Date.now()) return known;
      const claims = claimsOf(await (await signer()).verify(token, REQUIRED));
      if (claims) remembered.set(token, claims);
      return claims;
    },
    isMadeUnder: (account, claims) => isSameSecret(claims.fingerprint, fingerprint(account)),
    mark: (account) => markOf(account, randomId()),
    isMark: (account, mark) => isSameSecret(mark, markOf(account, mark.split(".", 1)[0] ?? "")),
  };
}

function randomId(): string {
  return randomBytes(ID_BYTES).toString("base64url");
}

function claimsOf(content: false | Record<string, unknown>): Claims | null {
  if (!content) return null;
  const { sub, pwd, exp, jti, made } = content;
  if (typeof sub !== "string" || typeof pwd !== "string" || typeof exp !== "number") return null;
  if (typeof jti !== "string" || typeof made !== "number") return null;
  return { username: sub, id: jti, madeMs: made, expiresMs: exp * 1000, fingerprint: pwd };
}

const ENDED = "ended_tokens";
const TOPIC = "tokens-ended";
const PER_USER = 20_000; // One a minute for a week, and a few megabytes. A user who ends more ends all of theirs instead.
const FORGET_EVERY = 100; // Tokens of one user, between which those that have expired are forgotten.
const CLEAN_MS = 3_600_000;
const CLEANED = 1000; // Records at a time.

/** As it lies in the store and goes over the bus. */
interface End extends JsonObject {
  readonly username: string;
  /** Of the token; null = all that were made until `made`. */
  readonly token: string | null;
  /** Milliseconds. */
  readonly made: number;
  /** When the token expires, in milliseconds; null when all were ended, which holds for ever. */
  readonly until: number | null;
}

/** Of one user. */
interface UserEnds {
  madeMs: number;
  /** When each expires, by id. */
  readonly tokens: Map<string, number>;
}

/**
 * Tokens that were ended before their time. They lie in the store until they would have expired anyway, and in the memory of
 * each process, which the bus tells of others: so a request asks no store. Rejects when the store cannot be read.
 */
export async function openEndedTokens(core: Core) {
  const users = new Map<string, UserEnds>();
  const note = (end: End): void => noteEnd(users, end);
  let cleanedMs = performance.now();

  const tell = async (end: End): Promise<void> => {
    // First, so that this process is right whatever fails.
    note(end);
    await keep(core, end);
    try {
      await core.bus.publish(TOPIC, end);
    } catch (error) {
      core.log.error("The bus did not tell others of a token that was ended", { error: errorOf(error) });
    }
    if (performance.now() - cleanedMs < CLEAN_MS) return;
    cleanedMs = performance.now();
    await clean(core);
  };
  const endAll = (username: string): Promise<void> => tell({ username, token: null, made: Date.now(), until: null });

  await core.store.createStoreIfNotExists(ENDED, { username: "str", token: "str", made: "int", until: "int" });
  await clean(core);
  // Before reading, so that nothing is missed in between.
  await core.bus.subscribe(TOPIC, (message: Json) => note(message as End));
  for (const record of await core.store.find(null, ENDED)) note(record as unknown as End);

  return {
    has({ username, id, madeMs }: Claims): boolean {
      const ends = users.get(username);
      return ends !== undefined && (madeMs <= ends.madeMs || ends.tokens.has(id));
    },
    end({ username, id, madeMs, expiresMs }: Claims): Promise<void> {
      if ((users.get(username)?.tokens.size ?? 0) >= PER_USER) return endAll(username);
      return tell({ username, token: id, made: madeMs, until: expiresMs });
    },
    endAll,
    /** When a token of the user may say that it was made: now, and after all that were ended: a clock that was set back makes none of those. */
    madeMs: (username: string): number => Math.max(Date.now(), (users.get(username)?.madeMs ?? 0) + 1),
  };
}

function noteEnd(users: Map<string, UserEnds>, { username, token, made, until }: End): void {
  const ends = users.getOrInsertComputed(username, () => ({ madeMs: 0, tokens: new Map<string, number>() }));
  if (token === null) {
    ends.madeMs = Math.max(ends.madeMs, made);
    ends.tokens.clear();
    return;
  }
  if (ends.tokens.size % FORGET_EVERY === FORGET_EVERY - 1) {
    for (const [id, expiresMs] of ends.tokens) if (expiresMs <= Date.now()) ends.tokens.delete(id);
  }
  if (made > ends.madeMs) ends.tokens.set(token, until ?? Number.POSITIVE_INFINITY);
}

/** One record for each token, and one for all of a user. */
async function keep(core: Core, end: End): Promise<void> {
  const id = `${end.token ?? "all"} ${end.username}`;
  const isNew = await addIfAbsent(core.store, null, ENDED, end, id);
  if (!isNew && end.token === null)
    await core.store.update(null, ENDED, id, { made: end.made }, { made: { lt: end.made } });
}

async function clean(core: Core): Promise<void> {
  const expired = { where: { until: { lt: Date.now() } }, limit: CLEANED, select: [] };
  for (const { id } of await core.store.find(null, ENDED, expired)) await core.store.delete(null, ENDED, id);
}

const SECRET_BYTES = 48;
const MIN_CHARACTERS = 32; // HS256 asks for a key of at least 256 bits.
const WINNER_WAIT_MS = 1000; // Between creating the file and writing to it another process needs microseconds.

/** Throws an Error with a sentence for the owner when there is no secret to be had. */
export function readSecret(config: Config, log: Log): string {
  if (config.mode === "ephemeral")
    return config.ephemeralFolder ? sharedSecret(config.ephemeralFolder) : createSecret();
  try {
    if (config.jwtSecretKey !== null) return requireLength(config.jwtSecretKey, "JWT_SECRET_KEY", config, log);
    if (createSecretFile(config.jwtSecretFile))
      log.info("Made the secret that signs sessions", { file: config.jwtSecretFile });
    return requireLength(readSecretFile(config.jwtSecretFile), config.jwtSecretFile, config, log);
  } catch (error) {
    if (dirname(config.jwtSecretFile) === config.dataPath) requireDataFolder(config);
    throw new Error(`No secret to sign sessions with: ${messageOf(error)}. Set JWT_SECRET_KEY or JWT_SECRET_FILE.`);
  }
}

/** Of the workers of one server. */
function sharedSecret(folder: string): string {
  const path = join(folder, "jwt.secret");
  createSecretFile(path);
  return readSecretFile(path);
}

/** Writes a fresh secret that only the owner can read. False, and nothing touched, when there is such a file already. */
export function createSecretFile(path: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  try {
    // wx: of several processes that start at once, one wins and the others read what it wrote.
    writeFileSync(path, `${createSecret()}\n`, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** A short one that came along with accounts, as from the Python Skeleton, is taken, so that moving here breaks nothing; a new one must be long. */
function requireLength(secret: string, name: string, { usersFile }: Config, log: Log): string {
  if (secret.length >= MIN_CHARACTERS) return secret;
  const short = `${name} has fewer than ${MIN_CHARACTERS} characters`;
  if (!existsSync(usersFile)) throw new Error(`${short}, the least that a new installation needs`);
  const advice = "Make another one with: users --generate-jwt FILE --force. It signs everybody out once.";
  log.warn(`INSECURE: ${short}. Whoever guesses it can sign in as anybody. ${advice}`);
  return secret;
}

function createSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}

function readSecretFile(path: string): string {
  const deadline = Date.now() + WINNER_WAIT_MS;
  for (;;) {
    const secret = readFileSync(path, "utf8").trim();
    if (secret !== "") return secret;
    if (Date.now() > deadline) throw new Error(`${path} is empty; delete it to have another made`);
    Bun.sleepSync(5);
  }
}
