/**
 * What work costs this thread, in its own CPU time: other work on the machine is not in it, so that a cost can be compared with
 * another one on a machine that is busy. What holds up the event loop is what its thread spends.
 */

export type Run = () => unknown;

const RUNS = 5;
const LEAST_MS = 5; // The clock is fine to a tenth of a millisecond.
const REPEATS_MAX = 100_000;

/** CPU milliseconds of one run, warm: the median of several. What the run returns is awaited. */
export async function costOf(run: Run): Promise<number> {
  const [ms = 0] = await costsOf(run);
  return ms;
}

/** The same of each, taken in turns, so that what slows one down slows all. */
export async function costsOf(...runs: readonly Run[]): Promise<number[]> {
  const repeats: number[] = [];
  for (const run of runs) repeats.push(await repeatsOf(run));
  return measure(runs, repeats);
}

/** The same for what is known to take some tenths of a millisecond, such as a request: so many runs are one measurement. */
export async function costsOfRequests(repeats: number, ...runs: readonly Run[]): Promise<number[]> {
  for (const run of runs) await costOfSome(run, repeats);
  return measure(
    runs,
    runs.map(() => repeats),
  );
}

async function measure(runs: readonly Run[], repeats: readonly number[]): Promise<number[]> {
  const costs: number[][] = runs.map(() => []);
  for (let round = 0; round < RUNS; round++) {
    for (const [at, run] of runs.entries()) costs[at]?.push(await costOfSome(run, repeats[at] ?? 1));
  }
  return costs.map(medianOf);
}

/** How many times as much it costs to run with twice the size: 2 is linear, 4 the square. */
export async function growth(run: (size: number) => unknown, size: number): Promise<number> {
  const [once = 0, twice = 0] = await costsOf(
    () => run(size),
    () => run(2 * size),
  );
  return twice / once;
}

/** As many runs as can be measured. Warms it up, too: what was compiled meanwhile takes more of them. */
async function repeatsOf(run: Run): Promise<number> {
  let repeats = 1;
  for (let enough = 0; enough < 2 && repeats < REPEATS_MAX; ) {
    if (repeats * (await costOfSome(run, repeats)) >= LEAST_MS) enough++;
    else [enough, repeats] = [0, repeats * 2];
  }
  return repeats;
}

async function costOfSome(run: Run, repeats: number): Promise<number> {
  const begun = process.threadCpuUsage();
  for (let count = 0; count < repeats; count++) await run();
  const { user, system } = process.threadCpuUsage(begun);
  return (user + system) / 1000 / repeats;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
