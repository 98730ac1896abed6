/**
 * `core.background`: work that nobody waits for, such as a summary made after a turn. It is known by the name of who began it, so that
 * a failure can be named, and it is told to end before the store closes.
 */

import { errorOf } from "../errors";
import type { Core, Log } from "../protocols";

const END_MS = 3000; // What looks at its signal ends in far less; what does not must not hold up the end of the server.

export interface Background {
  readonly begin: Core["background"];
  /** Aborts what runs, begins nothing more, and resolves when all has ended or had time to. */
  end(): Promise<void>;
}

export function createBackground(log: Log): Background {
  const controller = new AbortController();
  const { signal } = controller;
  const running = new Map<Promise<void>, string>();

  const run = async (name: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> => {
    try {
      await work(signal);
    } catch (error) {
      // Being cut short at the end of the server is no failure.
      if (!signal.aborted) log.warn("Background work of a plugin failed", { plugin: name, error: errorOf(error) });
    }
  };

  return {
    begin(name, work) {
      if (signal.aborted) return;
      const promise = run(name, work).finally(() => running.delete(promise));
      running.set(promise, name);
    },
    async end() {
      controller.abort();
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, END_MS);
      await Promise.race([Promise.all(running.keys()), late]);
      clearTimeout(timer);
      for (const name of running.values())
        log.warn("Background work of a plugin did not end when the server did", { plugin: name });
    },
  };
}
