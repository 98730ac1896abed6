/**
 * Full-text search on FTS5. The index keeps no text, and each word in it begins with a token of its owner: so a search
 * reads what its owner wrote and nothing of the others. Results come newest first, because ranking a common word would
 * read every row that has it. Scripts that are written without spaces are indexed by character and found as a phrase.
 */

import type { StoreInfo, StoreRecord, StoreSearch } from "../../protocols";
import type { StoreDatabase } from "./database";
import { decodeRecord, searchedFields } from "./values";
import { type Condition, checkedCount, conditionOf, selection } from "./where";

const RESULTS = 50; // The protocol's default.
const FIRST = 500; // Candidates that are enough for nearly every search.
const CANDIDATES = 20_000; // The protocol's bound for a search with a condition.
const BATCH = 500; // Records checked against the condition at a time, a millisecond or two; the loop goes on in between.
const BEGINNING = 3; // Characters; the protocol's. A shorter beginning has too many words to join.
const SLICE_MS = 3; // Of re-indexing, between which other writes get their turn.
const WORDS = 32; // The protocol's bound: each word costs, and nobody types more to find something.

/** A run of letters, digits and marks; everything else separates, so nothing a person types can be syntax. */
const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const UNSPACED =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/gu;

export async function search(
  database: StoreDatabase,
  store: StoreInfo,
  owner: string,
  text: string,
  options: StoreSearch,
): Promise<StoreRecord[]> {
  const limit = checkedCount(options.limit, "limit") ?? RESULTS;
  const where = conditionOf(store, options.where);
  const match = matchOf(owner, text);
  if (match === null || searchedFields(store).length === 0) return [];
  const found: StoreRecord[] = [];
  let before = Number.MAX_SAFE_INTEGER;
  // Finding the words costs about the same for few candidates as for many, so it is not done in many small steps.
  for (const size of [FIRST, CANDIDATES - FIRST]) {
    const candidates = candidatesOf(database, store, { match, before, size });
    for (let at = 0; at < candidates.length && found.length < limit; at += BATCH) {
      const rows = candidates.slice(at, at + BATCH);
      found.push(...recordsOf(database, store, { owner, rows, where, limit: limit - found.length }));
      if (found.length < limit) await new Promise(setImmediate);
    }
    before = candidates.at(-1) ?? 0;
    if (found.length >= limit || candidates.length < size) break;
  }
  return found;
}

interface Candidates {
  readonly match: string;
  readonly before: number;
  readonly size: number;
}

/** Row numbers, newest first. */
function candidatesOf(database: StoreDatabase, store: StoreInfo, { match, before, size }: Candidates): number[] {
  const index = `"${store.name}.search"`;
  const sql = `SELECT rowid FROM ${index} WHERE ${index} MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?`;
  return database.all(sql, match, before, size).map((row) => Number(row.rowid));
}

interface Records {
  readonly owner: string;
  readonly rows: readonly number[];
  readonly where: Condition;
  readonly limit: number;
}

/** Those of the rows that fulfil the condition. The index has said whose they are; the owner is asked for all the same. */
function recordsOf(database: StoreDatabase, store: StoreInfo, { owner, rows, where, limit }: Records): StoreRecord[] {
  const sql = `SELECT ${selection(store)} FROM "${store.name}"
    WHERE _row IN (SELECT value FROM json_each(?)) AND _owner = ?${where.sql} ORDER BY _row DESC LIMIT ?`;
  const found = database.all(sql, JSON.stringify(rows), owner, ...where.values, limit);
  return found.map((row) => decodeRecord(store, row));
}

/** The words as an FTS5 expression, or null when there is none. */
function matchOf(owner: string, text: string): string | null {
  const words = (text.normalize("NFC").match(WORD) ?? []).filter((word) => /[\p{L}\p{N}]/u.test(word)).slice(0, WORDS);
  const last = words.at(-1);
  if (last === undefined) return null;
  const isBeginning = Array.from(last).length >= BEGINNING;
  return `${words.map((word) => `"${searchable(owner, word)}"`).join(" AND ")}${isBeginning ? " *" : ""}`;
}

/** The text as it is indexed, and as it is asked for: composed, unspaced scripts taken apart, each word with its owner. */
function searchable(owner: string, text: string): string {
  return text
    .normalize("NFC")
    .replace(UNSPACED, " $& ")
    .replace(WORD, `${ownerToken(owner)}$&`);
}

/** Hexadecimal with an end, so that no owner's token begins another's, whatever their names are made of. */
function ownerToken(owner: string): string {
  return `o${Buffer.from(owner).toString("hex")}x`;
}

/** Brings the index up to the record; called with every change to a searched field, in the same transaction. */
export function reindex(database: StoreDatabase, store: StoreInfo, row: number): void {
  const fields = searchedFields(store);
  const columns = fields.map((field) => `"${field}"`).join(", ");
  const record = database.first(`SELECT _owner, ${columns} FROM "${store.name}" WHERE _row = ?`, row);
  const texts = fields.map((field) => record?.[field] ?? "").filter((text) => text !== "");
  if (!record || texts.length === 0) {
    unindex(database, store, row);
    return;
  }
  database.run(
    `INSERT OR REPLACE INTO "${store.name}.search" (rowid, body) VALUES (?, ?)`,
    row,
    searchable(String(record._owner), texts.join("\n")),
  );
}

export function unindex(database: StoreDatabase, store: StoreInfo, row: number): void {
  database.run(`DELETE FROM "${store.name}.search" WHERE rowid = ?`, row);
}

/** Indexes some of the records that were there before their field became searchable. False when all are done. */
export function reindexSlice(database: StoreDatabase, store: StoreInfo): boolean {
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
