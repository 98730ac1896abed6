import { beforeAll, describe, expect, test } from "bun:test";
import { collectTurn, readTurn, textOf, type WireEvent } from "../../support/read-sse";
import { type Client, startServer } from "../../support/server";
import { reply, startUpstream, toolCall, type Upstream } from "../../support/upstream";

describe("turns over HTTP", () => {
  let upstream: Upstream;
  let ann: Client;

  beforeAll(async () => {
    upstream = startUpstream({ models: ["small-one"] });
    const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl } });
    ann = await server.signIn("ann");
  });

  /** Sends, and reads until the first text has come; the rest waits for `release`. */
  const sendHeld = async (before: string, after: string) => {
    const gate = Promise.withResolvers<void>();
    upstream.script({ parts: [before, { wait: gate.promise }, after] });
    const reader = readTurn(await ann.post("/api/v1/message", { content: "Go" }));
    const events: WireEvent[] = [];
    for (let next = await reader.next(); !next.done; next = await reader.next()) {
      events.push(next.value);
      if (textOf(events) === before) break;
    }
    return {
      events,
      reader,
      release: gate.resolve,
      turnId: String(events[0]?.data.turn_id),
      threadId: String(events[0]?.data.thread_id),
    };
  };

  test("a turn goes on when nobody listens, and can be read from the start or from any id", async () => {
    const held = await sendHeld("Before. ", "After.");
    await held.reader.return(undefined);
    held.release();
    const all = await collectTurn(await ann.fetch(`/api/v1/turns/${held.turnId}/events`));
    expect(textOf(all)).toBe("Before. After.");
    for (const { id } of all) {
      const head = all.filter((event) => event.id <= id);
      for (const resumed of [
        await ann.fetch(`/api/v1/turns/${held.turnId}/events?after=${id}`),
        await ann.fetch(`/api/v1/turns/${held.turnId}/events`, { headers: { "last-event-id": String(id) } }),
      ]) {
        const tail = await collectTurn(resumed);
        expect(textOf([...head, ...tail])).toBe("Before. After.");
        expect(tail.some(({ event }) => event === "reset")).toBe(false);
      }
    }
  });

  test("the last id that was seen goes before the place in the address, as a browser sends both when it comes back", async () => {
    upstream.script({ parts: ["One ", "two ", "three."] });
    const all = await collectTurn(await ann.post("/api/v1/message", { content: "Go" }));
    const address = `/api/v1/turns/${all[0]?.data.turn_id}/events?after=${all[0]?.id}`;
    const follow = async (lastEventId: string) =>
      collectTurn(await ann.fetch(address, { headers: { "last-event-id": lastEventId } }));
    const seen = all.at(-2)?.id ?? 0;
    expect((await follow(String(seen))).map(({ id }) => id)).toEqual([all.at(-1)?.id ?? -1]);
    // What a reset leaves behind: everything from the start.
    expect((await follow("0"))[0]?.event).toBe("thread_id");
  });

  test("followers of a running turn get the same text exactly once, whenever they join", async () => {
    const held = await sendHeld("Shared ", "text.");
    const early = ann.fetch(`/api/v1/turns/${held.turnId}/events`).then(collectTurn);
    const resumed = ann.fetch(`/api/v1/turns/${held.turnId}/events?after=${held.events.at(-1)?.id}`).then(collectTurn);
    held.release();
    expect(textOf(await early)).toBe("Shared text.");
    expect(textOf([...held.events, ...(await resumed)])).toBe("Shared text.");
    expect(textOf([...held.events, ...(await Array.fromAsync(held.reader))])).toBe("Shared text.");
  });

  test("a cursor that was never given is answered with reset and everything from the start", async () => {
    upstream.script(reply("Whole."));
    const [start] = await collectTurn(await ann.post("/api/v1/message", { content: "Go" }));
    for (const cursor of ["999999", "nonsense"]) {
      const headers = { "last-event-id": cursor };
      const events = await collectTurn(await ann.fetch(`/api/v1/turns/${start?.data.turn_id}/events`, { headers }));
      expect(events[0]?.event).toBe("reset");
      expect(textOf(events)).toBe("Whole.");
    }
  });

  test("stop ends the turn, aborts the upstream request, keeps the text and may be repeated", async () => {
    const held = await sendHeld("Kept", " never");
    const request = upstream.requests.at(-1);
    const stopped = await ann.json<{ status: string }>(`/api/v1/turns/${held.turnId}`, { method: "DELETE" });
    expect(stopped.status).toBe("stopped");
    await request?.gone;
    const rest = await Array.fromAsync(held.reader);
    expect(rest.at(-1)).toMatchObject({ event: "stream_end", data: { reason: "stopped" } });
    expect((await ann.fetch(`/api/v1/turns/${held.turnId}`, { method: "DELETE" })).status).toBe(200);
    const history = await ann.json<Record<string, unknown>[]>(`/api/v1/threads/${held.threadId}/messages`);
    expect(history.at(-1)).toMatchObject({ role: "assistant", content: "Kept", cut: "stopped" });
    upstream.script(reply("Next."));
    await collectTurn(await ann.post("/api/v1/message", { content: "And now?", thread_id: held.threadId }));
    expect(upstream.requests.at(-1)?.body.messages.at(-1)?.content).toMatch(/stopped.*\n\nAnd now\?$/s);
  });

  test("a second send while a turn runs is refused with 409, unless it asks to stop the first", async () => {
    const held = await sendHeld("First", " never");
    const body = { content: "Second", thread_id: held.threadId };
    const refused = await ann.post("/api/v1/message", body);
    expect(refused.status).toBe(409);
    upstream.script(reply("Second answer."));
    const events = await collectTurn(await ann.post("/api/v1/message", { ...body, stop_running: true }));
    expect(textOf(events)).toBe("Second answer.");
    expect((await Array.fromAsync(held.reader)).at(-1)?.data.reason).toBe("stopped");
  });

  test("another branch is refused with 409 while a turn runs, and shown after it", async () => {
    const held = await sendHeld("First", " never");
    const path = `/api/v1/threads/${held.threadId}`;
    const before = await ann.json<{ head_id: string }>(path);
    const body = { message_id: before.head_id };
    expect((await ann.post(`${path}/head`, body)).status).toBe(409);
    expect(await ann.json<{ head_id: string }>(path)).toEqual(before);
    await ann.fetch(`/api/v1/turns/${held.turnId}`, { method: "DELETE" });
    expect((await ann.post(`${path}/head`, body)).status).toBe(200);
  });

  test("a stopped reply can be continued from what was kept", async () => {
    const held = await sendHeld("Once upon", " never");
    await ann.fetch(`/api/v1/turns/${held.turnId}`, { method: "DELETE" });
    upstream.script(reply(" a time."));
    const events = await collectTurn(await ann.post(`/api/v1/turns/${held.turnId}/continue`, {}));
    expect(textOf(events)).toBe(" a time.");
    expect(upstream.requests.at(-1)?.body.messages.at(-1)).toMatchObject({ role: "assistant", content: "Once upon" });
  });

  test("an upstream error ends the turn with one error event; what came before is kept and the next turn is fine", async () => {
    const gate = Promise.withResolvers<void>();
    upstream.script({ parts: ["Partial", { wait: gate.promise }, { reset: true }] });
    const events: WireEvent[] = [];
    for await (const event of readTurn(await ann.post("/api/v1/message", { content: "Go" }))) {
      events.push(event);
      if (event.event === "message_tokens") gate.resolve();
    }
    expect(events.filter(({ event }) => event === "error")).toHaveLength(1);
    expect(events.at(-1)?.event).toBe("error");
    const threadId = String(events[0]?.data.thread_id);
    const history = await ann.json<Record<string, unknown>[]>(`/api/v1/threads/${threadId}/messages`);
    expect(history.at(-1)).toMatchObject({ content: "Partial", cut: "failed" });
    upstream.script(reply("Fine."));
    const next = await collectTurn(await ann.post("/api/v1/message", { content: "Again", thread_id: threadId }));
    expect(textOf(next)).toBe("Fine.");
  });

  test("a call of a tool that does not exist gets an error as its result, and the model goes on", async () => {
    upstream.script({ parts: toolCall("no_such", { a: 1 }) }, reply("Never mind."));
    const events = await collectTurn(await ann.post("/api/v1/message", { content: "Use it" }));
    const call = events.find(({ event }) => event === "tool_call");
    const results = events.filter(({ event }) => event === "tool_result");
    expect(call?.data).toMatchObject({ name: "no_such", arguments: { a: 1 }, call_id: expect.any(String) });
    expect(results).toHaveLength(1);
    expect(results[0]?.data).toMatchObject({ call_id: call?.data.call_id, error: expect.stringContaining("no_such") });
    expect(textOf(events)).toBe("Never mind.");
    expect(upstream.requests.at(-1)?.body.messages.at(-1)).toMatchObject({ role: "tool" });
  });
});
