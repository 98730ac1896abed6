/**
 * `bun run bench`: measures the server against a bare pass-through of the same upstream, prints one table and writes
 * test/output/bench.json. `--quick` takes half a minute and is for developing; docs/benchmarks.md says what each row means.
 */

import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { projectFolder } from "../support/project";
import { measureDisk } from "./disk";
import { measureFollowers } from "./followers";
import { measureHooks } from "./hooks";
import { measurePage, type PagePlan } from "./page";
import { measureReading } from "./reading";
import { measureStartUp } from "./start-up";
import { measureStreams } from "./streams";
import { startUpstream, type Upstream } from "./subjects";
import { isMet, type Row, ratioOf, toTable } from "./table";

const FULL = {
  streams: { rounds: 3, warmMs: 1000, measureMs: 3000 },
  followers: { count: 10_000, measureMs: 4000 },
  disk: { lengths: [1000, 10_000, 50_000], rate: 2500 },
  startUps: 7,
  reading: { messages: 200_000, threadLength: 1000, rounds: 9, searchMs: 4000 },
  page: { lengths: [10_000, 50_000], rate: 700, threadLength: 1000, rounds: 9 } as PagePlan,
};

const QUICK: typeof FULL = {
  streams: { rounds: 1, warmMs: 500, measureMs: 1000 },
  followers: { count: 2000, measureMs: 1000 },
  disk: { lengths: [1000, 5000], rate: 2500 },
  startUps: 3,
  reading: { messages: 20_000, threadLength: 1000, rounds: 3, searchMs: 1000 },
  page: { lengths: [2000, 10_000], rate: 700, threadLength: 1000, rounds: 3 },
};

const isQuick = process.argv.includes("--quick");
const begun = performance.now();
const upstream = await startUpstream();
const rows = await measure(upstream, isQuick ? QUICK : FULL);
await upstream.stop();

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: navigator.hardwareConcurrency,
  memoryGb: Math.round(totalmem() / 1e9),
  kernel: release(),
  bun: Bun.version,
};
const seconds = Math.round((performance.now() - begun) / 1000);
console.log(
  `\n${toTable(rows)}\n\n${isQuick ? "Quick run" : "Full run"} of ${seconds} s on ${JSON.stringify(machine)}`,
);
const path = join(projectFolder, "test/output/bench.json");
const results = rows.map((row) => ({ ...row, ratio: ratioOf(row), isMet: isMet(row) }));
await Bun.write(
  path,
  `${JSON.stringify({ date: new Date().toISOString(), isQuick, machine, rows: results }, null, 2)}\n`,
);
console.log(`Written to ${path}`);

async function measure(upstream: Upstream, plan: typeof FULL): Promise<Row[]> {
  const parts: Record<string, () => Promise<Row[]>> = {
    "start-up": () => measureStartUp(plan.startUps),
    streams: () => measureStreams(upstream, plan.streams),
    followers: () => measureFollowers(upstream, plan.followers.count, plan.followers.measureMs),
    disk: () => measureDisk(upstream, plan.disk.lengths, plan.disk.rate),
    reading: () => measureReading(upstream, plan.reading),
    hooks: () => measureHooks(20_000, 5),
    page: () => measurePage(upstream, plan.page),
  };
  const rows: Row[] = [];
  for (const [name, part] of Object.entries(parts)) {
    console.error(`${Math.round((performance.now() - begun) / 1000)} s: ${name}`);
    rows.push(...(await part()));
  }
  return rows;
}
