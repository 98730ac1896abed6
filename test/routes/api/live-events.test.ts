import { expect, test } from "bun:test";
import { collectTurn, readSse } from "../../support/read-sse";
import { startServer } from "../../support/server";
import { startUpstream } from "../../support/upstream";

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
    if (heard.at(-1)?.[0] === "threads_changed" && heard.some(([event]) => event === "turn_ended")) break;
  }
  expect(new Set(heard.map(([event]) => event))).toEqual(
    new Set(["threads_changed", "message_added", "turn_started", "turn_ended"]),
  );
  expect(heard.every(([, id]) => id === threadId)).toBe(true);
  for await (const { data } of readSse(listening.bob)) {
    expect(JSON.parse(data).data.thread_id).not.toBe(threadId);
    break;
  }
});

test("a client that was away gets what it missed, once, and one whose place is not known is told to reload", async () => {
  const server = await startServer();
  const ann = await server.signIn("ann");
  const add = async (title: string) => (await server.core.thread.create("ann", { title })).id;
  const hear = async (count: number, lastEventId?: string) => {
    const headers: Record<string, string> = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    const response = await ann.fetch("/api/v1/live", { headers });
    return { events: takeEvents(response, count) };
  };

  const first = await hear(1);
  const one = await add("one");
  const [heard] = await first.events;
  expect(JSON.parse(heard?.data ?? "").data.thread_id).toBe(one);

  const missed = [await add("two"), await add("three")];
  const again = await (await hear(2, heard?.id ?? "")).events;
  expect(again.map(({ data }) => JSON.parse(data).data.thread_id)).toEqual(missed);

  for (const unknown of ["", "elsewhere.3", `${heard?.id?.split(".")[0]}.999`]) {
    const [reset] = await (await hear(1, unknown)).events;
    expect(reset).toMatchObject({ event: "reset", id: again.at(-1)?.id });
  }
});

test("a client that was cut off before it heard anything has a place to come back to", async () => {
  const server = await startServer();
  const ann = await server.signIn("ann");
  const quiet = await ann.fetch("/api/v1/live");
  const place = await firstId(quiet);
  const thread = await server.core.thread.create("ann", { title: "meanwhile" });
  const again = await ann.fetch("/api/v1/live", { headers: { "last-event-id": place } });
  const [missed] = await takeEvents(again, 1);
  expect(JSON.parse(missed?.data ?? "")).toMatchObject({ event: "threads_changed", data: { thread_id: thread.id } });
});

/** Of a message that may have no data, which a browser keeps although it shows no event. Hangs up then. */
async function firstId(response: Response): Promise<string> {
  let text = "";
  for await (const bytes of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += bytes;
    const [, id] = /^id: (.+)\n\n/m.exec(text) ?? [];
    if (id !== undefined) return id;
  }
  throw new Error("The stream ended before it gave an id.");
}

test("a client that missed more than is kept is told to reload, and one that missed just that gets it all", async () => {
  const server = await startServer();
  const ann = await server.signIn("ann");
  const happen = async (count: number) => {
    for (let n = 0; n < count; n++) {
      await server.core.bus.publish("user:ann", { type: "threads-changed", threadId: `t${n}` });
    }
  };
  const listening = await ann.fetch("/api/v1/live");
  await happen(1);
  const [heard] = await takeEvents(listening, 1);
  const headers = { "last-event-id": heard?.id ?? "" };

  await happen(500);
  const all = await takeEvents(await ann.fetch("/api/v1/live", { headers }), 500);
  expect(all.map(({ data }) => JSON.parse(data).data.thread_id)).toEqual(Array.from(all, (_, n) => `t${n}`));

  await happen(1);
  const [reset] = await takeEvents(await ann.fetch("/api/v1/live", { headers }), 1);
  expect(reset?.event).toBe("reset");
  expect(JSON.parse(reset?.data ?? "").event).toBe("reset");
}, 10_000);

async function takeEvents(response: Response, count: number) {
  const events = [];
  for await (const event of readSse(response)) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}
