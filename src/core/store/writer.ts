/**
 * The store's Workers, seen from the loop: one that appends and folds, and one that makes checkpoints. A server without its writer must not
 * go on, since nobody would be shown a word more: a Worker that dies ends it.
 */

import type { Log } from "../../protocols";
import type { StoreDatabase } from "./database";
import { type Append, type Folding, foldSlice, packAppends, type Staged, stage } from "./staging";
import type { LogState, WorkerAnswer, WorkerTask } from "./worker";
import { storeFailure, type WriteQueue } from "./writes";

/** Who writes what is appended, one call at a time. */
export interface Writer {
  /** Resolves when it is committed. */
  stage(appends: readonly Append[]): Promise<Staged[]>;
  /** Folds for a moment. False when all is folded. */
  fold(): Promise<boolean>;
  close(): Promise<void>;
}

/** On the connection of the store itself: for a database in memory, and until the Worker has begun. */
export function createOwnWriter(database: StoreDatabase, writes: WriteQueue): Writer {
  let folding: Folding | null = null;
  return {
    stage: (appends) => writes.write(() => stage(database, appends)),
    async fold() {
      folding = await writes.write(() => foldSlice(database, folding));
      return folding !== null;
    },
    async close() {},
  };
}

/** Resolves when the Worker has opened the file. */
export async function startWriter(path: string, log: Log): Promise<Writer> {
  const worker = startWorker(log);
  await worker.ask({ open: path });
  return {
    stage: (appends) => worker.ask({ stage: packAppends(appends) }) as Promise<Staged[]>,
    fold: () => worker.ask({ fold: true }) as Promise<boolean>,
    close: worker.close,
  };
}

export interface Checkpoints {
  /** Called after each commit of this process. */
  written(): void;
  /** Resolves when the log may grow further: at once, unless it has grown so long that writers have to pause. */
  pause(): Promise<void> | null;
  close(): Promise<void>;
}

const LOOK_MS = 500;
const COMMITS = 50; // Fewer are left to the next look: a command or a test that writes a little needs no Worker.
const CHECKPOINT_PAGES = 1000; // 4 MB: a page that changes often is written to the file once for all of that.
// 64 MB. As long as somebody writes while it works, no checkpoint reaches the end of the log, and only from there it begins again.
const LOG_PAGES = 16_000;

export function createCheckpoints(path: string | null, log: Log): Checkpoints {
  let worker: StoreWorker | null = null;
  let timer: Timer | null = null;
  let commits = 0;
  let looking: Promise<void> | null = null;
  let pausing: Promise<void> | null = null;
  let isClosed = false;

  const checkpoint = async (): Promise<void> => {
    if (!worker) {
      worker = startWorker(log);
      await worker.ask({ open: path ?? "" });
    }
    const ask = (pages: number) => worker?.ask({ checkpoint: pages }) as Promise<LogState>;
    const { pages, left } = await ask(CHECKPOINT_PAGES);
    if (pages < LOG_PAGES || left === 0) return;
    pausing = ask(1).then(
      () => {},
      () => {},
    );
    await pausing;
    pausing = null;
  };

  const look = (): void => {
    timer = null;
    if (commits < COMMITS || looking || isClosed) return;
    commits = 0;
    looking = checkpoint()
      .catch((error) => log.error("The log of the database could not be moved into its file; trying again", { error }))
      .finally(() => {
        looking = null;
      });
  };

  return {
    written() {
      if (path === null || isClosed) return;
      commits++;
      timer ??= setTimeout(look, LOOK_MS);
      timer.unref();
    },
    pause: () => pausing,
    async close() {
      isClosed = true;
      if (timer) clearTimeout(timer);
      await looking;
      await worker?.close();
    },
  };
}

interface StoreWorker {
  ask(task: WorkerTask): Promise<unknown>;
  close(): Promise<void>;
}

/** In the executable all that is ours is one file, beside which the Worker's stands in the folder that it was built from. */
const FILE = Bun.isStandaloneExecutable ? "./core/store/worker.ts" : "./worker.ts";

function startWorker(log: Log): StoreWorker {
  const worker = new Worker(new URL(FILE, import.meta.url).href);
  /** Answers come in the order of the tasks. */
  const asked: PromiseWithResolvers<unknown>[] = [];
  let isClosing = false;
  const die = (reason: string): void => {
    if (isClosing) return;
    log.error("The Worker that writes to the database has died, and the server ends: start it again", { reason });
    process.exit(1);
  };
  worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
    const answered = asked.shift();
    // The process stays for what is asked, and for nothing else.
    if (asked.length === 0) worker.unref();
    if ("done" in data) answered?.resolve(data.done);
    else answered?.reject(storeFailure(Object.assign(new Error(data.failed.message), { code: data.failed.code })));
  };
  worker.onerror = ({ message }) => die(message);
  worker.addEventListener("close", () => {
    die("It ended.");
    for (const { reject } of asked.splice(0)) reject(new Error("The Worker ended."));
  });
  worker.unref();
  const ask = (task: WorkerTask): Promise<unknown> => {
    const waiting = Promise.withResolvers<unknown>();
    asked.push(waiting);
    worker.ref();
    worker.postMessage(task);
    return waiting.promise;
  };
  return {
    ask,
    async close() {
      if (isClosing) return;
      isClosing = true;
      await ask({ close: true });
      worker.terminate();
    },
  };
}
