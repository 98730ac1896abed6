/** The open SQLite file: settings, prepared statements by their text, and the one way to write to it. */

import { Database, type SQLQueryBindings, type Statement } from "bun:sqlite";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../errors";
import type { Config } from "../../protocols";

export type SqlValue = string | number | null;
/** A row by column name; every query names its columns, so its reader knows what is in it. */
export type Row = Record<string, SqlValue>;

export interface StoreDatabase {
  /** Where the file is; null = in memory. */
  readonly path: string | null;
  all(sql: string, ...values: SqlValue[]): Row[];
  first(sql: string, ...values: SqlValue[]): Row | null;
  run(sql: string, ...values: SqlValue[]): void;
  /** For what is run once, such as a change of the tables. */
  exec(sql: string): void;
  inTransaction(): boolean;
  close(): void;
}

const OPEN_BUSY_MS = 5000; // At start another process may be recovering the file; waiting disturbs nobody yet.
const RETRY_MS = 10;
const BUSY_MS = 10; // A busy file holds up the loop no longer than this; the write queue then tries again from the loop.
const CHECKPOINT_PAGES = 250; // The commit that moves 1 MiB into the file takes 3 ms; SQLite's own 4 MiB take 8 to 20.
const STATEMENTS = 500; // Statements differ by shape and never by value; plugins may still make up many shapes.

export function openDatabase(config: Config): StoreDatabase {
  const path = config.mode === "ephemeral" ? null : join(config.dataPath, "skeleton.db");
  const database = open(path, config.dataPath);
  const statements = new Map<string, Statement<Row, SQLQueryBindings[]>>();

  const statement = (sql: string) => {
    const known = statements.get(sql);
    if (known) return known;
    const [oldest] = statements;
    if (oldest && statements.size >= STATEMENTS) {
      statements.delete(oldest[0]);
      oldest[1].finalize();
    }
    const prepared = database.prepare<Row, SQLQueryBindings[]>(sql);
    statements.set(sql, prepared);
    return prepared;
  };

  return {
    path,
    all: (sql, ...values) => statement(sql).all(...values),
    first: (sql, ...values) => statement(sql).get(...values),
    run: (sql, ...values) => void statement(sql).run(...values),
    exec: (sql) => void database.run(sql),
    inTransaction: () => database.inTransaction,
    close() {
      for (const prepared of statements.values()) prepared.finalize();
      statements.clear();
      // Another process may be reading, and then the log stays for the last one to close.
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      database.close();
    },
  };
}

function open(path: string | null, folder: string): Database {
  try {
    if (path) {
      mkdirSync(folder, { recursive: true });
      // Everybody's chats are for the server alone; SQLite gives its other files the same mode.
      closeSync(openSync(path, "a", 0o600));
    }
    const database = new Database(path ?? ":memory:", { strict: true, create: true });
    database.run(`PRAGMA busy_timeout = ${OPEN_BUSY_MS}`);
    switchToWal(database);
    database.run("PRAGMA synchronous = NORMAL");
    database.run("PRAGMA foreign_keys = ON");
    database.run(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    database.run(`CREATE TABLE IF NOT EXISTS _store (
      name TEXT PRIMARY KEY,
      fields TEXT NOT NULL,
      reindex_to INTEGER
    ) STRICT`);
    database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
    return database;
  } catch (error) {
    throw new Error(`Cannot open the database ${path ?? "in memory"}: ${messageOf(error)}`, { cause: error });
  }
}

/** Two processes that make the file at the same moment: SQLite tells one of them at once, whatever its time-out. */
function switchToWal(database: Database): void {
  const end = performance.now() + OPEN_BUSY_MS;
  for (;;) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
      Bun.sleepSync(RETRY_MS);
    }
  }
}

/** Whether another connection is in the way, and it may work in a moment. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY");
}
