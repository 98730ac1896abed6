/**
 * Copies of the database beside it, written before its tables change: one per start of the server, so that it has the shape
 * that an earlier version or set of plugins left, however many stores are extended then.
 */

import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { messageOf } from "../../basics/errors";
import type { Log } from "../../protocols";

export interface Backups {
  /** Resolves when this start has its backup; the first call writes it. Throws an Error when it cannot be written. */
  ready(): Promise<void>;
}

const KEPT = 2; // Beside that of this start: enough to go back over a bad day of upgrades; each is as large as the database.

/** `path` null: a database in memory, which needs none. */
export function createBackups(path: string | null, log: Log): Backups {
  const started = new Date();
  let written: Promise<void> | null = null;
  return {
    async ready() {
      if (path === null) return;
      written ??= writeBackup(path, started, log);
      // A failure, such as a full disk, may be over the next time.
      await written.catch((error: unknown) => {
        written = null;
        throw error;
      });
    },
  };
}

async function writeBackup(path: string, started: Date, log: Log): Promise<void> {
  const target = backupName(path, new Date());
  // A half-written copy must never look like a backup.
  const part = `${target}.${process.pid}.part`;
  try {
    // As private as the database itself; SQLite fills a file that is empty.
    closeSync(openSync(part, "wx", 0o600));
    await copyDatabase(path, part);
    renameSync(part, target);
  } catch (error) {
    rmSync(part, { force: true });
    const why = `Cannot write the backup ${target}, so the database was left as it is: ${messageOf(error)}`;
    throw new Error(why, { cause: error });
  }
  const megabytes = Math.ceil(statSync(target).size / 1e6);
  log.info("Database backed up before its tables change", { file: target, megabytes });
  // Another process that started at the same time may have written one too, and knows no more of its worth than we do.
  const earlier = backupsOf(path).filter((file) => file < backupName(path, started));
  for (const old of earlier.slice(0, -KEPT)) rmSync(old, { force: true });
}

function backupName(path: string, time: Date): string {
  return `${path}.backup-${time.toISOString().replace(/[:.]/g, "-")}`;
}

/** Oldest first: the names end in their time. */
function backupsOf(path: string): string[] {
  const start = `${basename(path)}.backup-`;
  return readdirSync(dirname(path))
    .filter((name) => name.startsWith(start) && !name.endsWith(".part"))
    .sort()
    .map((name) => join(dirname(path), name));
}

/** By a connection of its own in a thread of its own: a gigabyte takes seconds, and a plugin may be added while replies run. */
const COPY = `
import { Database } from "bun:sqlite";
self.onmessage = ({ data: { path, target } }) => {
  try {
    const database = new Database(path, { readwrite: true });
    database.run("PRAGMA busy_timeout = 5000");
    database.run("VACUUM INTO ?", target);
    database.close();
    postMessage(null);
  } catch (error) {
    postMessage(error.message);
  }
};`;

async function copyDatabase(path: string, target: string): Promise<void> {
  const url = URL.createObjectURL(new Blob([COPY], { type: "text/javascript" }));
  const worker = new Worker(url);
  try {
    const problem = await new Promise<string | null>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => resolve(message);
      worker.postMessage({ path, target });
    });
    if (problem !== null) throw new Error(problem);
  } finally {
    worker.terminate();
    URL.revokeObjectURL(url);
  }
}
