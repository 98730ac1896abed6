import { expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Plugin, TurnEnding } from "../../src/protocols";
import { NOTHING_SAID } from "../../src/turn/ending";
import { de } from "../../views/words/de";
import { en } from "../../views/words/en";
import { collectTurn, textOf, type WireEvent } from "../support/read-sse";
import { type Client, startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { type Answer, httpError, reply, startUpstream, toolCall } from "../support/upstream";

const upstream = startUpstream({ models: ["small-1"] });
const dataPath = temporaryFolder();
const config = { openaiBaseUrl: upstream.baseUrl, openaiApiKey: "k-0123456789abcdef", modelMaxRetries: 0 };
const look: Plugin = {
  name: "look",
  tools: [{ name: "look", description: "", parameters: Type.Object({}), execute: async () => "seen" }],
};
let server = await startServer({ dataPath, config, plugins: [look] });
const ann = await server.signIn();

interface Ended {
  readonly last: WireEvent | undefined;
  readonly threadId: string;
  readonly turnId: string;
}

async function send(client: Client, ...answers: Answer[]): Promise<Ended> {
  upstream.script(...answers);
  const events = await collectTurn(await client.post("/api/v1/message", { content: "Go" }));
  const { thread_id: threadId, turn_id: turnId } = (events[0] as WireEvent).data as {
    thread_id: string;
    turn_id: string;
  };
  return { last: events.at(-1), threadId, turnId };
}

/** The last reply's foot. */
async function footOf(client: Client, threadId: string, headers = {}): Promise<string> {
  const page = await (await client.fetch(`/t/${threadId}`, { headers: { accept: "text/html", ...headers } })).text();
  const foot = page.slice(page.lastIndexOf('<footer id="r-'));
  return foot.slice(0, foot.indexOf("</footer>"));
}

const offers = (foot: string) => ["Continue", "Retry"].filter((word) => foot.includes(`>${word}</button>`));
const thinking = { delta: { reasoning_content: "Hm." } };
const silent = (finish: string): Answer => ({ parts: [], finish });

test.each<[what: string, answers: Answer[], ending: TurnEnding, sentence: string, offered: string[]]>([
  [
    "is cut by a limit",
    [{ parts: ["Half"], finish: "length" }],
    "length",
    en.messages.ended.length,
    ["Continue", "Retry"],
  ],
  ["is filtered", [{ parts: ["Half"], finish: "content_filter" }], "filtered", en.messages.ended.filtered, ["Retry"]],
  ["is empty", [silent("stop")], "empty", NOTHING_SAID.empty, ["Retry"]],
  ["is blank", [{ parts: [" \n"] }], "empty", NOTHING_SAID.empty, ["Retry"]],
  ["wants tools and calls none", [silent("tool_calls")], "empty", NOTHING_SAID.empty, ["Retry"]],
  ["is thinking alone", [{ parts: [thinking] }], "thoughts", NOTHING_SAID.thoughts, ["Retry"]],
  [
    "thinks up to the limit",
    [{ parts: [thinking], finish: "length" }],
    "length",
    NOTHING_SAID.length,
    ["Continue", "Retry"],
  ],
  ["is filtered at once", [silent("content_filter")], "filtered", NOTHING_SAID.filtered, ["Retry"]],
  [
    "is nothing after a tool",
    [{ parts: toolCall("look", {}) }, silent("stop")],
    "empty",
    NOTHING_SAID.empty,
    ["Continue", "Retry"],
  ],
])(
  "a reply that %s says so in the stream, in the turn and on the page",
  async (_what, answers, ending, sentence, offered) => {
    const { last, threadId, turnId } = await send(ann, ...answers);
    const hasText = sentence === en.messages.ended[ending as "length"];
    if (hasText) expect(last).toMatchObject({ event: "stream_end", data: { reason: ending } });
    else expect(last).toMatchObject({ event: "error", data: { message: sentence } });
    expect(await ann.json<unknown>(`/api/v1/turns/${turnId}`)).toMatchObject({
      status: hasText ? "done" : "failed",
      error: hasText ? null : sentence,
      ending,
    });
    const foot = await footOf(ann, threadId);
    expect(foot).toContain(sentence);
    expect(offers(foot)).toEqual(offered);
    const german = await footOf(ann, threadId, { "accept-language": "de" });
    expect(german).toContain(hasText ? de.messages.ended[ending as "length"] : de.messages.endedSilent[ending]);
  },
);

test("what the page says of silence is what the stream said", () => {
  expect(en.messages.endedSilent).toEqual(NOTHING_SAID);
});

test("a reply that a limit cut goes on from its words; one that is whole or filtered does not", async () => {
  const cut = await send(ann, { parts: ["One, t"], finish: "length" });
  upstream.script(reply("wo."));
  const events = await collectTurn(await ann.post(`/api/v1/turns/${cut.turnId}/continue`, {}));
  expect(textOf(events)).toBe("wo.");
  expect(upstream.requests.at(-1)?.body.messages.at(-1)).toEqual({ role: "assistant", content: "One, t" });
  expect(await footOf(ann, cut.threadId)).not.toContain(en.messages.ended.length);
  for (const answer of [reply("All."), { parts: ["Half"], finish: "content_filter" }]) {
    const { turnId } = await send(ann, answer);
    expect((await ann.post(`/api/v1/turns/${turnId}/continue`, {})).status).toBe(409);
  }
});

test("an administrator is shown endpoint, address and status of a failure, and nobody else the address", async () => {
  const refused = httpError(503, "Loading the model");
  const { threadId, turnId } = await send(ann, refused);
  const foot = await footOf(ann, threadId);
  expect(foot).toContain("Loading the model");
  expect(foot).toContain(`Endpoint openai · ${upstream.baseUrl} · HTTP 503`);
  const bob = await server.signIn("bob");
  const theirs = await send(bob, refused);
  const shown = await footOf(bob, theirs.threadId);
  expect(shown).toContain("Loading the model");
  expect(shown).not.toContain(upstream.baseUrl);
  for (const [client, id] of [
    [ann, turnId],
    [bob, theirs.turnId],
  ] as const)
    expect(JSON.stringify(await client.json(`/api/v1/turns/${id}`))).not.toContain(upstream.baseUrl);
});

test("all of it is the same after a restart", async () => {
  const cut = await send(ann, { parts: ["Half"], finish: "length" });
  const empty = await send(ann, silent("stop"));
  const failed = await send(ann, httpError(500, "Broken"));
  await server.stop();
  server = await startServer({ dataPath, config, plugins: [look] });
  const again = await server.signIn();
  expect(await footOf(again, cut.threadId)).toContain(en.messages.ended.length);
  expect(await footOf(again, empty.threadId)).toContain(NOTHING_SAID.empty);
  expect(await footOf(again, failed.threadId)).toContain(`${upstream.baseUrl} · HTTP 500`);
});
