/** What the page costs: a reply as HTML against the same as JSON, and the page of a long thread. */

import { rmSync } from "node:fs";
import { encodeSse } from "../../src/basics/sse";
import { createViews } from "../../src/core/views";
import type { Core, NumberedEvent, TurnInfo } from "../../src/protocols";
import { createGrowth } from "../../src/routes/reply/growing-reply";
import { startUpstream as startScripted } from "../support/upstream";
import { median } from "./figures";
import { fill } from "./filling";
import { markdownTokens } from "./page-text";
import { readProcess } from "./process-figures";
import { createFolder, jsonBody, type Skeleton, startSkeleton, type Upstream } from "./subjects";
import { type Row, rowOf } from "./table";
import { measureVisit } from "./visit";

export interface PagePlan {
  /** Of replies, in tokens; the second is compared with the first. */
  readonly lengths: readonly [number, number];
  readonly rate: number;
  readonly threadLength: number;
  readonly rounds: number;
}

export async function measurePage(upstream: Upstream, plan: PagePlan): Promise<Row[]> {
  const first = ownWork(plan.lengths[0], plan.rate);
  const own = warmWork(plan);
  const spread = (own[1]?.us ?? 0) / (own[0]?.us ?? 1);
  return [
    rowOf(`the same for the first reply of a process, ${plan.lengths[0].toLocaleString("en")} tokens`, "µs", first.us),
    ...own.flatMap(({ us, bytes }, at) => ownRows(plan.lengths[at] ?? 0, plan.rate, us, bytes)),
    rowOf("CPU of the page's work per token, longer ÷ shorter reply", "", spread, 1.2),
    ...(await measureReply(plan.lengths[0], plan.rate)),
    ...(await measureThread(upstream, plan)),
    ...(await measureVisit(upstream)),
  ];
}

function ownRows(tokens: number, rate: number, us: number, bytes: number): Row[] {
  const what = `Markdown reply of ${tokens.toLocaleString("en")} tokens at ${rate.toLocaleString("en")}/s`;
  return [
    rowOf(`${what}: bytes to the page per token`, "bytes", bytes, 60),
    rowOf(`${what}: CPU of the page's work per token`, "µs", us, 10),
  ];
}

const UPDATES_PER_SECOND = 20;

const WARM_UP = 4; // Rounds of all lengths. After about that many a round costs no less than the one before.

/** What it costs in a server that has written some replies: the median of several rounds, for each length. */
function warmWork({ lengths, rate, rounds }: PagePlan): Work[] {
  const all = Array.from({ length: WARM_UP + rounds }, () => lengths.map((tokens) => ownWork(tokens, rate)));
  const warm = all.slice(WARM_UP);
  return lengths.map((_, at) => ({
    us: median(warm.map((round) => round[at]?.us ?? 0)) ?? 0,
    bytes: warm[0]?.[at]?.bytes ?? 0,
  }));
}

interface Work {
  readonly us: number;
  readonly bytes: number;
}

/** The page's part of the work alone: fold, render and encode, in this process. */
function ownWork(count: number, rate: number): Work {
  const tokens = markdownTokens(count);
  const begun = process.cpuUsage();
  const bytes = tell(tokens, Math.max(1, Math.round(rate / UPDATES_PER_SECOND)));
  const { user, system } = process.cpuUsage(begun);
  return { us: (user + system) / count, bytes: bytes / count };
}

function tell(tokens: readonly string[], perUpdate: number): number {
  const core = { counts: {} } as { counts: Core["counts"]; views: Core["views"] };
  core.views = createViews(core as Core);
  const [words] = core.views.languages;
  if (!words) throw new Error("There are no words.");
  const growth = createGrowth(core as Core, words, TURN);
  let [bytes, seq] = [0, 0];
  const take = () => {
    const data = growth.takeChanges("parts");
    if (data !== "") bytes += encodeSse({ data }).length;
  };
  const add = (event: NumberedEvent["event"], length: number) => {
    seq += length;
    growth.add({ seq, timestamp: TURN.started, event });
  };
  for (const [index, text] of tokens.entries()) {
    add({ type: "text", text }, text.length);
    if ((index + 1) % perUpdate === 0) take();
  }
  add({ type: "end", reason: "stop", usage: null }, 1);
  take();
  return bytes;
}

const TURN: TurnInfo = {
  id: "01a2054d-f70e-702c-93d9-dc982a381e5e",
  threadId: "thread",
  parentId: "message",
  status: "running",
  model: "test-model",
  systemPrompt: "default",
  parameters: {},
  started: "2026-01-01T00:00:00.000Z",
  error: null,
  usage: null,
};

/** The whole server while one reply is written and followed, by its events as JSON and by a page. */
async function measureReply(count: number, rate: number): Promise<Row[]> {
  const json = await followed(count, rate, "json");
  const page = await followed(count, rate, "page");
  const what = `Markdown reply of ${count.toLocaleString("en")} tokens at ${rate.toLocaleString("en")}/s`;
  return [
    rowOf(`${what}: bytes per token, followed as JSON`, "bytes", json.bytes / count),
    rowOf(`${what}: bytes per token, followed by a page`, "bytes", page.bytes / count, 60),
    rowOf(`${what}: CPU of the server per token, followed as JSON`, "µs", (json.cpuMs * 1000) / count),
    rowOf(`${what}: CPU of the server per token, followed by a page`, "µs", (page.cpuMs * 1000) / count),
  ];
}

async function followed(count: number, rate: number, by: "json" | "page"): Promise<{ bytes: number; cpuMs: number }> {
  const scripted = startScripted({ canReset: false });
  const skeleton = await startSkeleton({ upstream: { url: scripted.baseUrl, pid: process.pid, stop: scripted.stop } });
  try {
    scripted.script({ parts: paced(markdownTokens(count), rate) });
    const before = readProcess(skeleton.pid).cpuMs;
    const bytes = by === "json" ? await readJson(skeleton) : await readPage(skeleton);
    return { bytes, cpuMs: readProcess(skeleton.pid).cpuMs - before };
  } finally {
    await skeleton.stop();
    await scripted.stop();
  }
}

async function readJson(skeleton: Skeleton): Promise<number> {
  const bytes = await (await skeleton.fetch("/api/v1/message", jsonBody({ content: "go" }))).bytes();
  if (!new TextDecoder().decode(bytes.slice(-1000)).includes("stream_end")) throw new Error("The reply failed.");
  return bytes.length;
}

/** Sends as the page does, connects as it does, and reads until Send is back. */
async function readPage(skeleton: Skeleton): Promise<number> {
  const headers = { "hx-request": "true", "content-type": "application/x-www-form-urlencoded" };
  const sent = await skeleton.fetch("/t", { method: "POST", headers, body: "content=go" });
  const path = /hx-sse:connect="([^"]+)"/.exec(await sent.text())?.[1]?.replaceAll("&amp;", "&");
  if (!path) throw new Error("The page says nothing of its channel.");
  const live = await skeleton.fetch(path);
  let [bytes, end] = [0, ""];
  for await (const chunk of live.body ?? []) {
    bytes += chunk.length;
    end = (end + new TextDecoder().decode(chunk)).slice(-20_000);
    if (/id="go" class="go send /.test(end)) return bytes;
  }
  throw new Error("The channel ended before the reply.");
}

async function* paced(tokens: readonly string[], rate: number): AsyncGenerator<string> {
  const begun = performance.now();
  for (const [index, token] of tokens.entries()) {
    const waitMs = begun + (index * 1000) / rate - performance.now();
    if (waitMs > 0) await Bun.sleep(waitMs);
    yield token;
  }
}

async function measureThread(upstream: Upstream, { threadLength, rounds }: PagePlan): Promise<Row[]> {
  const folder = createFolder();
  const { threadId } = await fill(folder, threadLength, threadLength);
  const skeleton = await startSkeleton({ upstream, folder });
  try {
    const times: number[] = [];
    let [bytes, packed] = [0, 0];
    for (let round = 0; round <= rounds; round++) {
      const begun = performance.now();
      const text = await (await skeleton.fetch(`/t/${threadId}`, { headers: { accept: "text/html" } })).text();
      if (round > 0) times.push(performance.now() - begun);
      bytes = text.length;
      packed = Bun.gzipSync(text).length;
    }
    const what = `page of a thread of ${threadLength.toLocaleString("en")} messages`;
    return [
      rowOf(what, "ms", median(times), 100),
      rowOf(`${what}: size`, "kB", bytes / 1000),
      rowOf(`${what}: packed`, "kB", packed / 1000),
    ];
  } finally {
    await skeleton.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
