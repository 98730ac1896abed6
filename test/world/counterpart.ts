/**
 * What `bun run test:world` runs: programs of others that the product meets in the world, one after the other, each for a
 * bounded time. What a counterpart needs and this machine has not is a line that says so, and no failure.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareEnvironment } from "./python";

export interface Counterpart {
  /** With its version where that is pinned here. */
  readonly name: string;
  /** Of PyPI, pinned. */
  readonly packages?: readonly string[];
  /** Why it cannot be had here, or null. */
  obstacle?(): string | null;
  /** A throw outside of a check ends it, and is a failure too. */
  run(stage: Stage): Promise<void>;
}

export interface Stage {
  /** Its own and empty; gone at the end. */
  readonly folder: string;
  /** The interpreter that has its packages; "" without any. */
  readonly python: string;
  /** A check that throws is a failure, and the next one runs. */
  check(what: string, run: () => unknown): Promise<void>;
  /** Of a check that another program made: null, or why it failed. */
  report(what: string, fault: string | null): void;
  /** A remark, such as a version. */
  remark(text: string): void;
  /** The last one given runs first, whatever happened. */
  atEnd(job: () => unknown): void;
}

export interface WorldOutcome {
  passed: number;
  failed: number;
  /** Counterparts, not checks. */
  skipped: number;
}

export interface WorldOptions {
  /** For a counterpart, once it is installed. */
  readonly limitMs: number;
  print(line: string): void;
}

export async function runWorld(counterparts: readonly Counterpart[], options: WorldOptions): Promise<WorldOutcome> {
  const outcome: WorldOutcome = { passed: 0, failed: 0, skipped: 0 };
  for (const counterpart of counterparts) await runOne(counterpart, outcome, options);
  return outcome;
}

async function runOne(counterpart: Counterpart, outcome: WorldOutcome, options: WorldOptions): Promise<void> {
  const { name, packages = [] } = counterpart;
  const { print, limitMs } = options;
  const needed = counterpart.obstacle?.() ?? null;
  const found = needed === null && packages.length > 0 ? await prepareEnvironment(packages) : { python: "" };
  const obstacle = needed ?? ("obstacle" in found ? found.obstacle : null);
  if (obstacle !== null) {
    outcome.skipped++;
    return print(`skipped: ${name}: ${obstacle}`);
  }
  const jobs: (() => unknown)[] = [];
  const folder = mkdtempSync(join(tmpdir(), "skeleton-world-"));
  let isOver = false;
  const report = (what: string, fault: string | null) => {
    if (isOver) return; // A check that was given up may still fail, since its processes were ended.
    outcome[fault === null ? "passed" : "failed"]++;
    print(fault === null ? `ok ${name}: ${what}` : `FAIL ${name}: ${what}: ${fault}`);
  };
  const stage: Stage = {
    folder,
    python: "python" in found ? found.python : "",
    report,
    remark: (text) => print(`# ${name}: ${text}`),
    atEnd: (job) => void jobs.push(job),
    async check(what, run) {
      const begun = performance.now();
      const fault = await faultOf(async () => run());
      report(`${what} (${((performance.now() - begun) / 1000).toFixed(1)} s)`, fault);
    },
  };
  const fault = await faultOf(() => within(counterpart.run(stage), limitMs));
  if (fault !== null) report("all of it", fault);
  isOver = true;
  for (const job of jobs.toReversed()) await job();
  rmSync(folder, { recursive: true, force: true });
}

async function faultOf(run: () => Promise<unknown>): Promise<string | null> {
  try {
    await run();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function within(work: Promise<void>, limitMs: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = setTimeout(() => reject(new Error(`it did not end within ${limitMs / 1000} s`)), limitMs);
  await Promise.race([work, promise]).finally(() => clearTimeout(late));
}
