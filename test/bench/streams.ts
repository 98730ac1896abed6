/** Many replies at once, through the pass-through and through the server: throughput, CPU, latency, bytes written, memory. */

import { median } from "./figures";
import { type LoadFigures, runLoad } from "./load";
import { type Subject, startPassThrough, startSkeleton, type Upstream } from "./subjects";
import type { Row, Target } from "./table";

export interface StreamsPlan {
  readonly rounds: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

/** `rate` is of each stream, in tokens a second. */
interface Scene {
  readonly name: string;
  readonly streams: number;
  readonly rate: number;
}

const ENDLESS = 100_000_000; // Tokens: more than any round can take.
const SPACING_MS = 1;

const SCENES: readonly Scene[] = [
  { name: "saturated, 10 streams", streams: 10, rate: 0 },
  { name: "1 stream × 100/s", streams: 1, rate: 100 },
  { name: "100 streams × 50/s", streams: 100, rate: 50 },
  { name: "1,000 streams × 20/s", streams: 1000, rate: 20 },
];

const PER_CPU_SECOND: Target = { of: "ratio", is: "at least", value: 0.5 };
const LATENCY_P99: Target = { of: "ours", is: "at most", value: 10 };

export async function measureStreams(upstream: Upstream, plan: StreamsPlan): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scene of SCENES) rows.push(...(await measureScene(upstream, scene, plan)));
  return rows;
}

async function measureScene(upstream: Upstream, scene: Scene, plan: StreamsPlan): Promise<Row[]> {
  const limit: (LoadFigures | null)[] = [];
  const ours: (LoadFigures | null)[] = [];
  const reEncoded: (LoadFigures | null)[] = [];
  const isLarge = scene.streams === 1000;
  for (let round = 0; round < plan.rounds; round++) {
    limit.push(await runScene(upstream, await startPassThrough(upstream), scene, plan));
    ours.push(await runScene(upstream, await startSkeleton({ upstream }), scene, plan));
    if (isLarge) reEncoded.push(await runScene(upstream, await startPassThrough(upstream, "--re-encode"), scene, plan));
  }
  const row = (what: string, unit: string, of: (figures: LoadFigures) => number | null, target?: Target): Row => ({
    what: `${scene.name}: ${what}`,
    unit,
    limit: medianOf(limit, of),
    ours: medianOf(ours, of),
    ...(target && { target }),
  });
  const bare = (what: string, unit: string, of: (figures: LoadFigures) => number | null): Row => ({
    what: `${scene.name}: ${what}, bare server that re-encodes`,
    unit,
    limit: medianOf(reEncoded, of),
    ours: null,
  });
  return [
    row("delivered", "tokens/s", ({ tokens, seconds }) => tokens / seconds),
    row("per CPU second", "tokens", perCpuSecond, isLarge ? PER_CPU_SECOND : undefined),
    row("CPU per token", "µs", ({ cpuMs, tokens }) => (cpuMs * 1000) / tokens),
    row("CPU used", "cores", ({ cpuMs, seconds }) => cpuMs / 1000 / seconds),
    ...(scene.rate === 0
      ? []
      : [
          row("latency p50", "ms", ({ latencyMs }) => latencyMs?.p50 ?? null),
          row("latency p99", "ms", ({ latencyMs }) => latencyMs?.p99 ?? null, isLarge ? LATENCY_P99 : undefined),
        ]),
    { ...row("written to disk per token", "bytes", ({ writtenBytes, tokens }) => writtenBytes / tokens), limit: null },
    ...(isLarge
      ? [
          row("memory per live turn and its follower", "KiB", (it) => perStream(it, scene.streams)),
          bare("per CPU second", "tokens", perCpuSecond),
          bare("latency p99", "ms", ({ latencyMs }) => latencyMs?.p99 ?? null),
        ]
      : []),
  ];
}

async function runScene(upstream: Upstream, subject: Subject, scene: Scene, plan: StreamsPlan) {
  try {
    return await runLoad({
      port: subject.port,
      request: subject.request({ tokens: ENDLESS, rate: scene.rate }),
      streams: scene.streams,
      spacingMs: SPACING_MS,
      // A thousand turns that begin at once leave a queue behind, which is not what a token's way takes.
      warmMs: plan.warmMs * (scene.streams === 1000 ? 5 : 1),
      measureMs: plan.measureMs,
      pid: subject.pid,
      upstreamPid: upstream.pid,
    });
  } catch (error) {
    // A load that is too much for this machine is a result, and the other measurements are worth having.
    console.error(`  ${scene.name}: ${error instanceof Error ? error.message : error}`);
    return null;
  } finally {
    await subject.stop();
  }
}

function perCpuSecond({ tokens, cpuMs }: LoadFigures): number | null {
  return cpuMs === 0 ? null : tokens / (cpuMs / 1000);
}

function perStream({ residentBytes: { before, after } }: LoadFigures, streams: number): number {
  return (after - before) / 1024 / streams;
}

/** Null when any round has no figure. */
function medianOf(rounds: readonly (LoadFigures | null)[], of: (figures: LoadFigures) => number | null): number | null {
  const values = rounds.map((figures) => figures && of(figures));
  return values.includes(null) ? null : median(values.filter((value) => value !== null));
}
