/**
 * The queue of writes. What is written in one turn of the event loop shares a transaction, because a commit costs more
 * than a row; a write that fails takes back only itself. A group is cut after a few milliseconds, and a file that another
 * process is writing to is tried again from the loop, so that nobody's stream waits for the disk. Work that takes long goes
 * through it in slices.
 */

import { AppError, codeOf, errorOf } from "../../basics/errors";
import { pause } from "../../basics/within";
import type { Log, StoreInfo } from "../../protocols";
import { isBusy, type StoreDatabase } from "./database";

export interface WriteQueue {
  /** Runs `work` in a transaction and resolves with its value once that is committed. What it throws undoes it alone. */
  write<T>(work: () => T): Promise<T>;
  /** Resolves when nothing is waiting. */
  drained(): Promise<void>;
}

interface Write {
  /** Does the work and returns what tells its caller. */
  work(): () => void;
  reject(error: unknown): void;
}

const GROUP_MS = 2; // With its commit, and now and then a checkpoint, a group stays under about 5 ms, the most a stream should wait.
const RETRY_MS = 2; // Other processes hold the file for about as long as one group takes.
const GIVE_UP_MS = 10_000; // Longer than any fair wait; by then something is wrong with the other process.

/** `written` is called after each commit. */
export function createWriteQueue(
  database: StoreDatabase,
  written: () => void = () => {},
  groupMs = GROUP_MS,
): WriteQueue {
  let waiting: Write[] = [];
  let isScheduled = false;
  let busySince: number | null = null;
  let onDrained: (() => void)[] = [];

  const flush = (): void => {
    isScheduled = false;
    const refused = begin(database);
    if (refused === null) {
      busySince = null;
      waiting = waiting.slice(runGroup(database, waiting, groupMs));
      written();
    } else {
      busySince ??= performance.now();
      if (!isBusy(refused)) refuse(refused);
      else if (performance.now() - busySince > GIVE_UP_MS) refuse(refused);
    }
    if (waiting.length > 0) {
      schedule();
    } else {
      for (const resolve of onDrained) resolve();
      onDrained = [];
    }
  };

  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    // The random part keeps two waiting processes from meeting again and again.
    if (busySince !== null) setTimeout(flush, RETRY_MS * (0.5 + Math.random()));
    else setImmediate(flush);
  };

  const refuse = (error: unknown): void => {
    for (const write of waiting) write.reject(storeFailure(error));
    waiting = [];
    busySince = null;
  };

  return {
    write: (work) =>
      new Promise((resolve, reject) => {
        waiting.push({
          work: () => {
            const value = work();
            return () => resolve(value);
          },
          reject,
        });
        schedule();
      }),
    drained: () => (waiting.length === 0 ? Promise.resolve() : new Promise((resolve) => onDrained.push(resolve))),
  };
}

/** Why no transaction can begin, most often another process that is writing; null when one has begun. */
function begin(database: StoreDatabase): unknown {
  try {
    database.begin();
    return null;
  } catch (error) {
    return error;
  }
}

/** As its caller is told. A full disk may refuse a statement or the commit. */
export function storeFailure(error: unknown): unknown {
  if (isBusy(error))
    return new AppError("unavailable", "The database is being written to by another program. Try again.", {
      cause: error,
    });
  if (codeOf(error) !== "SQLITE_FULL") return error;
  return new AppError("unavailable", "The server's disk is full, so nothing can be kept. Its owner has to make room.", {
    cause: error,
  });
}

/** Runs and settles as many writes as fit into the time, at least one, and returns how many; none when the file is busy. */
function runGroup(database: StoreDatabase, writes: readonly Write[], groupMs: number): number {
  try {
    return commitGroup(database, writes, groupMs, (write) => write.work());
  } catch {
    // Seldom, and nothing is kept: done again with care, so that a write which throws takes back only itself.
    undo(database);
  }
  if (begin(database) !== null) return 0;
  let started = 0;
  try {
    return commitGroup(database, writes, groupMs, (write) => {
      started += 1;
      return workAlone(database, write);
    });
  } catch (error) {
    // The disk is full or failing: nothing of the group was kept, and every caller has to know.
    undo(database);
    for (const write of writes.slice(0, started)) write.reject(storeFailure(error));
    return started;
  }
}

function commitGroup(
  database: StoreDatabase,
  writes: readonly Write[],
  groupMs: number,
  work: (write: Write) => () => void,
): number {
  const end = performance.now() + groupMs;
  const settle: (() => void)[] = [];
  for (const write of writes) {
    settle.push(work(write));
    if (performance.now() >= end) break;
  }
  database.run("COMMIT");
  for (const tell of settle) tell();
  return settle.length;
}

/** With a savepoint to go back to. It costs as much as a small write, so only those pay for it that are in doubt. */
function workAlone(database: StoreDatabase, write: Write): () => void {
  database.run("SAVEPOINT write");
  try {
    const tell = write.work();
    database.run("RELEASE write");
    return tell;
  } catch (error) {
    // SQLite ends the transaction itself on the worst errors; then there is no savepoint to go back to.
    if (!database.inTransaction()) throw error;
    database.run("ROLLBACK TO write");
    database.run("RELEASE write");
    return () => write.reject(storeFailure(error));
  }
}

function undo(database: StoreDatabase): void {
  if (database.inTransaction()) database.run("ROLLBACK");
}

export const SLICE_MS = 3; // Of work that takes long, with a rest of the same length for everybody else.

/** Does the work a slice at a time, each in a write, until a slice says that it was the last or the signal aborts. */
export async function inSlices(writes: WriteQueue, slice: () => boolean, signal?: AbortSignal): Promise<void> {
  while (!signal?.aborted && (await writes.write(slice))) await Bun.sleep(SLICE_MS);
}

/** Work on the old records of a store, beside everything else. */
export interface StoreUpkeep {
  /** Goes on where this or an earlier process left off. */
  begin(name: string): void;
  /** Resolves after the slice that is at work; the next start goes on from there. */
  close(): Promise<void>;
}

export interface StoreParts {
  readonly database: StoreDatabase;
  readonly writes: WriteQueue;
  readonly log: Log;
  /** The store as it is declared now. */
  get(name: string): StoreInfo;
}

const AGAIN_MS = 10_000; // After a failure: a full disk is not asked, nor the log filled, all the time.

/** `done` says in the log what the records are to be. The work does nothing when nothing is left, and ends soon after the signal. */
export function createUpkeep(
  log: Log,
  done: string,
  work: (name: string, signal: AbortSignal) => Promise<void>,
): StoreUpkeep {
  const closing = new AbortController();
  const { signal } = closing;
  /** The last work of each store. Its next one follows it, and finds out whether anything is left. */
  const works = new Map<string, Promise<void>>();

  const workOn = async (name: string): Promise<void> => {
    while (!signal.aborted) {
      try {
        return await work(name, signal);
      } catch (error) {
        log.error(`Old records could not be ${done}; trying again`, { store: name, error: errorOf(error) });
        await pause(AGAIN_MS, signal);
      }
    }
  };

  return {
    begin(name) {
      works.set(
        name,
        (works.get(name) ?? Promise.resolve()).then(() => workOn(name)),
      );
    },
    async close() {
      closing.abort();
      await Promise.all(works.values());
    },
  };
}
