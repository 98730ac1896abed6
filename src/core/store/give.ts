/**
 * Gives the records of one owner to another. Only the owner of a row changes, so collections follow by themselves, and what is
 * searched is indexed anew. A few rows at a time, with rests, so that a server beside it goes on, and in the order of the rows, so that
 * both owners' records stay in the order in which they were added.
 */

import type { StoreInfo } from "../../protocols";
import type { StoreDatabase } from "./database";
import { reindex, splitBlocks, withoutBlocks } from "./search-index";
import { searchedFields } from "./values";
import type { WriteQueue } from "./writes";

const SLICE_MS = 3; // In one write, and as long a rest for everybody else.

export interface Giving {
  readonly database: StoreDatabase;
  readonly store: StoreInfo;
  /** As the `_owner` column has them. */
  readonly from: string;
  readonly to: string;
}

/** How many records were given. One whose id the other has already stays. */
export async function give(writes: WriteQueue, giving: Giving): Promise<number> {
  const { database, store, from, to } = giving;
  const before = countOf(giving);
  let left = before;
  // Again, because a write that has to be done twice has moved on, and because the giver may still be writing.
  for (let last = Number.POSITIVE_INFINITY; left > 0 && left < last; ) {
    last = left;
    await inSlices(writes, giveRows(giving));
    left = countOf(giving);
  }
  if (searchedFields(store).length > 0) {
    await inSlices(writes, splitBlocks(database, store, to));
    await writes.write(() => withoutBlocks(database, store, from));
  }
  return before - left;
}

function countOf({ database, store, from }: Giving): number {
  return Number(database.first(`SELECT count(*) AS n FROM "${store.name}" WHERE _owner = ?`, from)?.n);
}

function* giveRows({ database, store, from, to }: Giving): Generator<void> {
  const isSearched = searchedFields(store).length > 0;
  const next = `SELECT min(_row) AS row FROM "${store.name}" WHERE _owner = ? AND _row > ?`;
  const take = `UPDATE OR IGNORE "${store.name}" SET _owner = ? WHERE _row = ? RETURNING _row`;
  for (let after = -1; ; ) {
    const row = database.first(next, from, after)?.row ?? null;
    if (row === null) return;
    after = Number(row);
    if (database.first(take, to, after) && isSearched) reindex(database, store, after);
    yield;
  }
}

async function inSlices(writes: WriteQueue, steps: Generator<void>): Promise<void> {
  const slice = (): boolean => {
    const end = performance.now() + SLICE_MS;
    while (performance.now() < end) if (steps.next().done) return false;
    return true;
  };
  while (await writes.write(slice)) await Bun.sleep(SLICE_MS);
}
