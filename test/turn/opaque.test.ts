/** What a model gives beside text and calls, through the whole server: what goes back to its giver alone, pictures, and thinking that came as text. */

import { beforeEach, expect, test } from "bun:test";
import { PIXEL, PIXEL_BASE64 } from "../support/pixel";
import { collectTurn, textOf } from "../support/read-sse";
import { type Client, startServer, type TestServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { type Part, reply, startUpstream, type Upstream, type UpstreamMessage } from "../support/upstream";

const MARK = "U0lHTkFUVVJF";
const SIGNED = { vendor: { mark: MARK } };
const DETAILS = { type: "reasoning.text", text: "one two", signature: MARK, index: 0 };

/** A call with all that endpoints put beside it. */
const CALLING: readonly Part[] = [
  { delta: { reasoning_content: "I must ", reasoning_details: [{ ...DETAILS, text: "one ", signature: undefined }] } },
  { delta: { reasoning_content: "look.", reasoning_details: [{ ...DETAILS, text: "two" }] } },
  { delta: { odd_field: { blob: MARK }, flag: true, count: 3, annotations: [{ type: "url" }] } },
  {
    delta: {
      tool_calls: [
        { index: 0, id: "c1", type: "function", extra: SIGNED, function: { name: "look", arguments: "{}" } },
      ],
    },
  },
];

let upstream: Upstream;
let dataPath: string;

beforeEach(() => {
  upstream = startUpstream({ models: ["giver", "other"] });
  dataPath = temporaryFolder();
});

async function start(): Promise<{ server: TestServer; client: Client }> {
  const plugins = [
    {
      name: "look",
      tools: [
        { name: "look", description: "Looks.", parameters: { type: "object" } as never, execute: async () => "seen" },
      ],
    },
  ];
  const server = await startServer({ dataPath, plugins, config: { openaiBaseUrl: upstream.baseUrl } });
  return { server, client: await server.signIn() };
}

async function send(client: Client, body: object) {
  const events = await collectTurn(await client.post("/api/v1/message", body));
  return { events, text: textOf(events), threadId: events[0]?.data.thread_id };
}

function callIn(messages: readonly UpstreamMessage[] = []): Record<string, unknown> | undefined {
  return messages.find(({ tool_calls }) => tool_calls) as Record<string, unknown> | undefined;
}

const GIVEN = {
  reasoning_content: "I must look.",
  reasoning_details: [DETAILS],
  odd_field: { blob: MARK },
  tool_calls: [{ id: "c1", type: "function", extra: SIGNED, function: { name: "look", arguments: "{}" } }],
};

test("it goes back in the tool loop, after a restart and in a fork, and to no other model", async () => {
  const { server, client } = await start();
  upstream.script({ parts: CALLING }, reply("Done."));
  const first = await send(client, { content: "Look", model: "giver" });
  expect(first.text).toBe("Done.");
  expect(callIn(upstream.requests[1]?.body.messages)).toEqual({ role: "assistant", content: null, ...GIVEN });
  await server.stop();

  const { client: later } = await start();
  const { threadId } = first;
  await send(later, { content: "And?", thread_id: threadId });
  expect(callIn(upstream.requests[2]?.body.messages)).toMatchObject(GIVEN);
  await send(later, { content: "And you?", thread_id: threadId, model: "other" });
  const { id, type } = { id: "c1", type: "function" };
  const plain = {
    role: "assistant",
    content: null,
    tool_calls: [{ id, type, function: { name: "look", arguments: "{}" } }],
  };
  expect(callIn(upstream.requests[3]?.body.messages)).toEqual(plain);

  const history = await later.json<{ id: string }[]>(`/api/v1/threads/${threadId}/messages`);
  const fork = await later.json<{ id: string }>(`/api/v1/threads/${threadId}/fork`, {
    method: "POST",
    body: JSON.stringify({ message_id: history.at(-1)?.id }),
    headers: { "content-type": "application/json" },
  });
  await send(later, { content: "And here?", thread_id: fork.id, model: "giver" });
  expect(callIn(upstream.requests[4]?.body.messages)).toMatchObject(GIVEN);
});

test("nobody is told of it: no event, no history, no page, no search", async () => {
  const { client } = await start();
  upstream.script({ parts: CALLING }, { parts: [{ delta: { signature: MARK } }, "Done."] });
  const { events, threadId } = await send(client, { content: "Look", model: "giver" });
  const told = [
    JSON.stringify(events),
    await (await client.fetch(`/api/v1/threads/${threadId}/messages`)).text(),
    await (await client.fetch(`/t/${threadId}`)).text(),
  ];
  expect(told.map((text) => text.length > 100)).toEqual([true, true, true]);
  for (const text of told) expect(text).not.toContain(MARK);
  expect(await client.json<unknown[]>(`/api/v1/search?q=${MARK}`)).toEqual([]);
  // After a plain answer its signature goes back too.
  await send(client, { content: "And?", thread_id: threadId });
  expect(upstream.requests[2]?.body.messages.at(-2)).toEqual({
    role: "assistant",
    content: "Done.",
    signature: MARK,
  } as never);
});

test("plain thinking goes back with calls alone", async () => {
  const { client } = await start();
  upstream.script({ parts: [{ reasoningContent: "Hm." }, "Yes."] });
  const { threadId } = await send(client, { content: "Well?", model: "giver" });
  await send(client, { content: "And?", thread_id: threadId });
  expect(upstream.requests[1]?.body.messages.at(-2)).toEqual({ role: "assistant", content: "Yes." });
});

test("what is longer than is kept ends nothing", async () => {
  const { client } = await start();
  const blob = "x".repeat(600_000);
  upstream.script({ parts: [{ delta: { one: blob } }, { delta: { two: blob } }, "Yes."] });
  const { text, threadId } = await send(client, { content: "Well?", model: "giver" });
  expect(text).toBe("Yes.");
  await send(client, { content: "And?", thread_id: threadId });
  expect(upstream.requests[1]?.body.messages.at(-2)).toEqual({ role: "assistant", content: "Yes." });
});

test("pictures of a model are files of the chat", async () => {
  const picture = { type: "image_url", image_url: { url: `data:image/jpeg;base64,${PIXEL_BASE64}` } };
  const { client } = await start();
  const again = { delta: { images: [picture] } };
  const part = {
    delta: { content: [{ type: "image", source: { media_type: "image/png", data: PIXEL_BASE64 } }] },
  };
  upstream.script({ parts: ["Here", again, again, part] });
  const { events, threadId } = await send(client, { content: "Paint", model: "giver" });
  const files = events.filter(({ event }) => event === "file").map(({ data }) => data as Record<string, unknown>);
  expect(files.map(({ name, type, size }) => [name, type, size])).toEqual([
    ["picture-1.png", "image/png", PIXEL.length],
    ["picture-2.png", "image/png", PIXEL.length],
  ]);
  const bytes = await (await client.fetch(`/api/v1/files/${files[0]?.id}`)).arrayBuffer();
  expect(Buffer.from(bytes)).toEqual(PIXEL);
  const history = await client.json<{ type: string }[]>(`/api/v1/threads/${threadId}/messages`);
  expect(history.map(({ type }) => type)).toEqual(["text", "text", "file", "file"]);
});

test("a picture that cannot be read is told, and the reply is kept", async () => {
  const { client } = await start();
  const broken = ["data:image/png;base64,", "data:image/png;base64,!broken!", "data:image/png;base64,aGVsbG8=", ""];
  const images = broken.map((url) => ({ type: "image_url", image_url: { url } }));
  const vector = { type: "image_url", image_url: { url: "data:image/svg+xml,%3Csvg/%3E" } };
  upstream.script({ parts: ["Here", { delta: { images: [...images, vector] } }, " it is."] });
  const { text, events, threadId } = await send(client, { content: "Paint", model: "giver" });
  expect(text).toBe("Here it is.");
  const files = events.filter(({ event }) => event === "file").map(({ data }) => data as Record<string, unknown>);
  expect(files.map(({ name, size }) => [name, size])).toEqual([["picture-5.svg", 6]]);
  const history = await client.json<{ type: string; content: string }[]>(`/api/v1/threads/${threadId}/messages`);
  const notices = history.filter(({ type }) => type === "notice").map(({ content }) => content);
  expect(notices).toEqual(broken.map(() => "The model sent a picture that cannot be read."));
});

test("thinking whose end alone is marked is kept as thinking, and not sent again", async () => {
  const { client } = await start();
  upstream.script({ parts: ["hm so\n", "</think>\n\n", "Hello"] });
  const { threadId } = await send(client, { content: "Well?", model: "giver" });
  const history = await client.json<{ role: string; type: string; content: string }[]>(
    `/api/v1/threads/${threadId}/messages`,
  );
  expect(history.map(({ role, type, content }) => [role, type, content])).toEqual([
    ["user", "text", "Well?"],
    ["thinking", "thinking", "hm so\n"],
    ["assistant", "text", "Hello"],
  ]);
  await send(client, { content: "And?", thread_id: threadId });
  expect(upstream.requests[1]?.body.messages.at(-2)).toEqual({ role: "assistant", content: "Hello" });
});

test("tokens that were cached or thought are told with the turn, and kept", async () => {
  const { client } = await start();
  const usage = { prompt_tokens: 9, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } };
  const last = { ...usage, completion_tokens_details: { reasoning_tokens: 3 } };
  upstream.script({ parts: ["Yes.", { chunk: { choices: [], usage: last } }], usage: null });
  const { events } = await send(client, { content: "Well?", model: "giver" });
  const told = { input_tokens: 9, output_tokens: 5, cached_tokens: 4, reasoning_tokens: 3 };
  expect(events.at(-1)?.data.usage).toEqual(told as never);
  const turn = await client.json<{ usage: object }>(`/api/v1/turns/${events[0]?.data.turn_id}`);
  expect(turn.usage).toEqual(told);
});
