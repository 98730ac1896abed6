/**
 * What tests opened is closed when all have run. Preloaded (bunfig.toml), because only there a hook is the whole run's: one
 * that is registered inside a test or another hook is refused, or runs with it.
 */

import { afterAll } from "bun:test";

const jobs: (() => unknown)[] = [];

/** The last one given runs first. */
export function atEnd(job: () => unknown): void {
  jobs.push(job);
}

afterAll(async () => {
  for (const job of jobs.toReversed()) await job();
});
