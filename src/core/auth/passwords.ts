/**
 * Hashes and checks passwords. Both take a fifth of a second of a core and up to 64 MiB, so only a few run at once, in the
 * order they came. Takes bcrypt hashes of other tools as they are.
 */

import { AppError } from "../../basics/errors";
import { PASSWORD_MAX_BYTES, PASSWORD_MIN } from "../../basics/limits";
import { createLanes } from "../../basics/queues";

const AT_ONCE = 2; // Leaves cores and memory to running turns while somebody guesses passwords.
const MAX_WAITING = 100; // About ten seconds of work; who comes later would have given up before an answer.
const RETRY_AFTER_S = 10;
const BCRYPT_BYTES = 72; // bcrypt knows no more of a password.

const BCRYPT = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;
const ARGON2 = /^\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/;

/** Whether it has the form of a hash that `verifyPassword` can check. */
export function isPasswordHash(text: string): boolean {
  return BCRYPT.test(text) || ARGON2.test(text);
}

/** Kind and cost of a hash: two hashes with the same take the same time to check. */
export function kindOfHash(hash: string): string {
  return hash.split("$", hash.startsWith("$2") ? 3 : 4).join("$");
}

/** Throws AppError("invalid") with what is wrong with a password that somebody wants to have. */
export function requireGoodPassword(password: string, minCharacters = PASSWORD_MIN): void {
  if ([...password].length < minCharacters) {
    const characters = minCharacters === 1 ? "one character" : `${minCharacters} characters`;
    throw new AppError("invalid", `The password needs at least ${characters}.`);
  }
  if (Buffer.byteLength(password) > PASSWORD_MAX_BYTES) {
    throw new AppError("invalid", `The password may have at most ${PASSWORD_MAX_BYTES} bytes.`);
  }
}

/** An argon2id hash. Throws what `requireGoodPassword` throws, and AppError("unavailable") when too many wait. */
export function hashPassword(password: string, minCharacters = PASSWORD_MIN): Promise<string> {
  requireGoodPassword(password, minCharacters);
  return inTurn(() => Bun.password.hash(password, "argon2id"));
}

/** False also for a hash that turns out malformed. Throws only AppError("unavailable"), when too many wait. */
export function verifyPassword(password: string, hash: string): Promise<boolean> {
  return inTurn(async () => {
    const bytes = Buffer.from(password);
    if (bytes.length > PASSWORD_MAX_BYTES) {
      await isMatch(bytes.subarray(0, PASSWORD_MAX_BYTES), hash);
      return false;
    }
    // Bun hashes a longer password before bcrypt; Python, PHP and the others cut it off.
    const isCut = bytes.length > BCRYPT_BYTES && hash.startsWith("$2");
    return (await isMatch(bytes, hash)) || (isCut && (await isMatch(bytes.subarray(0, BCRYPT_BYTES), hash)));
  });
}

async function isMatch(password: Buffer, hash: string): Promise<boolean> {
  try {
    return await Bun.password.verify(password, hash);
  } catch {
    // Only its form was checked when it was read; Bun rejects what has impossible parameters.
    return false;
  }
}

/** Of the process, however many servers of a test are in it: it has so many cores. */
const lanes = createLanes(AT_ONCE);

async function inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
  if (lanes.waiting() < MAX_WAITING) return lanes.run(Symbol(), work);
  throw new AppError("unavailable", "Too many people are signing in. Try again in a moment.", {
    retryAfterS: RETRY_AFTER_S,
  });
}
