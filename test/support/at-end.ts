/**
 * What tests opened is closed when all have run. Preloaded (bunfig.toml), because only there a hook is the whole run's: one
 * that is registered inside a test or another hook is refused, or runs with it. The same holds for how long a test may take.
 */

import { afterAll, setDefaultTimeout } from "bun:test";

const TEST_LIMIT_MS = 60_000; // For one that hangs. The usual five seconds are too short for a good one on a busy machine.

setDefaultTimeout(TEST_LIMIT_MS);

const jobs: (() => unknown)[] = [];

/** The last one given runs first. */
export function atEnd(job: () => unknown): void {
  jobs.push(job);
}

afterAll(async () => {
  for (const job of jobs.toReversed()) await job();
});
