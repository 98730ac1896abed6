/**
 * The collections of the store. Items that are appended during a commit wait for the next one, which takes all of them, of whatever
 * records: one commit at a time, by a Worker, so that a slow disk makes commits larger and fewer and holds up nothing
 * else. A little later what was appended is folded into its place (staging.ts).
 */

import { AppError, errorOf } from "../../basics/errors";
import type { Log } from "../../protocols";
import type { StoreDatabase } from "./database";
import { type Append, type CollectionKey, forget, readItems } from "./staging";
import { type Checkpoints, createOwnWriter, startWriter, type Writer } from "./writer";
import type { WriteQueue } from "./writes";

export interface Collections {
  /** Resolves when it is committed. False when the record does not match; rejects with AppError("notFound") when there is none. */
  append(append: Append): Promise<boolean>;
  /** The items' JSON, in order. */
  read(key: CollectionKey, from: number, limit: number): string[];
  /** Inside the write that deletes the record with this `_row`. */
  forget(store: string, row: number): void;
  /** Folds what was appended. Happens by itself a little after an append. */
  fold(): Promise<void>;
  /** Resolves when the commit that is under way has ended; items that are not folded yet stay in the staging table. */
  close(): Promise<void>;
}

export interface CollectionParts {
  readonly database: StoreDatabase;
  readonly writes: WriteQueue;
  readonly checkpoints: Checkpoints;
  readonly log: Log;
  /** From the beginning of one commit to that of the next, at least. */
  readonly windowMs: number;
}

export interface FoldPauses {
  readonly foldMs: number;
  readonly againMs: number;
}

const PAUSES: FoldPauses = {
  foldMs: 10_000, // A page of a record's own is written once for all of that.
  againMs: 10_000, // After a failure: a full disk is not asked, nor the log filled, all the time.
};
const FOLDED_AT = 2500; // Rows of the staging table: what readers scan stays under a few milliseconds.
const FOLDED_AT_ITEMS = 200_000; // What one folding holds in memory: 50 MB for a moment.
const TOGETHER = 1000; // Appends in one commit: it takes under ten milliseconds.
// From the beginning of a commit of many to the next one: each writes a page or two of the file however little it holds.
const PACE_MS = 4;
const MANY = 8;

interface Waiting {
  readonly append: Append;
  readonly resolve: (isDone: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export function createCollections(parts: CollectionParts, { foldMs, againMs } = PAUSES): Collections {
  const { database, writes, checkpoints, log, windowMs } = parts;
  let writer = createOwnWriter(database, writes);
  let starting: Promise<Writer> | null = null;
  let waiting: Waiting[] = [];
  let working: Promise<void> | null = null;
  let timer: Timer | null = null;
  let commits = 0;
  let items = 0;
  let isFolding = false;
  let isClosed = false;

  /** Until it is there the store's own connection writes, so that nobody waits for a Worker to start. */
  const startWorker = (path: string): void => {
    starting = startWriter(path, log);
    starting.then(
      (started) => {
        writer = started;
      },
      (error) => log.error("The Worker that writes could not open the database", { error: errorOf(error) }),
    );
  };

  const commit = async (batch: readonly Waiting[]): Promise<void> => {
    try {
      const staged = await writer.stage(batch.map(({ append }) => append));
      for (const [at, { append, resolve, reject }] of batch.entries()) {
        const isDone = staged[at];
        if (typeof isDone === "boolean") resolve(isDone);
        else reject(new AppError("notFound", `There is no record "${append.id}" in "${append.store}".`));
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    checkpoints.written();
    commits++;
    for (const { append } of batch) items += append.count;
    foldLater(foldMs);
  };

  const foldLater = (ms: number): void => {
    if (isFolding || isClosed) return;
    if (commits >= FOLDED_AT || items >= FOLDED_AT_ITEMS) foldNow();
    else timer ??= setTimeout(foldNow, ms).unref();
  };

  const foldNow = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    commits = 0;
    items = 0;
    isFolding = true;
    work();
  };

  const foldSome = async (): Promise<void> => {
    try {
      isFolding = await writer.fold();
      checkpoints.written();
    } catch (error) {
      isFolding = false;
      log.error("Appended items could not be moved to their place; trying again", { error: errorOf(error) });
      foldLater(againMs);
    }
  };

  const work = (): void => {
    working ??= workOn();
  };

  const workOn = async (): Promise<void> => {
    for (;;) {
      // Appends of the same moment share the commit.
      await new Promise(setImmediate);
      await checkpoints.pause();
      if (waiting.length > 0) {
        const batch = waiting.slice(0, TOGETHER);
        waiting = waiting.slice(TOGETHER);
        const begun = performance.now();
        await commit(batch);
        const restMs = Math.max(windowMs, batch.length < MANY ? 0 : PACE_MS) - (performance.now() - begun);
        if (restMs > 0 && !isClosed) await Bun.sleep(restMs);
      }
      if (isFolding && !isClosed) await foldSome();
      else if (waiting.length === 0) break;
    }
    // In the same step as the look above, so that the next append finds nobody at work.
    working = null;
  };

  return {
    append: (append) =>
      new Promise((resolve, reject) => {
        if (!starting && database.path !== null) startWorker(database.path);
        waiting.push({ append, resolve, reject });
        work();
      }),
    read: (key, from, limit) => readItems(database, key, from, limit),
    forget: (store, row) => forget(database, store, row),
    async fold() {
      foldNow();
      while (isFolding && working) await working;
    },
    async close() {
      isClosed = true;
      if (timer) clearTimeout(timer);
      await working;
      await starting?.then(
        (started) => started.close(),
        () => {},
      );
    },
  };
}
