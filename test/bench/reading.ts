/** What a database with much in it costs: history, search beside live streams, and sending in a long thread. */

import { rmSync } from "node:fs";
import { median } from "./figures";
import { COMMON_WORD, type Filled, fill, RARE_WORD } from "./filling";
import { type LoadFigures, runLoad } from "./load";
import { createStampReader } from "./stamps";
import { createFolder, jsonBody, messageOf, type Skeleton, startSkeleton, type Upstream } from "./subjects";
import type { Row } from "./table";

export interface ReadingPlan {
  readonly messages: number;
  readonly threadLength: number;
  readonly rounds: number;
  readonly searchMs: number;
}

export async function measureReading(upstream: Upstream, plan: ReadingPlan): Promise<Row[]> {
  const folder = createFolder();
  const begun = performance.now();
  const filled = await fill(folder, plan.messages, plan.threadLength);
  console.error(`  filled ${plan.messages} messages in ${Math.round(performance.now() - begun)} ms`);
  const skeleton = await startSkeleton({ upstream, folder });
  try {
    return [
      ...(await measureHistory(skeleton, filled, plan)),
      ...(await measureSend(skeleton, filled, plan)),
      ...(await measureSearch(skeleton, upstream, plan)),
    ];
  } finally {
    await skeleton.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureHistory(skeleton: Skeleton, { threadId }: Filled, plan: ReadingPlan): Promise<Row[]> {
  const path = `/api/v1/threads/${threadId}/messages`;
  const answers: { ms: number; bytes: number }[] = [];
  for (let round = 0; round <= plan.rounds; round++) answers.push(await timed(skeleton, path));
  const what = `history of a thread of ${plan.threadLength.toLocaleString("en")} messages`;
  // The first one is warm-up.
  const counted = answers.slice(1);
  return [
    { what, unit: "ms", limit: null, ours: median(counted.map(({ ms }) => ms)) },
    { what: `${what}: size`, unit: "kB", limit: null, ours: median(counted.map(({ bytes }) => bytes / 1000)) },
  ];
}

/** The stamp of the first token tells when the upstream was asked: it sends at once. */
async function measureSend(skeleton: Skeleton, { threadId }: Filled, plan: ReadingPlan): Promise<Row[]> {
  const times: number[] = [];
  for (let round = 0; round <= plan.rounds; round++) {
    const begun = performance.timeOrigin + performance.now();
    const response = await skeleton.fetch("/api/v1/message", jsonBody(messageOf({ tokens: 1, rate: 0 }, threadId)));
    const bytes = await response.bytes();
    createStampReader().push(bytes, (sentAtMs) => times.push(sentAtMs - begun));
    if (times.length !== round + 1) throw new Error(`A reply failed: ${Buffer.from(bytes).toString()}`);
  }
  const what = `send in a thread of ${plan.threadLength.toLocaleString("en")} messages: until the upstream is asked`;
  const ours = median(times.slice(1));
  return [{ what, unit: "ms", limit: null, ours, target: { of: "ours", is: "at most", value: 50 } }];
}

async function measureSearch(skeleton: Skeleton, upstream: Upstream, plan: ReadingPlan): Promise<Row[]> {
  const size = plan.messages.toLocaleString("en");
  const none = await besideStreams(skeleton, upstream, plan, null);
  const rare = await besideStreams(skeleton, upstream, plan, RARE_WORD);
  const common = await besideStreams(skeleton, upstream, plan, COMMON_WORD);
  const stall = (what: string, figures: LoadFigures): Row => ({
    what: `longest stall of a stream, ${what}`,
    unit: "ms",
    limit: null,
    ours: figures.latencyMs?.max ?? null,
  });
  return [
    { what: `search over ${size} messages, rare word`, unit: "ms", limit: null, ours: median(rare.searches) },
    { what: `search over ${size} messages, common word`, unit: "ms", limit: null, ours: median(common.searches) },
    stall("no search", none.figures),
    stall("rare word searched", rare.figures),
    {
      ...stall("common word searched", common.figures),
      ...(plan.messages === STALL_TARGET.messages && { target: STALL_TARGET }),
    },
  ];
}

const STALL_TARGET = { messages: 200_000, of: "ours", is: "at most", value: 20 } as const;
const STREAMS = { streams: 5, rate: 100 }; // Enough for a token to be due in any two milliseconds.
const BETWEEN_SEARCHES_MS = 50;

async function besideStreams(skeleton: Skeleton, upstream: Upstream, plan: ReadingPlan, word: string | null) {
  const warmMs = 300;
  const tokens = Math.ceil((STREAMS.rate * (plan.searchMs + warmMs + 1000)) / 1000);
  const loading = runLoad({
    port: skeleton.port,
    request: skeleton.request({ tokens, rate: STREAMS.rate }),
    streams: STREAMS.streams,
    spacingMs: 2,
    warmMs,
    measureMs: plan.searchMs,
    pid: skeleton.pid,
    upstreamPid: upstream.pid,
  });
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  loading.then(end, end);
  const searches: number[] = [];
  while (!isOver) {
    if (word !== null) searches.push((await timed(skeleton, `/api/v1/search?q=${word}`)).ms);
    await Bun.sleep(BETWEEN_SEARCHES_MS);
  }
  return { figures: await loading, searches };
}

async function timed(skeleton: Skeleton, path: string): Promise<{ ms: number; bytes: number }> {
  const begun = performance.now();
  const response = await skeleton.fetch(path);
  const { length } = await response.bytes();
  if (!response.ok) throw new Error(`${path} answered ${response.status}.`);
  return { ms: performance.now() - begun, bytes: length };
}
