/**
 * How much each owner has in a store: a running sum that triggers keep in the transaction of each change, so that it is right after
 * a crash and no change goes past it. Records that were there before are counted beside everything else, from the newest
 * down; `_sizing` says up to which row they are not counted yet, and the triggers pass those over.
 */

import type { StoreInfo } from "../../protocols";
import type { StoreDatabase } from "./database";
import { sizedFields } from "./sql";
import { createUpkeep, inSlices, type StoreParts, type StoreUpkeep } from "./writes";

const SLICE = 500; // Rows counted in one write: less than a millisecond, as SQLite knows the length of a text without reading it.

/** Called once the file is open. `_sizes` has the sums, which the store reads as they are. */
export function createSizes(database: StoreDatabase): void {
  database.exec(`CREATE TABLE IF NOT EXISTS _sizes (
    store TEXT NOT NULL, owner TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (store, owner)
  ) STRICT, WITHOUT ROWID`);
  database.exec("CREATE TABLE IF NOT EXISTS _sizing (store TEXT PRIMARY KEY, up_to INTEGER NOT NULL) STRICT");
}

/** Has the store's sums made anew from what is there, by and by. Inside the write that changes which fields are counted. */
export function beginSizing(database: StoreDatabase, store: StoreInfo): void {
  const { name } = store;
  const [added, changed, removed] = ["added", "changed", "removed"].map((when) => `"${name}.sized.${when}"`);
  for (const trigger of [added, changed, removed]) database.exec(`DROP TRIGGER IF EXISTS ${trigger}`);
  database.run("DELETE FROM _sizes WHERE store = ?", name);
  database.run("DELETE FROM _sizing WHERE store = ?", name);
  if (sizedFields(store).length === 0) return;
  const sql = "INSERT INTO _sizing (store, up_to) SELECT ?, max(_row) FROM";
  database.run(`${sql} "${name}" HAVING max(_row) IS NOT NULL`, name);
  const [put, take] = [adding(store, "new", "+"), adding(store, "old", "-")];
  const isCounted = (row: string) => `${row}._row > coalesce((SELECT up_to FROM _sizing WHERE store = '${name}'), 0)`;
  const fields = ["_owner", ...sizedFields(store)].map((field) => `"${field}"`).join(", ");
  database.exec(`CREATE TRIGGER ${added} AFTER INSERT ON "${name}" WHEN ${isCounted("new")} BEGIN ${put} END`);
  database.exec(`CREATE TRIGGER ${changed} AFTER UPDATE OF ${fields} ON "${name}" WHEN ${isCounted("new")}
    BEGIN ${take} ${put} END`);
  database.exec(`CREATE TRIGGER ${removed} AFTER DELETE ON "${name}" WHEN ${isCounted("old")} BEGIN ${take} END`);
}

/**
 * Statements of a trigger, two and not an upsert, because how the outer statement handles conflicts holds in them too. The names
 * are checked where stores are declared.
 */
function adding(store: StoreInfo, row: "new" | "old", sign: "+" | "-"): string {
  const place = `store = '${store.name}' AND owner = ${row}._owner`;
  return `INSERT INTO _sizes (store, owner, bytes) SELECT '${store.name}', ${row}._owner, 0
      WHERE NOT EXISTS (SELECT 1 FROM _sizes WHERE ${place});
    UPDATE _sizes SET bytes = bytes ${sign} (${bytesOf(store, `${row}.`)}) WHERE ${place};`;
}

function bytesOf(store: StoreInfo, prefix: string): string {
  const terms = sizedFields(store).map((field) => {
    const column = `${prefix}"${field}"`;
    return store.fields[field]?.type === "int" ? `coalesce(${column}, 0)` : `coalesce(octet_length(${column}), 0)`;
  });
  return terms.join(" + ");
}

/** Goes on counting old records. */
export function createSizing({ database, writes, log, get }: StoreParts): StoreUpkeep {
  return createUpkeep(log, "counted", async (name, signal) => {
    if (isLeft(database, name)) await inSlices(writes, () => countSlice(database, get(name)), signal);
  });
}

function isLeft(database: StoreDatabase, name: string): boolean {
  return database.first("SELECT 1 AS is_left FROM _sizing WHERE store = ?", name) !== null;
}

/** False when all are counted. */
function countSlice(database: StoreDatabase, store: StoreInfo): boolean {
  const { name } = store;
  const to = database.first("SELECT up_to FROM _sizing WHERE store = ?", name)?.up_to ?? null;
  if (to === null) return false;
  const rest = database.first(
    `SELECT _row FROM "${name}" WHERE _row <= ? ORDER BY _row DESC LIMIT 1 OFFSET ?`,
    to,
    SLICE,
  );
  const from = Number(rest?._row ?? 0);
  database.run(
    `INSERT INTO _sizes (store, owner, bytes)
      SELECT '${name}', _owner, sum(${bytesOf(store, "")}) FROM "${name}" WHERE _row > ? AND _row <= ? GROUP BY _owner
      ON CONFLICT (store, owner) DO UPDATE SET bytes = bytes + excluded.bytes`,
    from,
    to,
  );
  if (from > 0) database.run("UPDATE _sizing SET up_to = ? WHERE store = ?", from, name);
  else database.run("DELETE FROM _sizing WHERE store = ?", name);
  return from > 0;
}
