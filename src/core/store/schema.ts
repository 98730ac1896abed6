/**
 * Declared stores and their tables. The declarations live in the table `_store`, which several processes share, so the
 * copy held here is checked against the file's `user_version` (raised with every change) before it is used.
 */

import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { AppError, messageOf } from "../../basics/errors";
import { onceDone } from "../../basics/once";
import type { Log, StoreField, StoreFields, StoreInfo } from "../../protocols";
import { isBackup, type StoreDatabase } from "./database";
import { beginRefolding, beginReindex, createIndex, createReindexing, hasIndex, needsIndex } from "./search";
import { beginSizing, createSizing } from "./sizes";
import { COLUMN_TYPE, columnsOf, searchedFields, sizedFields } from "./sql";
import type { WriteQueue } from "./writes";

export interface Schema {
  /**
   * The store, or one that has these fields at least, which is cheaper, because a declared field never goes or changes its type. Throws
   * AppError("notFound") when no such store is declared.
   */
  get(name: string, fields?: readonly string[]): StoreInfo;
  find(name: string): StoreInfo | null;
  list(): StoreInfo[];
  declare(name: string, fields: StoreFields): Promise<void>;
  /** Leaves what is not indexed yet to the next start. */
  close(): Promise<void>;
}

/** Also keeps a person's names from being syntax, since they become names of tables and columns. */
const NAME = /^(?!sqlite_)[a-z][a-z0-9_]{0,62}$/;

export function createSchema(database: StoreDatabase, writes: WriteQueue, log: Log): Schema {
  let version: number | null = null;
  let stores = new Map<string, StoreInfo>();

  const current = (): Map<string, StoreInfo> => {
    const now = Number(database.first("PRAGMA user_version")?.user_version);
    if (now === version) return stores;
    stores = new Map(
      database
        .all("SELECT name, fields FROM _store ORDER BY name")
        .map((row) => [String(row.name), { name: String(row.name), fields: JSON.parse(String(row.fields)) }]),
    );
    version = now;
    return stores;
  };
  const find = (name: string): StoreInfo | null => current().get(name) ?? null;

  const get = (name: string, fields?: readonly string[]): StoreInfo => {
    const known = stores.get(name);
    if (known && fields?.every((field) => field === "id" || Object.hasOwn(known.fields, field))) return known;
    const store = find(name);
    if (store) return store;
    throw new AppError("notFound", `There is no store "${name}". Declare it with createStoreIfNotExists first.`);
  };

  const backup = createBackup(database.path, log);
  const reindexing = createReindexing({ database, writes, log, get });
  const sizing = createSizing({ database, writes, log, get });
  /** Work that an earlier change left to do goes on beside everything else. */
  const goOn = (name: string): void => {
    reindexing.begin(name);
    sizing.begin(name);
  };

  return {
    find,
    list: () => [...current().values()],
    get,
    async declare(name, fields) {
      const declared = checkedStore(name, fields);
      const before = find(name);
      const merged = extended(before, declared);
      if (before && !merged && !needsIndex(database, before)) return goOn(name);
      // An index that was lost is made from what is there, and nothing of that changes.
      if (before && merged) await backup();
      await writes.write(() => {
        // Another process may have been here since; its version of the store is the one to go on from.
        version = null;
        const existing = find(name);
        const result = extended(existing, declared) ?? existing ?? declared;
        if (existing === result && !needsIndex(database, existing)) return;
        if (existing) extend(database, existing, result);
        else create(database, result);
        database.exec(`PRAGMA user_version = ${Number(version) + 1}`);
        // A failing commit takes the change back, so nothing is remembered from inside of it.
        version = null;
      });
      // From here on, whoever asks for the store as it is known gets it with these fields.
      current();
      if (before && merged) log.info("Store extended", { store: name });
      goOn(name);
    },
    async close() {
      await Promise.all([reindexing.close(), sizing.close()]);
    },
  };
}

export function checkedStore(name: string, fields: StoreFields): StoreInfo {
  if (!NAME.test(name)) {
    throw new AppError(
      "invalid",
      `"${name}" cannot name a store: use a-z, 0-9 and _, a letter first, up to 63 characters.`,
    );
  }
  const checked: Record<string, StoreField> = {};
  for (const [field, declared] of Object.entries(fields)) {
    const { type, index, search, sized } = typeof declared === "string" ? { type: declared } : declared;
    const where = `The field "${field}" of the store "${name}"`;
    if (!NAME.test(field) || field === "id") throw new AppError("invalid", `${where} cannot be named so.`);
    if (type !== "json_collection" && !Object.hasOwn(COLUMN_TYPE, type)) {
      throw new AppError("invalid", `${where} has the unknown type "${type}".`);
    }
    if (search && type !== "str") throw new AppError("invalid", `${where} is ${type}; only str can be searched.`);
    if (index && (type === "json" || type === "json_collection")) {
      throw new AppError("invalid", `${where} is ${type}, which has no index.`);
    }
    if (sized && !SIZED.has(type)) throw new AppError("invalid", `${where} is ${type}, which has no size.`);
    checked[field] = { type, ...(index && { index }), ...(search && { search }), ...(sized && { sized }) };
  }
  return { name, fields: checked };
}

const SIZED: ReadonlySet<string> = new Set(["str", "json", "int"]);

/** The store with what is new in `declared`, or null when nothing is. What it has already, it keeps. */
export function extended(existing: StoreInfo | null, declared: StoreInfo): StoreInfo | null {
  if (!existing) return declared;
  const fields: Record<string, StoreField> = { ...existing.fields };
  for (const [name, field] of Object.entries(declared.fields)) {
    const had = Object.hasOwn(existing.fields, name) ? existing.fields[name] : undefined;
    if (had && had.type !== field.type) {
      throw new AppError(
        "conflict",
        `The store "${declared.name}" keeps the field "${name}" as ${had.type}, and it is now declared as ${field.type}. ` +
          "Nothing was changed. Declare it as it was, or give the field another name.",
      );
    }
    fields[name] = { ...had, ...field };
  }
  const merged = { name: declared.name, fields };
  return Bun.deepEquals(existing.fields, fields) ? null : merged;
}

function create(database: StoreDatabase, store: StoreInfo): void {
  const columns = columnsOf(store).map((field) => `, ${column(store, field)}`);
  database.exec(`CREATE TABLE "${store.name}" (
    _row INTEGER PRIMARY KEY, _owner TEXT NOT NULL, id TEXT NOT NULL${columns.join("")}, UNIQUE (_owner, id)
  ) STRICT`);
  database.exec(`CREATE INDEX "${store.name}.owner" ON "${store.name}" (_owner)`);
  createParts(database, store);
  beginSizing(database, store);
  database.run("INSERT INTO _store (name, fields) VALUES (?, ?)", store.name, JSON.stringify(store.fields));
}

function extend(database: StoreDatabase, existing: StoreInfo, store: StoreInfo): void {
  const had = new Set(columnsOf(existing));
  const [isIndexNew, isFormNew] = [!hasIndex(database, store), needsIndex(database, store)];
  for (const field of columnsOf(store)) {
    if (!had.has(field)) database.exec(`ALTER TABLE "${store.name}" ADD COLUMN ${column(store, field)}`);
  }
  createParts(database, store);
  database.run("UPDATE _store SET fields = ? WHERE name = ?", JSON.stringify(store.fields), store.name);
  const isSearchNew = searchedFields(store).some((field) => had.has(field) && !existing.fields[field]?.search);
  if ((isIndexNew && isFormNew) || isSearchNew) beginReindex(database, store);
  else if (isFormNew) beginRefolding(database, store);
  if (sizedFields(existing).join() !== sizedFields(store).join()) beginSizing(database, store);
}

function column(store: StoreInfo, field: string): string {
  const type = store.fields[field]?.type ?? "json_collection";
  return type === "json_collection" ? "" : `"${field}" ${COLUMN_TYPE[type]}`;
}

/** Indexes and tables beside the records; the dot in their names keeps them apart from every store. */
function createParts(database: StoreDatabase, store: StoreInfo): void {
  const { name, fields } = store;
  for (const [field, { index }] of Object.entries(fields)) {
    if (index) database.exec(`CREATE INDEX IF NOT EXISTS "${name}.by.${field}" ON "${name}" (_owner, "${field}")`);
  }
  if (Object.values(fields).some((field) => field.type === "json_collection")) {
    database.exec(`CREATE TABLE IF NOT EXISTS "${name}.items" (
      record INTEGER NOT NULL REFERENCES "${name}" (_row) ON DELETE CASCADE,
      field TEXT NOT NULL,
      position INTEGER NOT NULL,
      value TEXT NOT NULL,
      PRIMARY KEY (record, field, position)
    ) STRICT, WITHOUT ROWID`);
  }
  if (searchedFields(store).length > 0) createIndex(database, store);
}

const KEPT = 2; // Beside that of this start: enough to go back over a bad day of upgrades; each is as large as the database.

/**
 * Gives what resolves when this start has its copy of the database beside it; the first call writes it. Throws an Error when it cannot be
 * written. One per start, so that it has the shape that an earlier version or set of plugins left, however many stores are
 * extended then. `path` null: a database in memory, which needs none.
 */
function createBackup(path: string | null, log: Log): () => Promise<void> {
  const started = new Date();
  return onceDone(async () => {
    if (path !== null) await writeBackup(path, started, log);
  });
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
  return readdirSync(dirname(path))
    .filter((name) => isBackup(name, path))
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
