/**
 * What tests opened is closed when all have run. Preloaded (bunfig.toml), because only there a hook is the whole run's: one
 * that is registered inside a test or another hook is refused, or runs with it. The same holds for how long a test may take.
 */

import { afterAll, setDefaultTimeout } from "bun:test";
import { TEST_LIMIT_MS } from "./project";

setDefaultTimeout(TEST_LIMIT_MS); // For the first file of a process alone; `bun run test` says it for all.

const jobs: (() => unknown)[] = [];

/** The last one given runs first. */
export function atEnd(job: () => unknown): void {
  jobs.push(job);
}

afterAll(async () => {
  for (const job of jobs.toReversed()) await job();
});
