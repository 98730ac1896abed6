import { beforeEach, expect, test } from "bun:test";
import { collectTurn, textOf } from "../support/read-sse";
import { type Client, startServer, type TestServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { gate, reply, startUpstream, type Upstream } from "../support/upstream";

let upstream: Upstream;
let server: TestServer;
let ann: Client;
const dataPath = temporaryFolder();

beforeEach(async () => {
  upstream = startUpstream({ models: ["small-a"] });
  server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl }, dataPath });
  ann = await server.signIn();
});

/** Ids of thread and turn, and what the turn said. */
async function send(body: object, client = ann) {
  const events = await collectTurn(await client.post("/api/v1/message", body));
  const { thread_id: threadId = "", turn_id: turnId = "" } = events[0]?.data ?? {};
  return { threadId, turnId, text: textOf(events) };
}

async function questions(threadId: string): Promise<string[]> {
  const messages = await server.core.thread.messages("ann", threadId);
  return messages.filter(({ role }) => role === "user").map(({ content }) => content);
}

test("who sends again with the same key, because no answer came, is answered by the first turn", async () => {
  upstream.script(reply("Once."));
  const first = await send({ content: "Go", key: "k" });
  expect(await send({ content: "Go", key: "k" })).toEqual(first);
  expect(await send({ content: "Go", key: "k", thread_id: first.threadId })).toEqual(first);
  expect(await questions(first.threadId)).toEqual(["Go"]);
  expect(await server.core.thread.list("ann")).toHaveLength(1);
});

test("also while it runs, when many do so at once, and after a restart", async () => {
  const open = gate();
  upstream.script({ parts: ["On", { wait: open.opened }, "ce."] });
  const sent = Array.from({ length: 5 }, () => send({ content: "Go", key: "many" }));
  await upstream.request(1);
  const late = send({ content: "Go", key: "many" });
  open.open();
  const turns = await Promise.all([...sent, late]);
  expect(new Set(turns.map(({ turnId }) => turnId)).size).toBe(1);
  expect(turns.map(({ text }) => text)).toEqual(Array(6).fill("Once."));
  const restarted = await startServer({ config: { openaiBaseUrl: upstream.baseUrl }, dataPath });
  expect(await send({ content: "Go", key: "many" }, await restarted.signIn())).toEqual(turns[0] as (typeof turns)[0]);
});

test("another text, other files, another thread and another user are other sends", async () => {
  const texts = ["One", "Two", "Three", "Four", "Five"];
  for (const text of texts) upstream.script(reply(text));
  const first = await send({ content: "Go", key: "other" });
  const file = await server.core.file.put("ann", { name: "a", type: "text/plain", data: new Blob(["a"]) });
  const others = [
    await send({ content: "Go on", key: "other", thread_id: first.threadId }),
    await send({ content: "Go", key: "other", files: [file.id] }),
    await send({ content: "Go", key: "other", thread_id: (await server.core.thread.create("ann", {})).id }),
    await send({ content: "Go", key: "other" }, await server.signIn("bob")),
  ];
  expect([first, ...others].map(({ text }) => text)).toEqual(texts);
  expect(await questions(first.threadId)).toEqual(["Go", "Go on"]);
});

test("a send that was refused may come again with its key", async () => {
  const open = gate();
  upstream.script({ parts: ["First", { wait: open.opened }] });
  const running = send({ content: "Wait" });
  await upstream.request(1);
  const [thread] = await server.core.thread.list("ann");
  const body = { content: "Go", key: "refused", thread_id: thread?.id };
  expect((await ann.post("/api/v1/message", body)).status).toBe(409);
  open.open();
  await running;
  upstream.script(reply("Second"));
  expect((await send(body)).text).toBe("Second");
});

test("a reply that is asked for again, again, is one", async () => {
  upstream.script(reply("One"));
  const { threadId } = await send({ content: "Go" });
  const [question] = await server.core.thread.messages("ann", threadId);
  upstream.script(reply("Two"));
  const again = { regenerate: true, thread_id: threadId, parent_id: question?.id, key: "again" };
  const first = await send(again);
  expect(first.text).toBe("Two");
  expect(await send(again)).toEqual(first);
});
