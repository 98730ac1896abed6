import { afterAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "../../../src/protocols";
import { dataWith, linkPlugin } from "../../support/library";
import { collectTurn, readTurn } from "../../support/read-sse";
import { type Client, startServer } from "../../support/server";
import { until } from "../../support/until";
import { gate, reply, startUpstream, toolCall } from "../../support/upstream";

const upstream = startUpstream();
afterAll(() => upstream.stop());

const TOKEN = "a token of enough letters";

async function start(settings: object = {}, plugins: Parameters<typeof startServer>[0] = {}) {
  const dataPath = dataWith(["functions/metrics.ts"], { metrics: settings });
  return startServer({ dataPath, config: { openaiBaseUrl: upstream.baseUrl }, ...plugins });
}

/** Each sample by its name and labels. */
async function read(client: Client): Promise<Map<string, number>> {
  const response = await client.fetch("/_plugin/metrics/");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  const samples = new Map<string, number>();
  let described = "";
  for (const line of (await response.text()).trimEnd().split("\n")) {
    const [, help] = /^# HELP (\w+) \S.*\.$/.exec(line) ?? [];
    const [, typed] = /^# TYPE (\w+) (?:counter|gauge|histogram|untyped)$/.exec(line) ?? [];
    const [, key, name, value] =
      /^((\w+?)(?:_bucket|_sum|_count)?(?:\{(?:\w+="(?:[^"\\\n]|\\.)*",?)+\})?) (\S+)$/.exec(line) ?? [];
    if (help) described = help;
    else if (typed) expect(typed).toBe(described);
    else {
      expect(name).toBe(described);
      samples.set(key ?? "", Number(value));
    }
  }
  return samples;
}

test("turns are counted by how they end, with tokens and the time to the first word", async () => {
  const server = await start();
  const client = await server.signIn();
  const before = await read(client);
  const rise = async (key: string) => ((await read(client)).get(key) ?? 0) - (before.get(key) ?? 0);

  upstream.script({ ...reply("Hello."), usage: { prompt_tokens: 11, completion_tokens: 7 } });
  await collectTurn(await client.post("/api/v1/message", { content: "Go" }));
  upstream.script({ status: 500, body: "no" });
  await collectTurn(await client.post("/api/v1/message", { content: "Go" }));
  upstream.script({ parts: ["Half", { wait: gate().opened }] });
  const reader = readTurn(await client.post("/api/v1/message", { content: "Go" }));
  const first = await reader.next();
  await reader.next();
  expect(await rise("skeleton_turns_running")).toBe(1);
  expect(await rise('skeleton_open_streams{kind="turn"}')).toBe(1);
  await client.fetch(`/api/v1/turns/${first.value?.data.turn_id}`, { method: "DELETE" });
  for await (const _ of reader);

  for (const status of ["done", "failed", "stopped"])
    expect(await rise(`skeleton_turns_total{status="${status}"}`)).toBe(1);
  expect(await rise('skeleton_tokens_total{model="test-model",direction="input"}')).toBe(11);
  expect(await rise('skeleton_tokens_total{model="test-model",direction="output"}')).toBe(7);
  expect(await rise("skeleton_first_word_seconds_count")).toBe(2);
  expect(await rise('skeleton_first_word_seconds_bucket{le="+Inf"}')).toBe(2);
  expect(await rise("skeleton_turns_running")).toBe(0);
  expect(await rise('skeleton_open_streams{kind="turn"}')).toBe(0);
});

test("the first word of a turn may come after a tool was called", async () => {
  const server = await start();
  const client = await server.signIn();
  const count = async () => (await read(client)).get("skeleton_first_word_seconds_count") ?? 0;
  const before = await count();
  upstream.script({ parts: toolCall("nothing", {}) }, reply("There is no such tool."), reply("Again."));
  await collectTurn(await client.post("/api/v1/message", { content: "Go" }));
  expect(await count()).toBe(before + 1);
});

test("memory, processor time and the lag of the event loop are told", async () => {
  const client = await (await start()).signIn();
  const samples = await read(client);
  expect(samples.get("process_resident_memory_bytes")).toBeGreaterThan(10_000_000);
  expect(samples.get("process_cpu_seconds_total")).toBeGreaterThan(0);
  const late = performance.now() + 1500;
  while (performance.now() < late); // What the figure is there to show.
  const lag = async () => (await read(client)).get("skeleton_event_loop_lag_seconds_max") ?? 0;
  await until(async () => (await lag()) >= 0.5);
});

test("a store that does not answer is told, and how long one takes that does", async () => {
  let isGone = false;
  const gone: Plugin = {
    name: "gone",
    provide: {
      store: (_core, base) => ({
        ...base,
        async ping() {
          if (isGone) throw new Error("gone");
          await base.ping();
        },
      }),
    },
  };
  const client = await (await start({}, { plugins: [gone] })).signIn();
  const good = await read(client);
  expect([good.get("skeleton_store_up"), good.has("skeleton_store_ping_seconds")]).toEqual([1, true]);
  isGone = true;
  const bad = await read(client);
  expect([bad.get("skeleton_store_up"), bad.has("skeleton_store_ping_seconds")]).toEqual([0, false]);
});

test("what other plugins count is told by its name", async () => {
  const server = await start();
  const client = await server.signIn();
  server.core.counts.add("mails sent", 2);
  server.core.counts.add("mails sent");
  expect((await read(client)).get('skeleton_counts{name="mails sent"}')).toBe(3);
});

test("it provides no part, so that it comes and goes without a restart", async () => {
  const { core } = await start();
  expect(core.plugins.list().find(({ name }) => name === "metrics")?.provides).toEqual([]);
  const dataPath = core.config.dataPath;
  rmSync(join(dataPath, "plugins/functions/metrics.ts"));
  await core.plugins.reload();
  expect(core.plugins.page("metrics")).toBeNull();
  linkPlugin(join(dataPath, "plugins"), "functions/metrics.ts");
  await core.plugins.reload();
  expect([core.plugins.page("metrics") === null, core.plugins.faults()]).toEqual([false, []]);
});

test("open pages, and answers to other clients, are counted", async () => {
  const server = await start();
  const client = await server.signIn();
  const before = await read(client);
  const page = await client.fetch("/live");
  const live = await client.fetch("/api/v1/live");
  const user = { username: "ann", role: "admin" } as const;
  const request = { model: "test-model", messages: [{ role: "user", content: "Hello" }] } as const;
  await Array.fromAsync(await server.core.turns.answer(user, request, new AbortController().signal));
  const after = await read(client);
  const rise = (key: string) => (after.get(key) ?? 0) - (before.get(key) ?? 0);
  expect([rise('skeleton_open_streams{kind="page"}'), rise('skeleton_open_streams{kind="live"}')]).toEqual([1, 1]);
  expect([rise('skeleton_turns_total{status="done"}'), rise("skeleton_first_word_seconds_count")]).toEqual([1, 1]);
  await Promise.all([page.body?.cancel(), live.body?.cancel()]);
});

test("only administrators and who has the token may look", async () => {
  const server = await start({ token: TOKEN.replaceAll(" ", "-") });
  const get = (authorization?: string) =>
    fetch(`${server.url}/_plugin/metrics/`, authorization === undefined ? {} : { headers: { authorization } });
  expect((await get()).status).toBe(401);
  expect((await get("Bearer another-token-of-enough-letters")).status).toBe(401);
  expect((await get(`Bearer ${TOKEN.replaceAll(" ", "-")}`)).status).toBe(200);
  expect((await (await server.signIn("ann")).fetch("/_plugin/metrics/")).status).toBe(200);
  expect((await (await server.signIn("bob")).fetch("/_plugin/metrics/")).status).toBe(403);
});
