/**
 * The items of collections. They are appended to one table that all stores share, `_appended`, in the order of time: a
 * thousand turns that each save a few words then write to the same few pages of the file, not to a thousand. Every few
 * seconds they are copied to their store's own table, by record, in small steps that any process may take or repeat. An
 * item's position is its number in `_appended`, so it may be in both tables for a while and is still read once.
 */

import { AppError } from "../../basics/errors";
import type { Log } from "../../protocols";
import type { Row, StoreDatabase } from "./database";
import type { Condition } from "./sql";
import type { WriteQueue } from "./writes";

export interface Collections {
  /** Inside a write. False when the record does not match; throws AppError("notFound") when there is none. */
  append(place: CollectionKey, values: readonly string[], where: Condition): boolean;
  /** The items' JSON, in order. */
  read(place: CollectionKey, from: number, limit: number): string[];
  /** Inside the write that deletes the record with this `_row`. */
  forget(store: string, row: number): void;
  /** Moves what was appended to its place. Happens by itself a little after an append. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface CollectionKey {
  readonly store: string;
  readonly owner: string;
  readonly id: string;
  readonly field: string;
}

const SETTLE_MS = 2000; // Ten saves of a running turn go to its own pages at once, and what readers scan stays short.
const SETTLE_AGAIN_MS = 10_000; // After a failure: a full disk is not asked, nor the log filled, every two seconds.
const READ = 1000; // Rows of a scan before the loop goes on, about a millisecond.
const COPIED = 100; // Rows copied in one write, up to a millisecond.

export function createCollections(
  database: StoreDatabase,
  writes: WriteQueue,
  log: Log,
  { settleMs, againMs } = { settleMs: SETTLE_MS, againMs: SETTLE_AGAIN_MS },
): Collections {
  let timer: Timer | null = null;
  let settling: Promise<void> = Promise.resolve();
  let isClosed = false;

  const settleNow = () => settle(database, writes, () => isClosed);

  const settleLater = (ms: number): void => {
    if (isClosed) return;
    timer ??= setTimeout(() => {
      settling = settleNow().then(
        () => {
          timer = null;
        },
        (error) => {
          // Only now, so that one does not begin while another is at work.
          timer = null;
          log.error("Appended items could not be moved to their place; trying again", { error });
          settleLater(againMs);
        },
      );
    }, ms);
    timer.unref();
  };

  return {
    append({ store, owner, id, field }, values, where) {
      const sql = `SELECT _row, (1${where.sql}) AS matches FROM "${store}" WHERE _owner = ? AND id = ?`;
      const record = database.first(sql, ...where.values, owner, id);
      if (!record) throw new AppError("notFound", `There is no record "${id}" in "${store}".`);
      if (!record.matches) return false;
      const row = Number(record._row);
      for (const value of values) {
        database.run(
          "INSERT INTO _appended (store, record, field, value) VALUES (?, ?, ?, ?)",
          store,
          row,
          field,
          value,
        );
      }
      settleLater(settleMs);
      return true;
    },
    read({ store, owner, id, field }, from, limit) {
      const row = rowOf(database, store, owner, id);
      if (row === null) return [];
      // One statement, because between two of them another process may copy.
      const sql = `SELECT position, value FROM "${store}.items" WHERE record = ? AND field = ?
        UNION ALL SELECT n, value FROM _appended WHERE store = ? AND record = ? AND field = ?
          AND n > (SELECT coalesce(max(position), -1) FROM "${store}.items" WHERE record = ? AND field = ?)
        ORDER BY 1 LIMIT ? OFFSET ?`;
      const rows = database.all(sql, row, field, store, row, field, row, field, limit, from);
      return rows.map(({ value }) => String(value));
    },
    forget(store, row) {
      // Kept as empty rows, so that no number is ever given twice; a later record may get this one's `_row`.
      database.run("UPDATE _appended SET record = 0, value = '' WHERE store = ? AND record = ?", store, row);
    },
    settle: settleNow,
    async close() {
      isClosed = true;
      if (timer) clearTimeout(timer);
      await settling;
    },
  };
}

/** Called once the file is open. */
export function createAppended(database: StoreDatabase): void {
  database.exec(`CREATE TABLE IF NOT EXISTS _appended (
    n INTEGER PRIMARY KEY, store TEXT NOT NULL, record INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL
  ) STRICT`);
}

function rowOf(database: StoreDatabase, store: string, owner: string, id: string): number | null {
  const record = database.first(`SELECT _row FROM "${store}" WHERE _owner = ? AND id = ?`, owner, id);
  return record && Number(record._row);
}

/** Copies all that is there now, then removes it. Stops between two steps, nothing lost, once `isStopped`. */
async function settle(database: StoreDatabase, writes: WriteQueue, isStopped: () => boolean): Promise<void> {
  const to = Number(database.first("SELECT max(n) AS n FROM _appended")?.n ?? 0);
  const rows = await scan(database, to, isStopped);
  const copies = byRecord(rows);
  for (let at = 0; at < copies.length && !isStopped(); at += COPIED) {
    await writes.write(() => {
      for (const row of copies.slice(at, at + COPIED)) copy(database, row);
    });
  }
  for (let at = 0; at < rows.length && !isStopped(); at += READ) {
    const last = rows[Math.min(at + READ, rows.length) - 1]?.n ?? 0;
    // The newest stays, because SQLite gives the next number after it.
    const sql = "DELETE FROM _appended WHERE n <= ? AND n < (SELECT max(n) FROM _appended)";
    await writes.write(() => database.run(sql, last));
  }
}

async function scan(database: StoreDatabase, to: number, isStopped: () => boolean): Promise<Row[]> {
  const rows: Row[] = [];
  const sql = "SELECT n, store, record, field FROM _appended WHERE n > ? AND n <= ? ORDER BY n LIMIT ?";
  for (;;) {
    const page = isStopped() ? [] : database.all(sql, rows.at(-1)?.n ?? -1, to, READ);
    rows.push(...page);
    if (page.length < READ) return rows;
    await new Promise(setImmediate);
  }
}

/** The rows with those of one record together, so that its page is written once; in order, so that no item is ever seen before an older one. */
function byRecord(rows: readonly Row[]): Row[] {
  const kept = rows.filter(({ record }) => record !== 0);
  return [...Map.groupBy(kept, ({ store, record }) => `${store}.${record}`).values()].flat();
}

/** Its record may have been deleted since it was read: then the row in `_appended` is no longer of it. */
function copy(database: StoreDatabase, { n, store, record }: Row): void {
  database.run(
    `INSERT OR IGNORE INTO "${store}.items" (record, field, position, value)
     SELECT record, field, n, value FROM _appended WHERE n = ? AND record = ?`,
    Number(n),
    Number(record),
  );
}
