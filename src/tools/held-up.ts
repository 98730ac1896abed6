/**
 * Names a plugin that keeps everybody waiting: all runs in one thread, so what does not give control back holds up every reply. Only what
 * is done at a stretch is timed, from the call to its return or first `await`.
 */

import type { Log, LogFields } from "../protocols";

const HELD_UP_MS = 200; // A reader sees text stand still from about here; who computes for longer belongs into a worker.

/** What `run` returns or throws. `who` is asked when it took too long. */
export function watchHeldUp<T>(log: Log, who: () => LogFields, run: () => T): T {
  const begun = performance.now();
  try {
    return run();
  } finally {
    const ms = Math.round(performance.now() - begun);
    if (ms > HELD_UP_MS) log.warn("A plugin held up the whole server", { ...who(), ms });
  }
}
