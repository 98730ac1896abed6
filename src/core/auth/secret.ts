/**
 * The secret that signs sessions: from the configuration, else from a file that is made at the first start. Read once, so
 * that nobody is signed out while the server runs.
 */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../../basics/errors";
import type { Config, Log } from "../../protocols";
import { requireDataFolder } from "../data-folder";

const SECRET_BYTES = 48;
const MIN_CHARACTERS = 32; // HS256 asks for a key of at least 256 bits.
const WINNER_WAIT_MS = 1000; // Between creating the file and writing to it another process needs microseconds.

/** Throws an Error with a sentence for the owner when there is no secret to be had. */
export function readSecret(config: Config, log: Log): string {
  if (config.mode === "ephemeral") return createSecret();
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

/** Writes a fresh secret that only the owner can read. False, and nothing touched, when there is such a file already. */
export function createSecretFile(path: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  try {
    // wx: of several processes that start at once, one wins and the others read what it wrote.
    writeFileSync(path, `${createSecret()}\n`, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
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
