import { beforeEach, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Core, Tool, User } from "../../src/protocols";
import { collectTurn, readTurn, textOf, type WireEvent } from "../support/read-sse";
import { type Client, startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { failingStore, sharedBus } from "../support/test-core";
import { gate, reply, startUpstream, toolCall, type Upstream } from "../support/upstream";

const ANN: User = { username: "ann", role: "admin" };

let upstream: Upstream;

beforeEach(() => {
  upstream = startUpstream();
});

/** Sends and reads until the text is there; the reader goes on. */
async function sendUntil(client: Client, text: string, body: object = {}) {
  const reader = readTurn(await client.post("/api/v1/message", { content: "Go", ...body }));
  const events: WireEvent[] = [];
  while (textOf(events) !== text) {
    const next = await reader.next();
    if (next.done) throw new Error("The turn ended before the text came.");
    events.push(next.value);
  }
  const { turn_id: turnId = "", thread_id: threadId = "" } = events[0]?.data ?? {};
  return { events, reader, turnId, threadId };
}

async function rest(held: { events: WireEvent[]; reader: AsyncGenerator<WireEvent> }): Promise<WireEvent[]> {
  return [...held.events, ...(await Array.fromAsync(held.reader))];
}

describe("two processes on one database and one bus", () => {
  let one: Client;
  let two: Client;

  beforeEach(async () => {
    const dataPath = temporaryFolder();
    const plugins = [sharedBus()];
    const config = { openaiBaseUrl: upstream.baseUrl };
    one = await (await startServer({ config, plugins, dataPath })).signIn();
    two = await (await startServer({ config, plugins, dataPath })).signIn();
  });

  test("a turn is followed from the other one, from any id, with the same text exactly once", async () => {
    const open = gate();
    upstream.script({ parts: ["Here ", "and ", { wait: open.opened }, "there."] });
    const held = await sendUntil(one, "Here and ");
    const whole = two.fetch(`/api/v1/turns/${held.turnId}/events`).then(collectTurn);
    const later = two.fetch(`/api/v1/turns/${held.turnId}/events?after=3`).then(collectTurn);
    open.open();
    const events = await rest(held);
    expect(textOf(events)).toBe("Here and there.");
    expect(textOf(await whole)).toBe("Here and there.");
    expect(textOf(await later)).toBe("Here and there.".slice(2));
  });

  test("a turn is stopped from the other one, its request aborted and its text kept", async () => {
    upstream.script({ parts: ["Kept", { wait: gate().opened }] });
    const held = await sendUntil(one, "Kept");
    const stopped = await two.json<{ status: string }>(`/api/v1/turns/${held.turnId}`, { method: "DELETE" });
    expect(stopped.status).toBe("stopped");
    await upstream.requests[0]?.gone;
    expect((await rest(held)).at(-1)?.data.reason).toBe("stopped");
  });

  test("a second send through the other one is refused, or stops the first when asked", async () => {
    upstream.script({ parts: ["First", { wait: gate().opened }] }, reply("Second."));
    const held = await sendUntil(one, "First");
    const body = { content: "Second", thread_id: held.threadId };
    expect((await two.post("/api/v1/message", body)).status).toBe(409);
    const events = await collectTurn(await two.post("/api/v1/message", { ...body, stop_running: true }));
    expect(textOf(events)).toBe("Second.");
    const history = await one.json<{ content: string }[]>(`/api/v1/threads/${held.threadId}/messages`);
    // The stopped reply stays in the branch that is shown.
    expect(history.map(({ content }) => content)).toEqual(["Go", "First", "Second", "Second."]);
  });

  test("of many sends into one thread at once, through both, exactly one starts", async () => {
    const open = gate();
    const first = await collectTurn(await one.post("/api/v1/message", { content: "Begin" }));
    const threadId = first[0]?.data.thread_id;
    upstream.otherwise({ parts: [{ wait: open.opened }, "Answer."] });
    const sends = Array.from({ length: 20 }, (_, n) =>
      (n % 2 === 0 ? one : two).post("/api/v1/message", { content: `Send ${n}`, thread_id: threadId }),
    );
    const statuses = (await Promise.all(sends)).map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array(19).fill(409)]);
    open.open();
    const history = await one.json<{ role: string }[]>(`/api/v1/threads/${threadId}/messages`);
    expect(history.filter(({ role }) => role === "user")).toHaveLength(2);
  });
});

describe("a store that fails", () => {
  let isBroken = false;
  let ann: Client;
  let core: Core;

  beforeEach(async () => {
    isBroken = false;
    const plugins = [failingStore((store) => isBroken && store !== "processes")];
    const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl, logLevel: "error" }, plugins });
    core = server.core;
    ann = await server.signIn();
  });

  test("for a moment at the end of a step holds the turn up, and the turn goes on", async () => {
    const open = gate();
    upstream.otherwise({ parts: ["Before. ", { wait: open.opened }, "After."] });
    const held = await sendUntil(ann, "Before. ");
    isBroken = true;
    open.open();
    // A moment: longer than between two tries to write.
    setTimeout(() => {
      isBroken = false;
    }, 250);
    const events = await rest(held);
    expect(textOf(events)).toBe("Before. After.");
    expect(events.at(-1)).toMatchObject({ event: "stream_end", data: { reason: "stop" } });
    const history = await ann.json<object[]>(`/api/v1/threads/${held.threadId}/messages`);
    expect(history).toHaveLength(2);
    expect(history.at(-1)).toMatchObject({ content: "Before. After." });
    expect(history.at(-1)).not.toHaveProperty("cut");
    expect(await core.turns.live(ANN, held.threadId)).toBeNull();
  });

  test("for long is told to followers; the text is kept and the thread freed when it works again", async () => {
    const open = gate();
    upstream.otherwise({ parts: ["Before. ", { wait: open.opened }, "After."] });
    const held = await sendUntil(ann, "Before. ");
    isBroken = true;
    open.open();
    const events = await rest(held);
    // What is not saved is not shown.
    expect(textOf(events)).toBe("Before. ");
    expect(events.filter(({ event }) => event === "error" || event === "stream_end")).toHaveLength(1);
    expect(events.at(-1)?.data.message).toContain("could not save");
    const after = (seq: number) => ann.fetch(`/api/v1/turns/${held.turnId}/events?after=${seq}`).then(collectTurn);
    const late = [after(0), after(events.at(-1)?.id ?? 0)] as const;
    isBroken = false;
    // They end when the server has saved it after all; the one that was told the error, which is not saved, begins again.
    const [whole, again] = await Promise.all(late);
    expect(textOf(whole)).toBe("Before. After.");
    expect(again[0]?.event).toBe("reset");
    expect(textOf(again)).toBe("Before. After.");
    upstream.otherwise(reply("Next."));
    const next = await collectTurn(await ann.post("/api/v1/message", { content: "And?", thread_id: held.threadId }));
    expect(textOf(next)).toBe("Next.");
  }, 20_000);
});

describe("a turn that is stopped in a tool", () => {
  test("gives the call a result on the wire as in the thread, and asks the model no more", async () => {
    const started = gate();
    const tool: Tool = {
      name: "endless",
      description: "Does not look at the signal.",
      parameters: Type.Object({}),
      execute: () => {
        started.open();
        return new Promise(() => {});
      },
    };
    const server = await startServer({
      config: { openaiBaseUrl: upstream.baseUrl },
      plugins: [
        {
          name: "endless",
          tools: async () => [{ ...tool, parameters: (await import("@sinclair/typebox")).Type.Object({}) }],
        },
      ],
    });
    const ann = await server.signIn();
    upstream.script({ parts: toolCall("endless", {}) });
    const response = ann.post("/api/v1/message", { content: "Go" });
    await started.opened;
    const events: WireEvent[] = [];
    for await (const event of readTurn(await response)) {
      events.push(event);
      if (event.event === "tool_call") void ann.fetch(`/api/v1/turns/${events[0]?.data.turn_id}`, { method: "DELETE" });
    }
    expect(events.map(({ event }) => event)).toEqual(["thread_id", "tool_call", "tool_result", "stream_end"]);
    expect(events[2]?.data).toMatchObject({ call_id: events[1]?.data.call_id, error: expect.any(String) });
    const history = await ann.json<object[]>(`/api/v1/threads/${events[0]?.data.thread_id}/messages`);
    expect(history.at(-1)).toMatchObject({ type: "tool", error: events[2]?.data.error, cut: "stopped" });
    expect(upstream.requests).toHaveLength(1);
  });
});

describe("a follower that does not read", () => {
  test("is let go when too much waits for it, and can go on from where it was", async () => {
    const server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl } });
    const open = gate();
    const line = "x".repeat(100_000);
    upstream.script({ parts: ["Start. ", { wait: open.opened }, ...Array.from({ length: 15 }, () => line)] });
    const ann = await server.signIn();
    const held = await sendUntil(ann, "Start. ");
    const batches = await server.core.turns.follow(ANN, held.turnId, 0, new AbortController().signal);
    const slow = batches?.[Symbol.asyncIterator]();
    let position = 0;
    let text = "";
    const take = async () => {
      const next = await slow?.next();
      for (const { seq, event } of next?.done === false ? next.value : []) {
        position = seq;
        if (event.type === "text") text += event.text;
      }
      return next?.done !== false;
    };
    await take();
    open.open();
    expect(textOf(await rest(held))).toHaveLength(7 + 15 * line.length);
    while (!(await take()));
    expect(text.length).toBeLessThan(15 * line.length);
    for await (const batch of (await server.core.turns.follow(
      ANN,
      held.turnId,
      position,
      new AbortController().signal,
    )) ?? []) {
      for (const { event } of batch) if (event.type === "text") text += event.text;
    }
    expect(text).toBe(`Start. ${line.repeat(15)}`);
  });
});
