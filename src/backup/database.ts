/** The database file, as backup and restore see it: copied while others write, checked, and asked for what it names. */

import { Database } from "bun:sqlite";
import { closeSync, openSync } from "node:fs";
import { codeOf, messageOf } from "../basics/errors";

const BUSY_MS = 10_000; // A checkpoint of the server, or its recovery after a crash.

/** Copies what is committed at one moment. The server goes on meanwhile; its log grows until the copy is done. */
export function copyDatabase(source: string, target: string): void {
  // As private as the database itself; SQLite fills a file that is empty.
  closeSync(openSync(target, "wx", 0o600));
  withDatabase(source, "readwrite", (database) => {
    database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    database.run("VACUUM INTO ?", [target]);
  });
  // No process that runs a turn now runs it in the copy: a server that starts there shall not wait for their silence.
  withDatabase(target, "readwrite", (database) => {
    if (tablesOf(database).has("processes")) database.run("DELETE FROM processes");
  });
}

/** What is wrong with the file, in SQLite's words, or null. Reads all of it. */
export function problemWithDatabase(path: string): string | null {
  try {
    return withDatabase(path, "readonly", (database) => {
      const rows = database.query<{ integrity_check: string }, []>("PRAGMA integrity_check").all();
      const problems = rows.map((row) => row.integrity_check).filter((text) => text !== "ok");
      if (problems.length > 0) return problems.slice(0, 3).join("; ");
      return tablesOf(database).has("_store") ? null : "it is not a database of Skeleton";
    });
  } catch (error) {
    return messageOf(error);
  }
}

/** Where in the folder of uploads the files are that the database names. */
export function uploadsNamedIn(path: string): Set<string> {
  return withDatabase(path, "readonly", (database) => {
    if (!tablesOf(database).has("file_bytes")) return new Set();
    const rows = database.query<{ place: string | null }, []>("SELECT place FROM file_bytes").all();
    return new Set(rows.flatMap(({ place }) => place ?? []));
  });
}

/** Whether another process has the file open, a server of a version without a lock among them. False for a file that is no database. */
export function isOpenElsewhere(path: string): boolean {
  return withDatabase(path, "readwrite", (database) => {
    try {
      // In this mode the log is had by one connection alone, so it is refused while there is another one, however idle.
      database.run("PRAGMA locking_mode = EXCLUSIVE");
      database.run("BEGIN EXCLUSIVE");
      database.run("ROLLBACK");
      return false;
    } catch (error) {
      return codeOf(error).startsWith("SQLITE_BUSY");
    }
  });
}

function withDatabase<Result>(
  path: string,
  mode: "readonly" | "readwrite",
  work: (database: Database) => Result,
): Result {
  const database = new Database(path, { [mode]: true });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function tablesOf(database: Database): Set<string> {
  const rows = database.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  return new Set(rows.map(({ name }) => name));
}
