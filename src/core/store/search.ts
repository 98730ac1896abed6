/**
 * Full-text search on FTS5. The index keeps no text and one row per record: a token for the owner and the words of all
 * searched fields. Results come newest first, because ranking a common word would read every row that has it. Scripts
 * that are written without spaces are indexed by character and found as a phrase.
 */

import type { StoreInfo, StoreRecord, StoreSearch } from "../../protocols";
import type { Row, StoreDatabase } from "./database";
import { decodeRecord, searchedFields } from "./values";
import { checkedCount, conditionOf, selection } from "./where";

const RESULTS = 50; // The protocol's default.
const BATCH = 500; // Candidates per step, about a millisecond; the loop goes on between steps.
const CANDIDATES = 20_000; // A condition that hardly any match fulfils ends here: the newest matches were all looked at.
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
  const words = matchOf(text);
  if (words === null || searchedFields(store).length === 0) return [];
  const match = `own : "${ownerToken(owner)}" AND body : (${words})`;
  const found: Row[] = [];
  let before = Number.MAX_SAFE_INTEGER;
  for (let seen = 0; found.length < limit && seen < CANDIDATES; seen += BATCH) {
    if (seen > 0) await new Promise(setImmediate);
    const candidates = database.all(
      `SELECT rowid FROM "${store.name}.search" WHERE "${store.name}.search" MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?`,
      match,
      before,
      BATCH,
    );
    const rows = candidates.map((candidate) => Number(candidate.rowid));
    found.push(
      ...database.all(
        `SELECT ${selection(store)} FROM "${store.name}"
        WHERE _row IN (SELECT value FROM json_each(?)) AND _owner = ?${where.sql} ORDER BY _row DESC LIMIT ?`,
        JSON.stringify(rows),
        owner,
        ...where.values,
        limit - found.length,
      ),
    );
    before = rows.at(-1) ?? 0;
    if (rows.length < BATCH) break;
  }
  return found.map((row) => decodeRecord(store, row));
}

/** The words as an FTS5 expression, or null when there is none. */
function matchOf(text: string): string | null {
  const words = (text.normalize("NFC").match(WORD) ?? []).filter((word) => /[\p{L}\p{N}]/u.test(word)).slice(0, WORDS);
  if (words.length === 0) return null;
  return `${words.map((word) => `"${searchable(word)}"`).join(" AND ")} *`;
}

/** The text as it is indexed, and as it is asked for: composed, and with unspaced scripts taken apart. */
function searchable(text: string): string {
  return text.normalize("NFC").replace(UNSPACED, " $& ");
}

/** Hexadecimal, so that no two owners share a token whatever their names are made of. */
function ownerToken(owner: string): string {
  return `o${Buffer.from(owner).toString("hex")}`;
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
    `INSERT OR REPLACE INTO "${store.name}.search" (rowid, own, body) VALUES (?, ?, ?)`,
    row,
    ownerToken(String(record._owner)),
    searchable(texts.join("\n")),
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
