/** Bytes written to disk per token, for short and long replies at one rate. Each has a server of its own, and they run at once. */

import { readProcess } from "./process-figures";
import { jsonBody, messageOf, startSkeleton, type Upstream } from "./subjects";
import type { Row } from "./table";

const SPREAD_AT_MOST = 1.2;

export async function measureDisk(upstream: Upstream, lengths: readonly number[], rate: number): Promise<Row[]> {
  const written = await Promise.all(lengths.map((tokens) => writtenBy(upstream, { tokens, rate })));
  const rows = lengths.map(
    (tokens, at): Row => ({
      what: `reply of ${tokens.toLocaleString("en")} tokens at ${rate.toLocaleString("en")}/s: written per token`,
      unit: "bytes",
      limit: null,
      ours: (written[at] ?? 0) / tokens,
    }),
  );
  const perToken = rows.map(({ ours }) => ours ?? 0);
  const spread: Row = {
    what: "written per token, most ÷ least of these",
    unit: "",
    limit: null,
    ours: Math.max(...perToken) / Math.min(...perToken),
    ...(lengths.at(-1) === 50_000 && { target: { of: "ours", is: "at most", value: SPREAD_AT_MOST } }),
  };
  return [...rows, spread];
}

/** From the message to the end of its turn, everything that the server writes for it included. */
async function writtenBy(upstream: Upstream, stream: { tokens: number; rate: number }): Promise<number> {
  const skeleton = await startSkeleton({ upstream });
  try {
    const before = readProcess(skeleton.pid).writtenBytes;
    const response = await skeleton.fetch("/api/v1/message", jsonBody(messageOf(stream)));
    const text = await response.text();
    if (!text.includes("stream_end")) throw new Error(`A reply failed: ${text.slice(-300)}`);
    return readProcess(skeleton.pid).writtenBytes - before;
  } finally {
    await skeleton.stop();
  }
}
