/**
 * `core.background`: work that nobody waits for, such as a summary made after a turn. It bears the name of the plugin that began it, so that
 * a failure can be named, and it is told to end before its plugin is stopped or the store closes.
 */

import { errorOf } from "../basics/errors";
import { within } from "../basics/within";
import type { Log } from "../protocols";

const END_MS = 3000; // Work that looks at its signal ends in far less; other work must not hold up the end of the server.

export interface Background {
  /** `owner` is the plugin as it is loaded now; null = none that could be stopped before the server is. */
  begin(owner: object | null, name: string, work: (signal: AbortSignal) => Promise<void>): void;
  /** Aborts what the owner began, and resolves when it has ended or had time to. */
  endOf(owner: object): Promise<void>;
  /** Aborts what runs, begins nothing more, and resolves when all has ended or had time to. */
  end(): Promise<void>;
}

export function createBackground(log: Log): Background {
  const running = new Set<Work>();
  let hasEnded = false;

  const run = async (name: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>) => {
    try {
      await work(signal);
    } catch (error) {
      // Being cut short is no failure.
      if (!signal.aborted) log.warn("Background work of a plugin failed", { plugin: name, error: errorOf(error) });
    }
  };

  const endThese = async (works: readonly Work[], why: string): Promise<void> => {
    if (works.length === 0) return;
    for (const { controller } of works) controller.abort();
    await within(Promise.all(works.map(({ ended }) => ended)), { ms: END_MS }, () => {});
    for (const { name } of works.filter((it) => running.has(it)))
      log.warn(`Background work of a plugin did not end when ${why} did`, { plugin: name });
  };

  return {
    begin(owner, name, work) {
      if (hasEnded) return;
      const controller = new AbortController();
      const ended = run(name, controller.signal, work).finally(() => running.delete(begun));
      const begun: Work = { owner, name, controller, ended };
      running.add(begun);
    },
    endOf(owner) {
      const own = [...running].filter((it) => it.owner === owner);
      return endThese(own, "the plugin");
    },
    end() {
      hasEnded = true;
      return endThese([...running], "the server");
    },
  };
}

interface Work {
  readonly owner: object | null;
  readonly name: string;
  readonly controller: AbortController;
  readonly ended: Promise<unknown>;
}
