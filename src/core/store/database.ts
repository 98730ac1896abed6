/**
 * The open SQLite file: settings, and statements prepared once, by their text. One that is empty, or not there, may be new or lost. What is in
 * use must not be taken as new: people would find none of their chats, write others, and nobody could put the two together
 * again. So where traces show that there was one, the start is refused with everything as it is.
 */

import { Database, type SQLQueryBindings, type Statement } from "bun:sqlite";
import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { AppError, codeOf, messageOf } from "../../basics/errors";
import type { Config } from "../../protocols";
import { requireDataFolder } from "../data-folder";

export type SqlValue = string | number | null;
/** A row by column name; every query names its columns, so its reader knows what is in it. */
export type Row = Record<string, SqlValue>;

/** A connection, with its statements prepared once. */
export interface Sql {
  all(sql: string, ...values: SqlValue[]): Row[];
  first(sql: string, ...values: SqlValue[]): Row | null;
  run(sql: string, ...values: SqlValue[]): void;
  /** For what is run once, such as a change of the tables. */
  exec(sql: string): void;
  inTransaction(): boolean;
  /** Ends the statements. */
  close(): void;
}

export interface StoreDatabase extends Sql {
  /** Where the file is; null = in memory. */
  readonly path: string | null;
  /** What was there when it was opened: a database, an empty file, or no file. */
  readonly found: "database" | "empty" | "nothing";
  /** Called when all tables of the store itself are there: until then a call waits for other processes that make theirs. */
  serve(): void;
  /** Begins a write. Throws at once when another connection is writing: the loop does not wait for it. */
  begin(): void;
  /** Throws AppError("unavailable") when the file is no longer there, is another one by now, or no database. */
  checkFile(): void;
  close(): void;
}

const OPEN_BUSY_MS = 5000; // At start another process may be recovering the file; waiting disturbs nobody yet.
const RETRY_MS = 10;
const BUSY_MS = 10; // A busy file holds up the loop no longer than this; the write queue then tries again from the loop.
const STATEMENTS = 500; // Statements differ by shape and never by value; plugins may still make up many shapes.

export function openDatabase(config: Config): StoreDatabase {
  const folder = config.mode === "ephemeral" ? config.ephemeralFolder : config.dataPath;
  const path = folder === null ? null : join(folder, "skeleton.db");
  const { database, found } = open(path, config);
  // For as long as the database is open: whoever closes a file loses all locks that their process has on it, SQLite's too.
  const file = path === null ? null : openSync(path, "r");
  const opened = file === null ? null : fstatSync(file);
  const sql = prepared(database);

  return {
    ...sql,
    path,
    found,
    serve() {
      database.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
      // A checkpoint waits for the disk, and is made beside the loop.
      if (path !== null) database.run("PRAGMA wal_autocheckpoint = 0");
    },
    begin() {
      sql.run("PRAGMA busy_timeout = 0");
      try {
        sql.run("BEGIN IMMEDIATE");
      } finally {
        sql.run(`PRAGMA busy_timeout = ${BUSY_MS}`);
      }
    },
    checkFile() {
      if (path === null || file === null) return;
      const now = statSync(path, { throwIfNoEntry: false });
      // SQLite goes on in a file that has no name any more, and all of that would be gone with the process.
      if (now?.ino !== opened?.ino || now?.dev !== opened?.dev) throw new AppError("unavailable", REMOVED);
      if (!hasHeader(file)) throw new AppError("unavailable", DAMAGED);
    },
    close() {
      sql.close();
      // Another process may be reading, and then the log stays for the last one to close.
      database.run("PRAGMA wal_checkpoint(TRUNCATE)");
      database.close();
      if (file !== null) closeSync(file);
    },
  };
}

/** Another connection to a file that is open already, for a Worker, which may wait for others: it never makes a checkpoint by itself. */
export function connect(path: string): Sql {
  const database = new Database(path, { strict: true, readwrite: true });
  for (const setting of ["busy_timeout = 10000", "synchronous = NORMAL", "foreign_keys = ON", "wal_autocheckpoint = 0"])
    database.run(`PRAGMA ${setting}`);
  const sql = prepared(database);
  return {
    ...sql,
    close() {
      sql.close();
      database.close();
    },
  };
}

function prepared(database: Database): Sql {
  const statements = new Map<string, Statement<Row, SQLQueryBindings[]>>();
  const statement = (sql: string) => {
    const known = statements.get(sql);
    if (known) return known;
    const [oldest] = statements;
    if (oldest && statements.size >= STATEMENTS) {
      statements.delete(oldest[0]);
      oldest[1].finalize();
    }
    const made = database.prepare<Row, SQLQueryBindings[]>(sql);
    statements.set(sql, made);
    return made;
  };
  return {
    all: (sql, ...values) => statement(sql).all(...values),
    first: (sql, ...values) => statement(sql).get(...values),
    run: (sql, ...values) => void statement(sql).run(...values),
    exec: (sql) => void database.run(sql),
    inTransaction: () => database.inTransaction,
    close() {
      for (const made of statements.values()) made.finalize();
      statements.clear();
    },
  };
}

const REMOVED =
  "The database file was removed or replaced while the server ran. Its owner has to stop the server and put the file back.";
const DAMAGED = "The database file is damaged. Its owner has to stop the server and restore a backup.";

function open(path: string | null, config: Config): { database: Database; found: StoreDatabase["found"] } {
  let database: Database | null = null;
  try {
    const traces = path === null || config.mode === "ephemeral" ? [] : tracesOf(config, path);
    const bytes = path === null ? 0 : statSync(path, { throwIfNoEntry: false })?.size;
    if (path) {
      // Before SQLite touches anything: it removes the log beside an empty file.
      if (!bytes) refuseWhenLost(traces, bytes === 0);
      mkdirSync(config.dataPath, { recursive: true });
      // Everybody's chats are for the server alone; SQLite gives its other files the same mode.
      makeFile(path);
    }
    database = new Database(path ?? ":memory:", { strict: true, create: true });
    database.run(`PRAGMA busy_timeout = ${OPEN_BUSY_MS}`);
    const hasTables = requireOurTables(database) || (Boolean(bytes) && hasTablesAfterOthers(database));
    if (bytes && !hasTables) refuseWhenLost(traces, true);
    switchToWal(database);
    database.run("PRAGMA synchronous = NORMAL");
    database.run("PRAGMA foreign_keys = ON");
    database.run(`CREATE TABLE IF NOT EXISTS _store (
      name TEXT PRIMARY KEY,
      fields TEXT NOT NULL,
      reindex_to INTEGER
    ) STRICT`);
    return { database, found: hasTables ? "database" : bytes === undefined ? "nothing" : "empty" };
  } catch (error) {
    database?.close();
    if (path) requireDataFolder(config);
    throw new Error(`Cannot open the database ${path ?? "in memory"}: ${messageOf(error)}`, { cause: error });
  }
}

/** Another process may be making them at this moment. */
function hasTablesAfterOthers(database: Database): boolean {
  database.run("BEGIN IMMEDIATE");
  try {
    return requireOurTables(database);
  } finally {
    database.run("ROLLBACK");
  }
}

/** Whether the file begins as every SQLite file does. SQLite itself reads it again only when another process has written. */
function hasHeader(file: number): boolean {
  const expected = "SQLite format 3\0";
  const bytes = Buffer.alloc(expected.length);
  readSync(file, bytes, 0, bytes.length, 0);
  return bytes.toString("latin1") === expected;
}

/** An empty file for its owner alone, where there is none: SQLite would let others read it. */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
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
  return codeOf(error).startsWith("SQLITE_BUSY");
}

/** Throws an Error for the owner when something beside the database (`tracesOf`) says that it had content. */
function refuseWhenLost(traces: readonly string[], isThere: boolean): void {
  if (traces.length === 0) return;
  throw new Error(
    `It ${isThere ? "is empty" : "is not there"}, although it was in use: there is ${traces.join(", ")}. Nothing was touched. ` +
      "Put the database back, from a backup if need be. To begin anew, move what is named here to another folder first.",
  );
}

/**
 * Must be read before the database is looked at: another process that makes a new one at the same moment writes the file first and what
 * lies beside it later.
 */
function tracesOf({ dataPath, uploadDir }: Config, path: string): string[] {
  const log = `${path}-wal`;
  const beside = namesIn(dataPath).filter((name) => isBackup(name, path) || name.startsWith("before-restore-"));
  const uploads = namesIn(uploadDir).filter((name) => name !== "incoming" && !name.startsWith("."));
  return [
    ...(statSync(log, { throwIfNoEntry: false })?.size ? [log] : []),
    ...beside.slice(-1).map((name) => join(dataPath, name)),
    ...(uploads.length > 0 ? [`something in ${uploadDir}`] : []),
  ];
}

/** Whether a file beside the database is a whole copy of it, as schema.ts names them. */
export function isBackup(name: string, path: string): boolean {
  return name.startsWith(`${basename(path)}.backup-`) && !name.endsWith(".part");
}

function namesIn(folder: string): string[] {
  // A folder that cannot be read is the business of whoever needs it.
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

const FROM_PYTHON =
  "It is that of the Python Skeleton, whose chats cannot be read. Move it to another folder with the files ending in -wal and -shm; see docs/from-python.md.";

/** False when there are no tables at all. Throws an Error when those that belong to a store are not all there. */
function requireOurTables(database: Database): boolean {
  // As of one moment: another process may be making a store.
  return database.inTransaction ? areOurTablesThere(database) : database.transaction(areOurTablesThere)(database);
}

function areOurTablesThere(database: Database): boolean {
  const rows = database.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const tables = new Set(rows.map(({ name }) => name));
  if (tables.size === 0) return false;
  if (tables.has("_stores") && !tables.has("_store")) throw new Error(FROM_PYTHON);
  if (!tables.has("_store")) throw new Error("It is the database of another program.");
  const stores = database.query<{ name: string; fields: string }, []>("SELECT name, fields FROM _store").all();
  const wanted = stores.flatMap(({ name, fields }) => [
    name,
    ...(fields.includes('"json_collection"') ? [`${name}.items`] : []),
  ]);
  const missing = wanted.filter((name) => !tables.has(name));
  if (missing.length === 0) return true;
  throw new Error(`It is damaged, tables are missing: ${missing.join(", ")}. Restore a backup.`);
}
