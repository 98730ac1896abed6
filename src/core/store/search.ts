/**
 * Full-text search on FTS5. The index keeps no text, and each word in it begins with a token of its owner and of a block of
 * some thousand of the owner's records, so a search goes from block to block, newest first, and ends when it has enough:
 * neither a common word nor the beginning of many words makes SQLite read more than a block at a time. Results come newest
 * first, because ranking a common word would read every row that has it.
 */

import type { StoreInfo, StoreRecord, StoreSearch } from "../../protocols";
import type { StoreDatabase } from "./database";
import { blocksOf, searchable, wordsOf } from "./search-index";
import { decodeRecord, searchedFields } from "./values";
import { type Condition, checkedCount, conditionOf, selection } from "./where";

const RESULTS = 50; // The protocol's default.
const CANDIDATES = 20_000; // The protocol's bound for a search with a condition.
const BATCH = 50; // Records read at a time: each may be 100 kB of text.
const BEGINNING = 3; // Characters; the protocol's. A shorter beginning has too many words to join.
const SLICE_MS = 3; // Between which the loop goes on, and with it everybody's streams.

export async function search(
  database: StoreDatabase,
  store: StoreInfo,
  owner: string,
  text: string,
  options: StoreSearch,
): Promise<StoreRecord[]> {
  const limit = checkedCount(options.limit, "limit") ?? RESULTS;
  const where = conditionOf(store, options.where);
  const columns = selection(store, options.select);
  const words = wordsOf(text);
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

/** Those of the rows that fulfil the condition. The index has said whose they are; the owner is asked for all the same. */
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
