/**
 * The staging of collections: what is appended goes to one table that all stores share, `_staged`, a row per commit, whatever stores and
 * records it is of. So a thousand turns that each save a word write to one page of the file, not to a thousand. Later the items are
 * folded into their store's own table, by record, in small steps that any process may take or repeat. An item's position
 * is its number in `_staged`, so it may be in both tables for a while and is still read once.
 */

import type { Row, Sql, SqlValue } from "./database";
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
  /** The items' JSON, in order, a line each. */
  readonly lines: string;
  readonly count: number;
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
  database.run(`INSERT INTO _staged (n, keys, entries) SELECT max(n), '', '' FROM _appended HAVING max(n) > 0`);
  for (const { store } of database.all("SELECT DISTINCT store FROM _appended WHERE record <> 0")) {
    database.run(
      `INSERT OR IGNORE INTO "${store}.items" (record, field, position, value)
       SELECT record, field, n, value FROM _appended WHERE store = ? AND record IN (SELECT _row FROM "${store}")`,
      String(store),
    );
  }
  database.exec("DROP TABLE _appended");
}

/** What was found of records that nobody else has written to since, by what was asked. */
export type KnownRecords = Map<string, Row | null>;

/** Inside a write: stages what may be appended as one row, and says what became of each. */
export function stage(database: Sql, appends: readonly Append[], known?: KnownRecords): Staged[] {
  const keys: string[] = [];
  const blocks: string[] = [];
  let sum = 0;
  const staged = appends.map((append): Staged => {
    const { store, field, lines, count } = append;
    const record = recordOf(database, append, known);
    if (!record) return null;
    if (!record.matches) return false;
    if (count === 0) return true;
    keys.push(keyOf(store, Number(record._row), field));
    blocks.push(lines);
    sum += count;
    return true;
  });
  if (sum > 0) addRow(database, sum, `|${keys.join("|")}|`, blocks.join(BETWEEN_BLOCKS));
  return staged;
}

/** JSON on one line has no line end in it. */
const BETWEEN_BLOCKS = "\n\n";

function recordOf(database: Sql, { store, owner, id, where }: Append, known?: KnownRecords): Row | null {
  const find = () => {
    const sql = `SELECT _row, (1${where.sql}) AS matches FROM "${store}" WHERE _owner = ? AND id = ?`;
    return database.first(sql, ...where.values, owner, id);
  };
  if (!known) return find();
  return known.getOrInsertComputed([store, owner, id, where.sql, ...where.values].join("\n"), find);
}

/** Texts and numbers alone, which are given to a Worker in a third of the time. */
export type PackedAppends = readonly (string | number)[];

export function packAppends(appends: readonly Append[]): PackedAppends {
  return appends.flatMap(({ store, owner, id, field, where, lines, count }) => {
    return [store, owner, id, field, where.sql, JSON.stringify(where.values), lines, count];
  });
}

export function unpackAppends(packed: PackedAppends): Append[] {
  return Array.from({ length: packed.length / PACKED }, (_, n) => {
    const [store, owner, id, field, sql, values, lines, count] = packed.slice(n * PACKED, (n + 1) * PACKED);
    const key = { store: String(store), owner: String(owner), id: String(id), field: String(field) };
    const where = { sql: String(sql), values: JSON.parse(String(values)) as SqlValue[] };
    return { ...key, where, lines: String(lines), count: Number(count) };
  });
}

const PACKED = 8;

/** Inside the write that deletes the record with this `_row`, which a later one may get: what is staged before is nobody's. */
export function forget(database: Sql, store: string, row: number): void {
  addRow(database, 1, deletedKey(store, row), "");
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

function itemsIn({ n, keys: named, entries }: Row): Item[] {
  if (entries === "") return [];
  const keys = String(named).split("|").slice(1, -1);
  const blocks = String(entries)
    .split(BETWEEN_BLOCKS)
    .map((block) => block.split("\n"));
  let position = Number(n) - blocks.reduce((sum, lines) => sum + lines.length, 0);
  return blocks.flatMap((lines, at) => lines.map((value) => ({ key: keys[at] ?? "", position: ++position, value })));
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
  /** What is left to be copied: the items of a record each, the next ones last; null = not all is read yet. */
  readonly left: readonly (readonly Item[])[] | null;
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
  return { first, last: Number(rows.last), readTo: first - 1, items: new Map(), left: null };
}

function foldSome(database: Sql, folding: Folding): Folding | null {
  const { last, left, items } = folding;
  if (left === null) {
    const read = readSome(database, folding);
    return read.readTo < last ? read : { ...read, left: [...items.values()] };
  }
  const next = left.at(-1);
  if (!next) return removeSome(database, last) ? folding : null;
  if (isOvertaken(database, folding)) return null;
  for (const item of next.slice(0, COPIED)) copy(database, item);
  const rest = next.length > COPIED ? [next.slice(COPIED)] : [];
  return { ...folding, left: [...left.slice(0, -1), ...rest] };
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
