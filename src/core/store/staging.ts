/**
 * The staging of collections: what is appended goes to one table that all stores share, `_staged`, a row per commit, whatever stores and
 * records it is of. So a thousand turns that each save a word write to one page of the file, not to a thousand. Later the items are
 * folded into their store's own table, by record, in small steps that any process may take or repeat. An item's position
 * is its number in `_staged`, so it may be in both tables for a while and is still read once.
 */

import type { Row, Sql } from "./database";
import type { Condition } from "./sql";

export interface CollectionKey {
  readonly store: string;
  readonly owner: string;
  readonly id: string;
  readonly field: string;
}

export interface Append extends CollectionKey {
  /** What must hold of the record. */
  readonly where: Condition;
  /** The items' JSON, in order. */
  readonly values: readonly string[];
}

/** `false`: the record does not match; `null`: there is none. */
export type Staged = boolean | null;

/** Called once the file is open. Numbers go on after every one that an earlier version of the file gave. */
export function createStaging(database: Sql): void {
  if (hasTable(database, "_staged")) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    database.exec(
      "CREATE TABLE IF NOT EXISTS _staged (n INTEGER PRIMARY KEY, keys TEXT NOT NULL, entries TEXT NOT NULL) STRICT",
    );
    if (hasTable(database, "_appended")) moveAppended(database);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function hasTable(database: Sql, name: string): boolean {
  return database.first("SELECT 1 FROM sqlite_master WHERE name = ?", name) !== null;
}

/** Versions before had a row per item, which says its record, and kept the newest one. */
function moveAppended(database: Sql): void {
  database.run(`INSERT INTO _staged (n, keys, entries) SELECT max(n), '', '[]' FROM _appended HAVING max(n) > 0`);
  for (const { store } of database.all("SELECT DISTINCT store FROM _appended WHERE record <> 0")) {
    database.run(
      `INSERT OR IGNORE INTO "${store}.items" (record, field, position, value)
       SELECT record, field, n, value FROM _appended WHERE store = ? AND record IN (SELECT _row FROM "${store}")`,
      String(store),
    );
  }
  database.exec("DROP TABLE _appended");
}

/** Inside a write: stages what may be appended as one row, and says what became of each. */
export function stage(database: Sql, appends: readonly Append[]): Staged[] {
  const keys: string[] = [];
  const entries: string[] = [];
  let count = 0;
  const staged = appends.map(({ store, owner, id, field, where, values }): Staged => {
    const sql = `SELECT _row, (1${where.sql}) AS matches FROM "${store}" WHERE _owner = ? AND id = ?`;
    const record = database.first(sql, ...where.values, owner, id);
    if (!record) return null;
    if (!record.matches) return false;
    if (values.length === 0) return true;
    keys.push(keyOf(store, Number(record._row), field));
    entries.push(`[${values.join(",")}]`);
    count += values.length;
    return true;
  });
  if (count > 0) addRow(database, count, `|${keys.join("|")}|`, `[${entries.join(",")}]`);
  return staged;
}

/** Inside the write that deletes the record with this `_row`, which a later one may get: what is staged before is nobody's. */
export function forget(database: Sql, store: string, row: number): void {
  addRow(database, 1, deletedKey(store, row), "[]");
}

/** A row's number is that of the last item in it. */
function addRow(database: Sql, count: number, keys: string, entries: string): void {
  const sql = "INSERT INTO _staged (n, keys, entries) SELECT coalesce(max(n), 0) + ?, ?, ? FROM _staged";
  database.run(sql, count, keys, entries);
}

/** No name has a dot, a dash or a bar in it. */
function keyOf(store: string, row: number, field: string): string {
  return `${store}.${row}.${field}`;
}

const DELETED = "-";

function deletedKey(store: string, row: number): string {
  return `${DELETED}${store}.${row}`;
}

/** The items' JSON, in order, from an index on. */
export function readItems(database: Sql, key: CollectionKey, from: number, limit: number): string[] {
  // One moment, because between two statements another process may fold.
  database.run("BEGIN");
  try {
    return itemsOf(database, key, from, limit);
  } finally {
    database.run("COMMIT");
  }
}

function itemsOf(database: Sql, { store, owner, id, field }: CollectionKey, from: number, limit: number): string[] {
  const record = database.first(`SELECT _row FROM "${store}" WHERE _owner = ? AND id = ?`, owner, id);
  if (!record) return [];
  const row = Number(record._row);
  const items = `FROM "${store}.items" WHERE record = ? AND field = ?`;
  const folded = database
    .all(`SELECT value ${items} ORDER BY position LIMIT ? OFFSET ?`, row, field, limit, from)
    .map(({ value }) => String(value));
  if (folded.length === limit) return folded;
  const last = Number(database.first(`SELECT max(position) AS last ${items}`, row, field)?.last ?? -1);
  const isPast = folded.length === 0 && from > 0;
  const count = isPast ? Number(database.first(`SELECT count(*) AS n ${items}`, row, field)?.n) : from + folded.length;
  const all = [...folded, ...stagedAfter(database, last, { store, row, field }).slice(isPast ? from - count : 0)];
  return limit < 0 ? all : all.slice(0, limit);
}

interface StagedKey {
  readonly store: string;
  readonly row: number;
  readonly field: string;
}

/** Only the rows that name the record are read whole. */
function stagedAfter(database: Sql, position: number, { store, row, field }: StagedKey): string[] {
  const key = keyOf(store, row, field);
  const sql = "SELECT n, keys, entries FROM _staged WHERE n > ? AND (instr(keys, ?) > 0 OR keys = ?) ORDER BY n";
  let found: string[] = [];
  for (const staged of database.all(sql, position, `|${key}|`, deletedKey(store, row))) {
    if (isDeletion(staged)) found = [];
    for (const item of itemsIn(staged)) if (item.key === key && item.position > position) found.push(item.value);
  }
  return found;
}

function isDeletion({ keys }: Row): boolean {
  return String(keys).startsWith(DELETED);
}

interface Item {
  readonly key: string;
  readonly position: number;
  readonly value: string;
}

function itemsIn(staged: Row): Item[] {
  if (isDeletion(staged)) return [];
  const entries = JSON.parse(String(staged.entries)) as unknown[][];
  const keys = String(staged.keys).split("|").slice(1, -1);
  let position = Number(staged.n) - entries.reduce((sum, entry) => sum + entry.length, 0);
  return entries.flatMap((entry, at) =>
    entry.map((item) => ({ key: keys[at] ?? "", position: ++position, value: JSON.stringify(item) })),
  );
}

const SLICE_MS = 2; // Of folding, after which appends go on.
const READ = 20; // Rows of a commit each.
const COPIED = 50; // Items.
const REMOVED = 100;

/** How far one folding has come. It may be given up anywhere, and done again. */
export interface Folding {
  /** Of the rows that are folded. */
  readonly first: number;
  readonly last: number;
  readonly readTo: number;
  /** By record, so that its page is written once; in order, so that no item is ever seen before an older one. */
  readonly items: ReadonlyMap<string, Item[]>;
  /** What is to be copied; null = not all is read yet. */
  readonly copies: readonly Item[] | null;
  /** How many are. */
  readonly copied: number;
}

/**
 * Inside a write: folds for a moment, and returns how far that came; null when all is done, or something came in between and it has to begin
 * again. What is returned holds once the write is committed.
 */
export function foldSlice(database: Sql, before: Folding | null): Folding | null {
  const endMs = performance.now() + SLICE_MS;
  let folding = before ?? beginFolding(database);
  while (folding && performance.now() < endMs) folding = foldSome(database, folding);
  return folding;
}

function beginFolding(database: Sql): Folding | null {
  const rows = database.first("SELECT min(n) AS first, max(n) AS last FROM _staged");
  if (!rows || rows.first === null) return null;
  const first = Number(rows.first);
  return { first, last: Number(rows.last), readTo: first - 1, items: new Map(), copies: null, copied: 0 };
}

function foldSome(database: Sql, folding: Folding): Folding | null {
  const { last, copies, copied, items } = folding;
  if (copies === null) {
    const read = readSome(database, folding);
    return read.readTo < last ? read : { ...read, copies: [...items.values()].flat() };
  }
  if (copied >= copies.length) return removeSome(database, last) ? folding : null;
  if (isOvertaken(database, folding)) return null;
  for (const item of copies.slice(copied, copied + COPIED)) copy(database, item);
  return { ...folding, copied: copied + COPIED };
}

/** What is read holds also when the write is undone: nothing was written. */
function readSome(database: Sql, folding: Folding): Folding {
  const { last, readTo } = folding;
  const items = folding.items as Map<string, Item[]>;
  const sql = "SELECT n, keys, entries FROM _staged WHERE n > ? AND n <= ? ORDER BY n LIMIT ?";
  const rows = database.all(sql, readTo, last, READ);
  for (const row of rows) {
    if (isDeletion(row)) forgetItems(items, String(row.keys).slice(DELETED.length));
    for (const item of itemsIn(row)) items.getOrInsertComputed(item.key, () => []).push(item);
  }
  return { ...folding, readTo: rows.length < READ ? last : Number(rows.at(-1)?.n) };
}

function forgetItems(items: Map<string, Item[]>, record: string): void {
  for (const key of items.keys()) if (key.startsWith(`${record}.`)) items.delete(key);
}

/** Whether another process has folded the same, or a record was deleted since: its `_row` may be another's by now. */
function isOvertaken(database: Sql, { first, last }: Folding): boolean {
  if (!database.first("SELECT 1 FROM _staged WHERE n = ?", first)) return true;
  return database.first("SELECT 1 FROM _staged WHERE n > ? AND substr(keys, 1, 1) = ?", last, DELETED) !== null;
}

function copy(database: Sql, { key, position, value }: Item): void {
  const [store, row, field = ""] = key.split(".");
  const sql = `INSERT OR IGNORE INTO "${store}.items" (record, field, position, value) VALUES (?, ?, ?, ?)`;
  database.run(sql, Number(row), field, position, value);
}

/** False when none is left. The newest row stays, so that no number is ever given twice. */
function removeSome(database: Sql, last: number): boolean {
  const some = "SELECT n FROM _staged WHERE n <= ? AND n < (SELECT max(n) FROM _staged) ORDER BY n LIMIT ?";
  const before = database.all(some, last, REMOVED);
  const to = before.at(-1)?.n;
  if (to === undefined) return false;
  database.run("DELETE FROM _staged WHERE n <= ?", to);
  return before.length === REMOVED;
}
