/**
 * Bytes written to disk per token, for short and long replies at one rate: as many tokens of each, since SQLite does part of its
 * writing later. Each length has a server of its own, and they run at once. What a turn writes whatever its length (its message,
 * thread, claim and their indexes) is measured with replies of one token.
 */

import { readProcess } from "./process-figures";
import { jsonBody, startSkeleton, type Upstream } from "./subjects";
import type { Row } from "./table";

const SPREAD_AT_MOST = 1.2;
const TURNS = 50;

export async function measureDisk(upstream: Upstream, lengths: readonly number[], rate: number): Promise<Row[]> {
  const longest = Math.max(...lengths);
  const turn = (await writtenBy(upstream, 1, TURNS, rate)) / TURNS;
  const written = await Promise.all(lengths.map((tokens) => writtenBy(upstream, tokens, longest / tokens, rate)));
  const perToken = lengths.map((tokens, at) => (written[at] ?? 0) / longest - turn / tokens);
  const row = (what: string, unit: string, ours: number): Row => ({ what, unit, limit: null, ours });
  const rows = lengths.flatMap((tokens, at) => {
    const name = `reply of ${tokens.toLocaleString("en")} tokens at ${rate.toLocaleString("en")}/s`;
    return [
      row(`${name}: written per token`, "bytes", (written[at] ?? 0) / longest),
      row(`${name}: the same without what a turn writes itself`, "bytes", perToken[at] ?? 0),
    ];
  });
  return [
    row("a turn of one token: written", "kB", turn / 1000),
    ...rows,
    {
      ...row(
        "written per token without the turn's own, most ÷ least",
        "",
        Math.max(...perToken) / Math.min(...perToken),
      ),
      ...(lengths.at(-1) === 50_000 && { target: { of: "ours", is: "at most", value: SPREAD_AT_MOST } }),
    },
  ];
}

/** By so many replies one after the other, each in a thread of its own, everything that the server writes for them included. */
async function writtenBy(upstream: Upstream, tokens: number, replies: number, rate: number): Promise<number> {
  const skeleton = await startSkeleton({ upstream });
  try {
    const before = readProcess(skeleton.pid).writtenBytes;
    for (let n = 0; n < replies; n++) {
      const message = jsonBody({ content: "go", parameters: { x_tokens: tokens, x_rate: rate } });
      const text = await (await skeleton.fetch("/api/v1/message", message)).text();
      if (!text.includes("stream_end")) throw new Error(`A reply failed: ${text.slice(-300)}`);
    }
    return readProcess(skeleton.pid).writtenBytes - before;
  } finally {
    await skeleton.stop();
  }
}
