import { expect, test } from "bun:test";
import { collectTurn, readSse } from "../support/read-sse";
import { startServer } from "../support/server";
import { startUpstream } from "../support/upstream";

test("whoever listens hears of their own threads and turns, and of nobody else's", async () => {
  const upstream = startUpstream({ models: ["small-one"] });
  const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl } });
  const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
  const listening = { ann: await ann.fetch("/api/v1/live"), bob: await bob.fetch("/api/v1/live") };

  const [start] = await collectTurn(await ann.post("/api/v1/message", { content: "Hi" }));
  await collectTurn(await bob.post("/api/v1/message", { content: "Hi" }));
  const threadId = start?.data.thread_id;
  await ann.post(`/api/v1/threads/${threadId}`, { title: "New name" });

  const heard: [string, unknown][] = [];
  for await (const { data } of readSse(listening.ann)) {
    const fact = JSON.parse(data);
    heard.push([fact.event, fact.data.thread_id]);
    if (heard.length === 5) break;
  }
  expect(heard.map(([event]) => event).toSorted()).toEqual([
    "message_added",
    "threads_changed",
    "threads_changed",
    "turn_ended",
    "turn_started",
  ]);
  expect(heard.every(([, id]) => id === threadId)).toBe(true);
  for await (const { data } of readSse(listening.bob)) {
    expect(JSON.parse(data).data.thread_id).not.toBe(threadId);
    break;
  }
});
