/** Many followers of one turn: memory before and after, and how late they hear of a token. */

import { readTurn } from "../support/read-sse";
import { runLoad } from "./load";
import { jsonBody, messageOf, type Skeleton, startSkeleton, type Upstream } from "./subjects";
import type { Row } from "./table";

const TOKENS_PER_S = 2; // Every follower gets every token: 20,000 events a second with 10,000 of them.

const TARGET = { followers: 10_000, of: "ours", is: "at most", value: 150 } as const;

export async function measureFollowers(upstream: Upstream, followers: number, measureMs: number): Promise<Row[]> {
  const skeleton = await startSkeleton({ upstream });
  try {
    const turnId = await startTurn(skeleton);
    const figures = await runLoad({
      port: skeleton.port,
      request: skeleton.getRequest(`/api/v1/turns/${turnId}/events`),
      streams: followers,
      spacingMs: 0,
      warmMs: 1000,
      measureMs,
      pid: skeleton.pid,
      upstreamPid: upstream.pid,
    });
    const { before, after } = figures.residentBytes;
    const name = `${followers.toLocaleString("en")} followers of one turn`;
    const row = (what: string, unit: string, ours: number | null): Row => ({
      what: `${name}: ${what}`,
      unit,
      limit: null,
      ours,
    });
    return [
      row("memory before", "MB", before / 1e6),
      { ...row("memory with them", "MB", after / 1e6), ...(followers === TARGET.followers && { target: TARGET }) },
      row("memory per follower", "KiB", (after - before) / 1024 / followers),
      row("all connected after", "s", figures.openMs / 1000),
      row("delivered", "tokens/s", figures.tokens / figures.seconds),
      row("latency p99", "ms", figures.latencyMs?.p99 ?? null),
    ];
  } finally {
    await skeleton.stop();
  }
}

/** The turn goes on when its first follower has left. */
async function startTurn(skeleton: Skeleton): Promise<string> {
  const stream = { tokens: 100_000, rate: TOKENS_PER_S };
  const response = await skeleton.fetch("/api/v1/message", jsonBody(messageOf(stream)));
  for await (const { data } of readTurn(response)) return String(data.turn_id);
  throw new Error("The turn has no events.");
}
