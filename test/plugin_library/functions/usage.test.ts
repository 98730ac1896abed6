import { afterAll, describe, expect, test } from "bun:test";
import type { Core, StoreRecord } from "../../../src/protocols";
import { dataWith } from "../../support/library";
import { collectTurn } from "../../support/read-sse";
import { type Client, startServer } from "../../support/server";
import { gate, reply, startUpstream, toolCall } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-1", "large-1"] });
afterAll(() => upstream.stop());

const PRICES = { "small-*": { input: 1, output: 2 }, "*": { input: 100, output: 200 } };

async function start(settings: object = {}) {
  const dataPath = dataWith(["functions/usage.ts"], { usage: settings });
  const server = await startServer({ dataPath, config: { openaiBaseUrl: upstream.baseUrl } });
  return { core: server.core, url: server.url, ann: await server.signIn("ann"), bob: await server.signIn("bob") };
}

async function send(client: Client, body: object = {}) {
  const response = await client.post("/api/v1/message", { content: "Hello", model: "small-1", ...body });
  if (!response.ok) return { status: response.status, detail: ((await response.json()) as { detail: string }).detail };
  return { status: response.status, events: await collectTurn(response) };
}

function used(input: number, output: number, text = "Word.") {
  return { ...reply(text), usage: { prompt_tokens: input, completion_tokens: output } };
}

/** What is counted, once so many calls are. */
async function counted(core: Core, calls: number): Promise<StoreRecord[]> {
  for (;;) {
    const records = await core.store.find(null, "usage");
    if (records.reduce((sum, record) => sum + Number(record.calls), 0) >= calls) return records;
    await new Promise(setImmediate);
  }
}

const TODAY = () => new Date().toISOString().slice(0, 10);

describe("what is counted", () => {
  test("each call by day, user and model, with its cost", async () => {
    const { core, ann, bob } = await start({ prices: PRICES });
    upstream.script({ ...used(100, 10), parts: toolCall("none", {}) }, used(200, 20), used(1000, 0), used(7, 8));
    await send(ann);
    await send(ann, { model: "large-1" });
    await send(bob);
    const records = (await counted(core, 4)).map(({ id: _, ...fields }) => fields);
    const day = TODAY();
    expect(records).toEqual([
      { day, user: "ann", model: "small-1", calls: 2, input_tokens: 300, output_tokens: 30, cost: 360 / 1e6 },
      { day, user: "ann", model: "large-1", calls: 1, input_tokens: 1000, output_tokens: 0, cost: 0.1 },
      { day, user: "bob", model: "small-1", calls: 1, input_tokens: 7, output_tokens: 8, cost: 23 / 1e6 },
    ]);
  });

  test("a stopped call, reckoned by its length", async () => {
    const { core, ann } = await start();
    upstream.script({ parts: ["Twelve chars", { wait: gate().opened }] });
    const response = await ann.post("/api/v1/message", { content: "Hello" });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    while (!seen.includes("Twelve chars")) seen += (await reader?.read())?.value ?? "";
    const turn = /"turn_id":"([^"]+)"/.exec(seen)?.[1];
    await ann.fetch(`/api/v1/turns/${turn}`, { method: "DELETE" });
    const [record] = await counted(core, 1);
    expect(record).toMatchObject({ calls: 1, output_tokens: 3 });
    expect(record?.input_tokens).toBeGreaterThan(0);
  });

  test("calls that end at the same moment, each of them", async () => {
    const { core, ann } = await start();
    upstream.otherwise(used(1, 1));
    await Promise.all(Array.from({ length: 20 }, () => send(ann)));
    expect(await counted(core, 20)).toMatchObject([{ calls: 20, input_tokens: 20, output_tokens: 20 }]);
  });

  test("not a call that failed before its first word", async () => {
    const { core, ann } = await start();
    upstream.script({ status: 500, body: "no" }, used(1, 2));
    await send(ann);
    await send(ann);
    expect(await counted(core, 1)).toMatchObject([{ calls: 1, input_tokens: 1 }]);
  });
});

describe("a budget", () => {
  test("that is spent refuses with a sentence, on the page's models too, and leaves others alone", async () => {
    const { core, ann, bob } = await start({ prices: PRICES, budgets: { bob: { per: "day", tokens: 30 } } });
    upstream.script(used(20, 9), used(1, 1), used(1, 1));
    expect((await send(bob)).status).toBe(200);
    expect((await send(bob)).status).toBe(200);
    const before = upstream.requests.length;
    const { status, detail } = await send(bob);
    expect(status).toBe(403);
    expect(detail).toMatch(/^Your budget of 30 tokens a day is spent\. It begins anew on \d+ \w+ \d{4} at 0:00 UTC\.$/);
    expect(upstream.requests).toHaveLength(before);
    expect(await bob.json<string[]>("/api/v1/models")).toEqual([]);
    expect((await send(ann)).status).toBe(200);
    await counted(core, 3);
  });

  test("in money is that of everybody without one of their own, and ends a turn between two calls", async () => {
    const { ann } = await start({ prices: PRICES, currency: "EUR", budget: { cost: 0.002 } });
    const before = upstream.requests.length;
    upstream.script({ ...used(1000, 500), parts: toolCall("none", {}) });
    const { events } = await send(ann);
    expect(events?.at(-1)?.data.message).toMatch(/^Your budget of EUR 0\.002 a month is spent\./);
    expect(upstream.requests).toHaveLength(before + 1);
  });

  test("is spent for another process too", async () => {
    const { core, ann } = await start({ budget: { tokens: 10 } });
    const month = `${TODAY().slice(0, 7)}-01`;
    const amounts = { calls: 1, input_tokens: 9, output_tokens: 9, cost: 0 };
    await core.store.add(null, "usage", { day: month, user: "ann", model: "small-1", ...amounts });
    expect((await send(ann)).status).toBe(403);
  });

  test("does not stand before the mask", async () => {
    const { bob } = await start({ budget: { tokens: 0 } });
    expect((await send(bob, { model: "large-1" })).detail).toBe('You may not use the model "large-1".');
  });
});

describe("the page", () => {
  test("shows a person their own usage, and an administrator everybody's", async () => {
    const { core, ann, bob, url } = await start({ prices: PRICES });
    upstream.script(used(1000, 500), used(2000, 1000));
    await send(ann, { model: "large-1" });
    await send(bob);
    await counted(core, 2);
    const bobs = await (await bob.fetch("/_plugin/usage/")).text();
    expect(bobs).toContain("Of bob, in the last 30 days");
    expect(rowOf(bobs, "small-1")).toEqual(["1", "2,000", "1,000", "$0.004"]);
    expect(bobs).toMatch(/Your files and messages take [\d.]+ MB of the 5,000 MB that you may use\./);
    expect(bobs).not.toContain("large-1");
    const all = await (await ann.fetch("/_plugin/usage/")).text();
    expect(rowOf(all, "large-1")).toEqual(["1", "1,000", "500", "$0.20"]);
    expect(rowOf(all, "bob")).toEqual(["1", "2,000", "1,000", "$0.004"]);
    expect(rowOf(all, "Σ")).toEqual(["2", "3,000", "1,500", "$0.204"]);
    expect(all.match(/<rect class="usage-sent"/g)).toHaveLength(30);
    const german = await (await bob.fetch("/_plugin/usage/", { headers: { "accept-language": "de" } })).text();
    expect(german).toContain("Von bob, in den letzten 30 Tagen");
    expect(rowOf(german, "small-1")).toEqual(["1", "2.000", "1.000", "$0,004"]);
    expect((await fetch(`${url}/_plugin/usage/`)).status).toBe(401);
    // Nothing that the page's policy would refuse.
    expect(all).not.toMatch(/<style|<script(?! src)|\sstyle=/);
    const style = await bob.fetch(`/_plugin/usage/${/<link rel="stylesheet" href="(style[^"]*)"/.exec(all)?.[1]}`);
    expect([style.headers.get("content-type"), await style.text()]).toEqual([
      "text/css",
      expect.stringContaining(".usage"),
    ]);
  });
});

function rowOf(page: string, name: string): string[] {
  const row = page.split("<tr>").find((it) => it.includes(`<th scope="row">${name}</th>`)) ?? "";
  return [...row.matchAll(/<td class="right">([^<]*)</g)].map(([, value = ""]) => value);
}
