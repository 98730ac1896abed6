/** The load as a process: reads a Load from standard input, writes LoadFigures to standard output. */

import type { Socket } from "bun";
import { percentile } from "./figures";
import type { Load, LoadFigures } from "./load";
import { readProcess } from "./process-figures";
import { createStampReader, type StampReader } from "./stamps";

const OPENING_AT_ONCE = 100; // More would overflow the server's queue of connections and wait a second for the next try.
const OPEN_LIMIT_MS = 20_000; // A server that keeps up needs two or three seconds for the largest load.

const load = JSON.parse(await Bun.stdin.text()) as Load;
console.log(JSON.stringify(await run(load)));
process.exit(0); // The streams are still open.

async function run(load: Load): Promise<LoadFigures> {
  const counted = { tokens: 0, latencies: [] as number[] };
  const before = readProcess(load.pid).residentBytes;
  const opened = performance.now();
  await openAll(load, (sentAtMs, arrivedAtMs) => {
    counted.tokens++;
    if (!Number.isNaN(sentAtMs)) counted.latencies.push(arrivedAtMs - sentAtMs);
  });
  const openMs = performance.now() - opened;
  await Bun.sleep(load.warmMs);

  counted.tokens = 0;
  counted.latencies = [];
  const start = sample(load);
  await Bun.sleep(load.measureMs);
  const end = sample(load);
  const { tokens, latencies } = counted;
  const p50 = percentile(latencies, 0.5);
  const p99 = percentile(latencies, 0.99);
  const max = percentile(latencies, 1);
  return {
    seconds: (end.atMs - start.atMs) / 1000,
    tokens,
    latencyMs: p50 === null || p99 === null || max === null ? null : { p50, p99, max },
    cpuMs: end.server.cpuMs - start.server.cpuMs,
    upstreamCpuMs: end.upstream.cpuMs - start.upstream.cpuMs,
    loadCpuMs: end.self.cpuMs - start.self.cpuMs,
    writtenBytes: end.server.writtenBytes - start.server.writtenBytes,
    residentBytes: { before, after: end.server.residentBytes },
    openMs,
  };
}

function sample({ pid, upstreamPid }: Load) {
  return {
    atMs: performance.now(),
    server: readProcess(pid),
    upstream: readProcess(upstreamPid),
    self: readProcess(process.pid),
  };
}

type OnToken = (sentAtMs: number, arrivedAtMs: number) => void;

/** Resolves when each stream has had a token. */
async function openAll(load: Load, onToken: OnToken): Promise<void> {
  const late = setTimeout(() => fail(`not every stream had a token after ${OPEN_LIMIT_MS} ms`), OPEN_LIMIT_MS);
  const opening = new Set<Promise<void>>();
  for (let n = 0; n < load.streams; n++) {
    if (opening.size >= OPENING_AT_ONCE) await Promise.race(opening);
    const first: Promise<void> = openOne(load, onToken).then(() => void opening.delete(first));
    opening.add(first);
    if (load.spacingMs > 0) await Bun.sleep(load.spacingMs);
  }
  await Promise.all(opening);
  clearTimeout(late);
}

interface Stream {
  readonly stamps: StampReader;
  readonly hasToken: () => void;
  isAccepted: boolean;
}

async function openOne({ port, request }: Load, onToken: OnToken): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  await Bun.connect<Stream>({
    hostname: "127.0.0.1",
    port,
    data: { stamps: createStampReader(), hasToken: resolve, isAccepted: false },
    socket: {
      open: (socket) => void socket.write(request),
      data: (socket, bytes) => receive(socket, bytes, onToken),
      close: () => fail("a stream ended early"),
      error: (_socket, error) => fail(`a stream broke: ${error}`),
      connectError: (_socket, error) => fail(`no connection: ${error}`),
    },
  });
  await promise;
}

function receive({ data }: Socket<Stream>, bytes: Uint8Array, onToken: OnToken): void {
  const arrivedAtMs = performance.timeOrigin + performance.now();
  if (!data.isAccepted) {
    const head = Buffer.from(bytes).toString();
    if (!head.startsWith("HTTP/1.1 200")) fail(`a stream was refused: ${head}`);
    data.isAccepted = true;
  }
  data.stamps.push(bytes, (sentAtMs) => {
    data.hasToken();
    onToken(sentAtMs, arrivedAtMs);
  });
}

function fail(why: string): never {
  console.error(why);
  process.exit(1);
}
