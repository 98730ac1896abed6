/**
 * When plugins are looked at again: before a turn starts, so that it has what was saved before it, and every second for all that
 * happens outside of turns. By looking and not by watching, which misses links, network disks and folders that come later.
 */

import { errorOf } from "../basics/errors";
import type { Log } from "../protocols";

export interface Reloader {
  /** Resolves when what was saved before is in use; at the latest when it has taken so long that a person would notice. */
  ready(): Promise<void>;
  reload(): Promise<void>;
  start(): void;
  /** Resolves when nothing is being changed any more. */
  stop(): Promise<void>;
}

const LOOK_MS = 50; // Nobody saves a file and sends a message in less; a thousand turns a second cost twenty looks.
const EVERY_MS = 1000;
const READY_MS = 1000; // A plugin that starts a server of its own takes longer; a turn after this one has it.

export function createReloader(change: (isForced: boolean) => Promise<void>, log: Log): Reloader {
  let changing: Promise<void> | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let timer: Timer | null = null;
  let isStopped = false;

  /** One at a time. */
  const run = (isForced: boolean): Promise<void> => {
    if (isStopped) return Promise.resolve();
    const next = (changing ?? Promise.resolve())
      .then(() => {
        lookedAt = performance.now();
        return change(isForced);
      })
      .catch((error) =>
        log.error("Plugins could not be loaded anew; those before stay in use", { error: errorOf(error) }),
      )
      .finally(() => {
        if (changing === next) changing = null;
      });
    changing = next;
    return next;
  };

  const look = (): Promise<void> => {
    if (changing) return changing;
    return performance.now() - lookedAt < LOOK_MS ? Promise.resolve() : run(false);
  };

  return {
    async ready() {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const limit = setTimeout(resolve, READY_MS);
      await Promise.race([look(), late]);
      clearTimeout(limit);
    },
    reload: () => run(true),
    start() {
      timer = setInterval(look, EVERY_MS);
      timer.unref();
    },
    async stop() {
      isStopped = true;
      if (timer) clearInterval(timer);
      await changing;
    },
  };
}
