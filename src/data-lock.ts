/**
 * Says that a process uses the data folder, by a lock of the operating system that goes with the process, however it ends: servers
 * and backups share it, a restore has it alone. SQLite holds it, on an empty file, since neither Bun nor Node can.
 */

import { Database } from "bun:sqlite";
import { chownSync, closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { AppError, codeOf, messageOf } from "./basics/errors";

const FILE = "skeleton.lock";
const PATIENCE_MS = 500;

export interface DataLock {
  release(): void;
}

/** For whoever reads and writes beside others. Throws AppError("conflict") when a restore is at work, an Error when nothing can be locked. */
export function shareData(folder: string): DataLock {
  // A transaction that has read holds a lock that others may share. Whoever tries to be alone is in the way for a moment.
  const lock = take(folder, `PRAGMA busy_timeout = ${PATIENCE_MS}`, "BEGIN", "SELECT count(*) FROM sqlite_schema");
  if (lock) return lock;
  throw new AppError("conflict", `A backup is being restored to ${folder}. Wait until it is done.`);
}

/** For whoever must be alone; null when a server, a backup or another restore is at work. Throws an Error when nothing can be locked. */
export function ownData(folder: string): DataLock | null {
  return take(folder, "BEGIN EXCLUSIVE");
}

function take(folder: string, ...statements: readonly string[]): DataLock | null {
  const path = join(folder, FILE);
  let database: Database | null = null;
  try {
    mkdirSync(folder, { recursive: true });
    makeFile(path, folder);
    const opened = new Database(path);
    database = opened;
    for (const statement of statements) opened.query(statement).all();
    // Whoever holds the lock holds the connection, which would otherwise be closed with the garbage.
    return { release: () => opened.close() };
  } catch (error) {
    database?.close();
    if (codeOf(error) === "SQLITE_BUSY") return null;
    throw new Error(`Cannot lock the data folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

function makeFile(path: string, folder: string): void {
  // Never opened here when it is there: closing it would end a lock that this process has.
  if (existsSync(path)) return;
  closeSync(openSync(path, "a", 0o600));
  // A command that an administrator gives must not leave a file that the server cannot open.
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(folder);
  chownSync(path, uid, gid);
}
