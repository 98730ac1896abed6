/**
 * Full-text search on FTS5. The index keeps no text, and each word in it begins with a token of its owner and of a block of
 * some thousand of the owner's records, so a search goes from block to block, newest first, and ends when it has enough:
 * neither a common word nor the beginning of many words makes SQLite read more than a block at a time. Results come newest
 * first, because ranking a common word would read every row that has it.
 */

import { folded, WORD } from "../../basics/fold";
import { UNSPACED, wordsToFind } from "../../basics/search-terms";
import type { StoreInfo, StoreRecord, StoreSearch } from "../../protocols";
import type { StoreDatabase } from "./database";
import { type Condition, checkedCount, conditionOf, decodeRecord, searchedFields, selection } from "./sql";
import { createUpkeep, inSlices, SLICE_MS, type StoreParts, type StoreUpkeep } from "./writes";

const RESULTS = 50; // The protocol's default.
const CANDIDATES = 20_000; // The protocol's bound for a search with a condition.
const BATCH = 50; // Records read at a time: each may be 100 kB of text.
const BEGINNING = 3; // Characters; the protocol's. A shorter beginning has too many words to join.

export async function searchRecords(
  database: StoreDatabase,
  store: StoreInfo,
  owner: string,
  text: string,
  options: StoreSearch,
): Promise<StoreRecord[]> {
  const limit = checkedCount(options.limit, "limit") ?? RESULTS;
  const where = conditionOf(store, options.where);
  const columns = selection(store, options.select);
  const words = wordsToFind(text);
  const found: StoreRecord[] = [];
  if (words.length === 0 || searchedFields(store).length === 0) return found;
  const rest = createRest();
  let candidates = 0;
  for (const block of blocksOf(database, store, owner)) {
    if (found.length >= limit || candidates >= CANDIDATES) break;
    const rows = rowsOf(database, store, matchOf(owner, block, words)).slice(0, CANDIDATES - candidates);
    candidates += rows.length;
    await rest();
    for (let at = 0; at < rows.length && found.length < limit; at += BATCH) {
      const query = { owner, rows: rows.slice(at, at + BATCH), columns, where, limit: limit - found.length };
      found.push(...recordsOf(database, store, query));
      await rest();
    }
  }
  return found;
}

/** Lets the loop go on when a slice of time is used up. */
function createRest(): () => Promise<void> | void {
  let end = performance.now() + SLICE_MS;
  return () => {
    if (performance.now() < end) return;
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      end = performance.now() + SLICE_MS;
    });
  };
}

/** Numbers of the rows that have the words, newest first. */
function rowsOf(database: StoreDatabase, store: StoreInfo, match: string): number[] {
  const index = `"${store.name}.words"`;
  const sql = `SELECT rowid FROM ${index} WHERE ${index} MATCH ? ORDER BY rowid DESC`;
  return database.all(sql, match).map((row) => Number(row.rowid));
}

interface Records {
  readonly owner: string;
  readonly rows: readonly number[];
  readonly columns: string;
  readonly where: Condition;
  readonly limit: number;
}

/** The records of the rows that fulfil the condition. The index has said whose they are; the owner is a part of the query all the same. */
function recordsOf(database: StoreDatabase, store: StoreInfo, query: Records): StoreRecord[] {
  const { owner, rows, columns, where, limit } = query;
  const sql = `SELECT ${columns} FROM "${store.name}"
    WHERE _row IN (SELECT value FROM json_each(?)) AND _owner = ?${where.sql} ORDER BY _row DESC LIMIT ?`;
  const found = database.all(sql, JSON.stringify(rows), owner, ...where.values, limit);
  return found.map((row) => decodeRecord(store, row));
}

/** The words as an FTS5 expression about one block. */
function matchOf(owner: string, block: number, words: readonly string[]): string {
  const isBeginning = Array.from(words.at(-1) ?? "").length >= BEGINNING;
  const terms = words.map((word) => `"${searchable(owner, block, word)}"`);
  return `${terms.join(" AND ")}${isBeginning ? " *" : ""}`;
}

const BLOCK = 1000; // Records. Joining every word that begins with three common letters then takes about 3 ms.
// Of text in a block of more than one record. What is made to be slow, a phrase of one character, then takes 8 ms; each block more costs
// every search some hundredths of one.
const BLOCK_BYTES = 200_000;
const FULL_CHECK = 1 / 16; // How often a short new record asks whether its block is full: counting costs as much as indexing.
const OFTEN = 4000; // As often one character is indexed in a record: the most common one of the longest message. A phrase looks at each.

/** Raised whenever the same text is indexed in another way than before. */
const FORM = 3;

/** Called once the file is open. */
export function createForms(database: StoreDatabase): void {
  database.exec("CREATE TABLE IF NOT EXISTS _search (store TEXT PRIMARY KEY, form INTEGER NOT NULL) STRICT");
}

/** The text as it is indexed, and as it is asked for: folded, unspaced scripts taken apart, each word with its token. */
export function searchable(owner: string, block: number, text: string): string {
  return apart(folded(text)).replace(WORD, `${token(owner, block)}$&`);
}

function apart(text: string): string {
  const often = text.length > OFTEN && text.search(UNSPACED) >= 0 ? oftenIn(text) : new Set<string>();
  if (often.size === 0) return text.replace(UNSPACED, " $& ");
  const left = new Map([...often].map((character) => [character, OFTEN]));
  return text.replace(UNSPACED, (character) => {
    const more = left.get(character);
    if (more !== undefined) left.set(character, more - 1);
    return more !== undefined && more <= 0 ? " " : ` ${character} `;
  });
}

/** Looked for first, since hardly a text has any, and taking it apart one by one takes four times as long. */
function oftenIn(text: string): Set<string> {
  const times = new Map<string, number>();
  for (const character of text) times.set(character, (times.get(character) ?? 0) + 1);
  return new Set([...times].filter(([, count]) => count > OFTEN).map(([character]) => character));
}

/** Hexadecimal and decimal, each with an end, so that no token begins another's, whatever the owners' names are made of. */
function token(owner: string, block: number): string {
  return `o${Buffer.from(owner).toString("hex")}x${block}y`;
}

/** The owner's blocks, newest first. */
function blocksOf(database: StoreDatabase, store: StoreInfo, owner: string): number[] {
  const sql = `SELECT first FROM "${store.name}.blocks" WHERE owner = ? ORDER BY first DESC`;
  return database.all(sql, owner).map((row) => Number(row.first));
}

/** Brings the index of a store that has one up to the record; called with every change to a searched field, in the same transaction. */
export function reindex(database: StoreDatabase, store: StoreInfo, row: number): void {
  const fields = searchedFields(store);
  if (fields.length === 0) return;
  const columns = fields.map((field) => `"${field}"`).join(", ");
  const record = database.first(`SELECT _owner, ${columns} FROM "${store.name}" WHERE _row = ?`, row);
  const texts = fields.map((field) => record?.[field] ?? "").filter((text) => text !== "");
  if (!record || texts.length === 0) {
    unindex(database, store, row);
    return;
  }
  const owner = String(record._owner);
  const text = texts.join("\n");
  database.run(
    `INSERT OR REPLACE INTO "${store.name}.words" (rowid, body) VALUES (?, ?)`,
    row,
    searchable(owner, blockFor(database, store, { owner, row, length: text.length }), text),
  );
}

export function unindex(database: StoreDatabase, store: StoreInfo, row: number): void {
  if (searchedFields(store).length > 0) database.run(`DELETE FROM "${store.name}.words" WHERE rowid = ?`, row);
}

interface Indexed {
  readonly owner: string;
  readonly row: number;
  /** Of its text, in characters. */
  readonly length: number;
}

/** The block that the row is in: the last one that begins at or before it, or one that begins with it. */
function blockFor(database: StoreDatabase, store: StoreInfo, { owner, row, length }: Indexed): number {
  const sql = `SELECT max(first) AS first FROM "${store.name}.blocks" WHERE owner = ? AND first <= ?`;
  const first = database.first(sql, owner, row)?.first ?? null;
  // A record that fills a good part of a block always asks.
  const asks = Math.random() < FULL_CHECK + length / (FULL_CHECK * BLOCK_BYTES);
  if (first !== null && !(asks && isFull(database, store, { owner, first: Number(first), row }))) return Number(first);
  database.run(`INSERT INTO "${store.name}.blocks" (owner, first) VALUES (?, ?)`, owner, row);
  return row;
}

/** Only the newest record begins a block, so that the blocks stay in the order of their rows. */
function isFull(
  database: StoreDatabase,
  store: StoreInfo,
  { owner, first, row }: { readonly owner: string; readonly first: number; readonly row: number },
): boolean {
  const { name } = store;
  const last = database.first(`SELECT max(_row) AS row FROM "${name}" WHERE _owner = ?`, owner)?.row;
  if (last !== row || row === first) return false;
  const counted = database.first(
    `SELECT count(*) AS count, sum(bytes) AS bytes
      FROM (SELECT ${bytesOf(store)} AS bytes FROM "${name}" WHERE _owner = ? AND _row >= ? ORDER BY _row LIMIT ?)`,
    owner,
    first,
    2 * BLOCK,
  );
  return Number(counted?.count) > BLOCK || Number(counted?.bytes) > BLOCK_BYTES;
}

/** Bytes of the searched text of a record, which SQLite knows without reading it. */
function bytesOf(store: StoreInfo): string {
  return searchedFields(store)
    .map((field) => `coalesce(octet_length("${field}"), 0)`)
    .join(" + ");
}

/**
 * Splits the owner's blocks that are too full since records of another came between theirs. A step at a time; in between everything is
 * found, if not always newest first.
 */
export function* splitBlocks(database: StoreDatabase, store: StoreInfo, owner: string): Generator<void> {
  const inBlock = `FROM "${store.name}" WHERE _owner = ? AND _row >= ? AND _row < ?`;
  const counted = `SELECT count(*) AS count, sum(bytes) AS bytes FROM (SELECT ${bytesOf(store)} AS bytes ${inBlock} ORDER BY _row LIMIT ?)`;
  const nextRow = `SELECT _row AS row, ${bytesOf(store)} AS bytes ${inBlock} ORDER BY _row LIMIT 1`;
  const firsts = blocksOf(database, store, owner).reverse();
  for (const [at, first] of firsts.entries()) {
    const end = firsts[at + 1] ?? Number.MAX_SAFE_INTEGER;
    const all = database.first(counted, owner, first, end, 2 * BLOCK);
    yield;
    if (Number(all?.count) < 2 * BLOCK && Number(all?.bytes) < 2 * BLOCK_BYTES) continue;
    let [block, count, bytes] = [first, 0, 0];
    let next = database.first(nextRow, owner, first, end);
    while (next) {
      const row = Number(next.row);
      [count, bytes] = [count + 1, bytes + Number(next.bytes)];
      if (count > BLOCK || (bytes > BLOCK_BYTES && count > 1)) {
        [block, count, bytes] = [row, 1, Number(next.bytes)];
        database.run(`INSERT OR IGNORE INTO "${store.name}.blocks" (owner, first) VALUES (?, ?)`, owner, row);
      }
      if (block !== first) reindex(database, store, row);
      yield;
      next = database.first(nextRow, owner, row + 1, end);
    }
  }
}

/** Forgets the blocks of an owner who has no records any more. */
export function withoutBlocks(database: StoreDatabase, { name }: StoreInfo, owner: string): void {
  const isEmpty = `NOT EXISTS (SELECT 1 FROM "${name}" WHERE _owner = ?)`;
  database.run(`DELETE FROM "${name}.blocks" WHERE owner = ? AND ${isEmpty}`, owner, owner);
}

/** Whether the index is of an earlier form, or not all there. */
export function needsIndex(database: StoreDatabase, store: StoreInfo): boolean {
  if (searchedFields(store).length === 0) return false;
  const form = database.first("SELECT form FROM _search WHERE store = ?", store.name)?.form;
  return form !== FORM || !hasIndex(database, store);
}

/** Whether there is an index, of whatever words. */
export function hasIndex(database: StoreDatabase, store: StoreInfo): boolean {
  const sql = "SELECT count(*) AS parts FROM sqlite_schema WHERE type = 'table' AND name IN (?, ?)";
  return database.first(sql, `${store.name}.words`, `${store.name}.blocks`)?.parts === 2;
}

export function createIndex(database: StoreDatabase, { name }: StoreInfo): void {
  database.exec(`CREATE VIRTUAL TABLE IF NOT EXISTS "${name}.words" USING fts5 (
    body, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
  )`);
  database.exec(`CREATE TABLE IF NOT EXISTS "${name}.blocks" (
    owner TEXT NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (owner, first)
  ) STRICT, WITHOUT ROWID`);
  database.run("INSERT OR REPLACE INTO _search (store, form) VALUES (?, ?)", name, FORM);
}

/** Makes the blocks of the records that are there, and has them indexed by and by. */
export function beginReindex(database: StoreDatabase, store: StoreInfo): void {
  addBlocks(database, store, `position % ${BLOCK} = 1`);
  beginRefolding(database, store);
}

/**
 * Has all records indexed anew, by and by, in the blocks that there are and those that long texts take more. Until then each is found
 * as it was indexed before.
 */
export function beginRefolding(database: StoreDatabase, store: StoreInfo): void {
  addBlocks(database, store, `upto / ${BLOCK_BYTES} > (upto - bytes) / ${BLOCK_BYTES}`);
  const { name } = store;
  database.run(`UPDATE _store SET reindex_to = (SELECT max(_row) FROM "${name}") WHERE name = ?`, name);
}

/** `begins`: of a record at a position among its owner's, with so many bytes of text up to it, whether it begins a block. */
function addBlocks(database: StoreDatabase, store: StoreInfo, begins: string): void {
  const { name } = store;
  database.exec(`INSERT OR IGNORE INTO "${name}.blocks" SELECT _owner, _row FROM (
      SELECT _owner, _row, bytes, row_number() OVER so_far AS position, sum(bytes) OVER so_far AS upto
      FROM (SELECT _owner, _row, ${bytesOf(store)} AS bytes FROM "${name}")
      WINDOW so_far AS (PARTITION BY _owner ORDER BY _row ROWS UNBOUNDED PRECEDING)
    ) WHERE ${begins}`);
}

/** Goes on with the index of old records. */
export function createReindexing({ database, writes, log, get }: StoreParts): StoreUpkeep {
  return createUpkeep(log, "indexed", async (name, signal) => {
    const records = leftOf(database, name);
    if (records === 0) return;
    const begun = performance.now();
    log.info("The search index of old records is being made; until then, searches find what it has", {
      store: name,
      records,
    });
    await inSlices(writes, () => reindexSlice(database, get(name)), signal);
    if (signal.aborted) return;
    const seconds = Math.round((performance.now() - begun) / 1000);
    log.info("The search index of old records is complete", { store: name, records, seconds });
  });
}

/** How many records of the store are still to be indexed. */
function leftOf(database: StoreDatabase, name: string): number {
  const to = database.first("SELECT reindex_to FROM _store WHERE name = ?", name)?.reindex_to ?? null;
  return to === null ? 0 : Number(database.first(`SELECT count(*) AS n FROM "${name}" WHERE _row <= ?`, to)?.n);
}

/** Indexes some of the records that are left, newest first. False when all are done. */
function reindexSlice(database: StoreDatabase, store: StoreInfo): boolean {
  const state = database.first("SELECT reindex_to FROM _store WHERE name = ?", store.name);
  let next = state?.reindex_to ?? null;
  const end = performance.now() + SLICE_MS;
  while (next !== null && performance.now() < end) {
    reindex(database, store, Number(next));
    next = database.first(`SELECT max(_row) AS next FROM "${store.name}" WHERE _row < ?`, next)?.next ?? null;
  }
  database.run("UPDATE _store SET reindex_to = ? WHERE name = ?", next, store.name);
  return next !== null;
}
