/**
 * Formulas that take long, made in a Worker while everything else goes on, and kept by their source. One that takes longer than
 * anybody's should ends with its Worker, and stays as it was written.
 */

import { createRecent } from "../basics/recent";
import type { DrawnFormula, Log } from "../protocols";

const MAX_MS = 3000; // One of 10,000 characters takes a tenth of a second, and the first one as long as the Worker's start.
const IDLE_MS = 60_000; // A Worker holds some 30 MB.
const MAX_WAITING = 200; // What is asked for beyond is asked for again after a while.
const AGAIN_MS = 1000;
const KEPT_AT_MOST = 8_000_000; // UTF-16 units of sources and markup.

interface Job {
  readonly log: Log;
  readonly key: string;
  readonly source: string;
  readonly isDisplay: boolean;
  readonly done: PromiseWithResolvers<void>;
}

/** In the executable all that is ours is one file, beside which the Worker's stands in the folder that it was built from. */
const WORKER = Bun.isStandaloneExecutable ? "./formulas/worker.ts" : "./worker.ts";

const kept = createRecent<DrawnFormula>(KEPT_AT_MOST, (key, { markup }) => key.length + (markup?.length ?? 0));
const jobs = new Map<string, Job>();
let worker: Worker | null = null;
let current: Job | null = null;
let timer: Timer | null = null;
/** A Worker that cannot start fails for each formula: the log has it once, and again only when a Worker has drawn one meanwhile. */
let isFailureLogged = false;

/** Null while it is being made: `wait` is given what resolves when it is worth another look. */
export function findFormula(
  log: Log,
  source: string,
  isDisplay: boolean,
  wait: (made: Promise<void>) => void,
): DrawnFormula | null {
  const key = `${isDisplay ? "d" : "i"}${source}`;
  const known = kept.get(key);
  if (known) return known;
  const job = jobs.get(key) ?? begin({ log, key, source, isDisplay, done: Promise.withResolvers() });
  wait(job?.done.promise ?? Bun.sleep(AGAIN_MS));
  return null;
}

/** Null when too many are asked for. */
function begin(job: Job): Job | null {
  if (jobs.size >= MAX_WAITING) return null;
  jobs.set(job.key, job);
  if (!current) next();
  return job;
}

function next(): void {
  const [job] = jobs.values();
  current = job ?? null;
  if (timer) clearTimeout(timer);
  timer = setTimeout(job ? () => finish(null, true) : end, job ? MAX_MS : IDLE_MS);
  // The process need not stay for a formula that nobody looks at any more.
  timer.unref();
  if (!job) return;
  worker ??= startWorker();
  worker.postMessage({ source: job.source, isDisplay: job.isDisplay });
}

function startWorker(): Worker {
  const started = new Worker(new URL(WORKER, import.meta.url).href);
  started.onmessage = ({ data }) => {
    if (started !== worker) return;
    isFailureLogged = false;
    finish(data, false);
  };
  started.onerror = ({ message }) => {
    if (started !== worker) return;
    if (!isFailureLogged)
      current?.log.error("Long formulas stay as they were written: their Worker failed", { reason: message });
    isFailureLogged = true;
    finish(null, true);
  };
  started.unref();
  return started;
}

function finish(markup: string | null, isBroken: boolean): void {
  const job = current;
  if (isBroken) end();
  if (job) {
    jobs.delete(job.key);
    kept.set(job.key, { markup });
    job.done.resolve();
  }
  next();
}

function end(): void {
  worker?.terminate();
  worker = null;
}
