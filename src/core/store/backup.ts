/** Copies of the database beside it, written before its tables change. */

import { closeSync, openSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Log } from "../../protocols";
import type { StoreDatabase } from "./database";

const KEPT = 3; // Enough to go back over a bad day of upgrades; each is as large as the database.

/** Holds up the loop while it copies: migrations happen at start, and the copy must be whole before they do. */
export async function writeBackup(database: StoreDatabase, path: string, log: Log): Promise<void> {
  const target = `${path}.backup-${new Date().toISOString().replace(/[:.]/g, "-")}`;
  // A half-written copy must never look like a backup.
  const part = `${target}.${process.pid}.part`;
  try {
    // As private as the database itself; SQLite fills a file that is empty.
    closeSync(openSync(part, "wx", 0o600));
    database.run("VACUUM INTO ?", part);
    renameSync(part, target);
  } catch (error) {
    rmSync(part, { force: true });
    throw new Error(`Cannot write the backup ${target}, so the database was left as it is.`, { cause: error });
  }
  log.info("Database backed up before its tables change", { file: target });
  for (const old of backupsOf(path).slice(0, -KEPT)) rmSync(old, { force: true });
}

/** Oldest first: the names end in their time. */
function backupsOf(path: string): string[] {
  const start = `${basename(path)}.backup-`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start) && !name.endsWith(".part"))
    .sort()
    .map((name) => join(dirname(path), name));
}
