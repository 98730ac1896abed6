import { beforeEach, describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { Plugin, Tool } from "../../src/protocols";
import { readSse, readTurn, textOf, type WireEvent } from "../support/read-sse";
import { type Client, startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";
import { failingStore, sharedBus } from "../support/test-core";
import { interleave, type Part, reply, startUpstream, toolCall, type Upstream } from "../support/upstream";

const TIMEOUT_MS = 50; // Of the tool that asks.

let upstream: Upstream;
let runs: string[];

beforeEach(() => {
  upstream = startUpstream({ models: ["small-one"] });
  runs = [];
});

/** A tool that asks before it deletes, and one that does not ask. */
function deleting(): Plugin {
  const remember = (name: string): Tool["execute"] => {
    return async ({ path }: { path: string }) => {
      runs.push(`${name} ${path}`);
      return `${path} is gone`;
    };
  };
  const parameters = Type.Object({ path: Type.String() });
  const asking = { name: "delete_file", description: "", parameters, approval: true, timeoutMs: TIMEOUT_MS };
  return {
    name: "deleting",
    tools: [
      { ...asking, execute: remember("delete") },
      { name: "hide_file", description: "", parameters, execute: remember("hide") },
    ],
  };
}

async function start(options: { readonly dataPath?: string; readonly plugins?: readonly Plugin[] } = {}) {
  const { plugins = [], ...rest } = options;
  const config = { openaiBaseUrl: upstream.baseUrl, logLevel: "error" } as const;
  return startServer({ config, plugins: [deleting(), ...plugins], ...rest });
}

interface Held {
  readonly events: WireEvent[];
  readonly turnId: string;
  readonly threadId: string;
  /** Reads on until the event has come `count` times in all. */
  until(event: string, count?: number): Promise<void>;
  /** All events to the last. */
  end(): Promise<readonly WireEvent[]>;
}

/** Sends, with the model calling these tools, and reads until a call waits. */
async function sendAsking(client: Client, ...calls: readonly Part[][]): Promise<Held> {
  upstream.script({ parts: interleave(...calls) }, reply("Done."));
  const reader = readTurn(await client.post("/api/v1/message", { content: "Clean up" }));
  const events: WireEvent[] = [];
  const next = async (): Promise<boolean> => {
    const { value, done } = await reader.next();
    if (!done) events.push(value);
    return !done;
  };
  const until = async (name: string, count = 1): Promise<void> => {
    while (events.filter(({ event }) => event === name).length < count) {
      if (!(await next())) throw new Error(`No ${name} came: ${JSON.stringify(events)}`);
    }
  };
  await until("approval_asked");
  const { turn_id: turnId = "", thread_id: threadId = "" } = events[0]?.data ?? {};
  return {
    events,
    turnId,
    threadId,
    until,
    async end() {
      while (await next());
      return events;
    },
  };
}

const answerPath = ({ turnId }: Held, callId = "call_0") => `/api/v1/turns/${turnId}/tools/${callId}`;

async function detailOf(response: Response): Promise<[number, string]> {
  return [response.status, ((await response.json()) as { detail: string }).detail];
}

const toolMessages = () => upstream.requests.at(-1)?.body.messages.filter(({ role }) => role === "tool");

describe("a tool that asks the user", () => {
  let ann: Client;

  beforeEach(async () => {
    ann = await (await start()).signIn();
  });

  test("runs after a yes, however long that took, and everybody who follows is told", async () => {
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    // Longer than the tool may take.
    await Bun.sleep(2 * TIMEOUT_MS);
    expect(runs).toEqual([]);
    const response = await ann.post(answerPath(held), { approve: true });
    expect([response.status, await response.json()]).toEqual([200, { approve: true }]);
    const events = await held.end();
    const names = ["thread_id", "tool_call", "approval_asked", "approval_given", "tool_result"];
    expect(events.map(({ event }) => event).slice(0, 5)).toEqual(names);
    expect(events[2]?.data).toMatchObject({ call_id: "call_0", name: "delete_file", timestamp: expect.any(String) });
    expect(events[3]?.data).toMatchObject({ call_id: "call_0", name: "delete_file", approve: true });
    expect(runs).toEqual(["delete a"]);
    expect(textOf(events)).toBe("Done.");
    expect(toolMessages()).toMatchObject([{ content: "a is gone", tool_call_id: "call_0" }]);
    const history = await ann.json<object[]>(`/api/v1/threads/${held.threadId}/messages`);
    expect(history[1]).toMatchObject({ type: "tool", content: "a is gone", approved: true });
  });

  test("does not run after a no, which the model is told", async () => {
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    expect((await ann.post(answerPath(held), { approve: false })).status).toBe(200);
    const events = await held.end();
    expect(runs).toEqual([]);
    const result = events.find(({ event }) => event === "tool_result");
    expect(result?.data.error).toContain("did not allow");
    expect(toolMessages()?.[0]?.content).toContain("did not allow");
    expect(textOf(events)).toBe("Done.");
    const history = await ann.json<object[]>(`/api/v1/threads/${held.threadId}/messages`);
    expect(history[1]).toMatchObject({ approved: false, error: result?.data.error });
  });

  test("takes the same answer again and not the other one, also when the turn is over", async () => {
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    const answers = await Promise.all([1, 2, 3].map(() => ann.post(answerPath(held), { approve: true })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const other = () => ann.post(answerPath(held), { approve: false });
    expect(await detailOf(await other())).toEqual([409, "This call was answered already: it was allowed."]);
    await held.end();
    expect((await ann.post(answerPath(held), { approve: true })).status).toBe(200);
    expect((await other()).status).toBe(409);
    expect(runs).toEqual(["delete a"]);
  });

  test("of a yes and a no at once takes one, and refuses the other", async () => {
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    const answers = await Promise.all([false, true].map((approve) => ann.post(answerPath(held), { approve })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    await held.end();
    expect(runs).toEqual(answers[1]?.status === 200 ? ["delete a"] : []);
  });

  test("does not ask about a call whose arguments do not fit", async () => {
    upstream.script({ parts: toolCall("delete_file", { file: "a" }) });
    const held = await sendAsking(ann, toolCall("delete_file", { path: "b" }));
    const names = held.events.map(({ event }) => event);
    expect(names).toEqual(["thread_id", "tool_call", "tool_result", "tool_call", "approval_asked"]);
    expect(held.events[2]?.data.error).toContain("do not fit");
    await ann.fetch(`/api/v1/turns/${held.turnId}`, { method: "DELETE" });
  });

  test("runs nothing when the turn is stopped, which ends the call at once", async () => {
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    expect((await ann.fetch(`/api/v1/turns/${held.turnId}`, { method: "DELETE" })).status).toBe(200);
    const events = await held.end();
    expect(events.slice(-2)).toMatchObject([
      { event: "tool_result", data: { call_id: "call_0", error: expect.stringContaining("othing was run") } },
      { event: "stream_end", data: { reason: "stopped" } },
    ]);
    const late = await detailOf(await ann.post(answerPath(held), { approve: true }));
    expect(late).toEqual([409, "This call does not wait any more, because its turn has ended."]);
    expect(runs).toEqual([]);
  });

  test("does not keep the calls beside it from running, and each is answered by itself", async () => {
    const held = await sendAsking(
      ann,
      toolCall("delete_file", { path: "a" }, { index: 0 }),
      toolCall("hide_file", { path: "b" }, { index: 1 }),
      toolCall("delete_file", { path: "c" }, { index: 2 }),
    );
    await held.until("approval_asked", 2);
    await held.until("tool_result");
    expect(runs).toEqual(["hide b"]);
    await ann.post(answerPath(held, "call_2"), { approve: true });
    await held.until("tool_result", 2);
    await ann.post(answerPath(held, "call_0"), { approve: false });
    await held.end();
    expect(runs).toEqual(["hide b", "delete c"]);
    expect(toolMessages()?.map(({ content }) => content)).toEqual([
      expect.stringContaining("did not allow"),
      "b is gone",
      "c is gone",
    ]);
  });

  test("is asked about once for each call, also when an endpoint gives each step the same ids", async () => {
    upstream.script({ parts: toolCall("delete_file", { path: "a" }) });
    const reader = readTurn(await ann.post("/api/v1/message", { content: "Clean up" }));
    upstream.script({ parts: toolCall("delete_file", { path: "b" }) }, reply("Done."));
    const ids: string[] = [];
    let turnId = "";
    for await (const { event, data } of reader) {
      turnId ||= data.turn_id ?? "";
      if (event !== "approval_asked") continue;
      ids.push(String(data.call_id));
      // The answer to the first must not count for the second, however often it is sent.
      const first = await ann.post(`/api/v1/turns/${turnId}/tools/${ids[0]}`, { approve: true });
      expect(first.status).toBe(200);
      if (ids.length === 2) {
        expect(runs).toEqual(["delete a"]);
        await ann.post(`/api/v1/turns/${turnId}/tools/${ids[1]}`, { approve: false });
      }
    }
    expect(new Set(ids).size).toBe(2);
    expect(runs).toEqual(["delete a"]);
  });

  test("is answered by its own user alone; for others there is nothing, and a call that does not wait is refused", async () => {
    const server = await start();
    const [owner, bob] = [await server.signIn(), await server.signIn("bob")];
    const held = await sendAsking(owner, toolCall("hide_file", { path: "b" }, { index: 1 }), [
      ...toolCall("delete_file", { path: "a" }),
    ]);
    const [foreign, missing] = await Promise.all(
      [answerPath(held), "/api/v1/turns/nowhere/tools/call_0"].map((path) => bob.post(path, { approve: true })),
    );
    expect([foreign?.status, await foreign?.text()]).toEqual([404, await missing?.text()]);
    expect((await owner.post(answerPath(held, "no_such"), { approve: true })).status).toBe(404);
    const other = await detailOf(await owner.post(answerPath(held, "call_1"), { approve: true }));
    expect(other).toEqual([409, "This call does not wait for an answer."]);
    expect((await owner.post(answerPath(held), { approve: "yes" })).status).toBe(422);
    expect(runs).toEqual(["hide b"]);
  });

  test("tells those who listen to what happens elsewhere", async () => {
    const live = readSse(await ann.fetch("/api/v1/live"));
    const facts: { event: string; data: Record<string, string> }[] = [];
    const until = async (name: string): Promise<void> => {
      while (facts.at(-1)?.event !== name) facts.push(JSON.parse((await live.next()).value?.data ?? "{}"));
    };
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    await until("approval_asked");
    const { turnId, threadId } = held;
    expect(facts.at(-1)?.data).toMatchObject({ call_id: "call_0", turn_id: turnId, thread_id: threadId });
    await ann.post(answerPath(held), { approve: true });
    await until("approval_given");
    expect(facts.at(-1)?.data).toMatchObject({ call_id: "call_0", turn_id: turnId, thread_id: threadId });
    await live.return(undefined);
  });

  test("is told to a follower who comes late, and to one who comes when all is over", async () => {
    const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
    const late = readTurn(await ann.fetch(`/api/v1/turns/${held.turnId}/events`));
    const seen: string[] = [];
    while (seen.at(-1) !== "approval_asked") seen.push((await late.next()).value?.event ?? "");
    await ann.post(answerPath(held), { approve: true });
    const rest = await Array.fromAsync(late);
    expect([...seen, ...rest.map(({ event }) => event)]).toEqual((await held.end()).map(({ event }) => event));
    const after = await Array.fromAsync(readTurn(await ann.fetch(`/api/v1/turns/${held.turnId}/events?after=3`)));
    expect(after.map(({ event }) => event).slice(0, 2)).toEqual(["approval_given", "tool_result"]);
  });
});

describe("an answer through another process", () => {
  test("counts, when a bus joins the two", async () => {
    const dataPath = temporaryFolder();
    const plugins = [sharedBus()];
    const [one, two] = [await start({ dataPath, plugins }), await start({ dataPath, plugins })];
    const [here, there] = [await one.signIn(), await two.signIn()];
    const held = await sendAsking(here, toolCall("delete_file", { path: "a" }));
    expect((await there.post(answerPath(held), { approve: true })).status).toBe(200);
    expect((await here.post(answerPath(held), { approve: true })).status).toBe(200);
    expect((await there.post(answerPath(held), { approve: false })).status).toBe(409);
    await held.end();
    expect(runs).toEqual(["delete a"]);
  });

  test("is refused with 503 when the one that runs the turn cannot be reached", async () => {
    const dataPath = temporaryFolder();
    // A bus of its own for each joins nobody.
    const alone = async () => (await start({ dataPath, plugins: [sharedBus()] })).signIn();
    const [here, there] = [await alone(), await alone()];
    const held = await sendAsking(here, toolCall("delete_file", { path: "a" }));
    expect((await there.post(answerPath(held), { approve: true })).status).toBe(503);
    expect(runs).toEqual([]);
    await here.post(answerPath(held), { approve: true });
    await held.end();
    expect((await there.post(answerPath(held), { approve: true })).status).toBe(200);
  }, 15_000);
});

test("who hears that a call waits finds it waiting, however long the store takes to keep the question", async () => {
  const slow: Plugin = {
    name: "slow-store",
    provide: {
      store: (_core, base) => ({
        ...base,
        async collectionAppend(...args) {
          await Bun.sleep(30); // A disk that is busy.
          return base.collectionAppend(...args);
        },
      }),
    },
  };
  const { core, signIn } = await start({ plugins: [slow] });
  const waiting: number[] = [];
  const user = { username: "ann", role: "admin" } as const;
  const found = Promise.withResolvers<void>();
  await core.bus.subscribe("user:ann", async (fact) => {
    const { type, threadId } = fact as { readonly type: string; readonly threadId: string };
    if (type !== "approval-asked") return;
    waiting.push((await core.turns.live(user, threadId))?.waiting.length ?? 0);
    found.resolve();
  });
  const ann = await signIn();
  const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
  await found.promise;
  expect(waiting).toEqual([1]);
  await ann.post(answerPath(held), { approve: false });
  await held.end();
});

test("an answer that cannot be saved runs nothing", async () => {
  let isBroken = false;
  const ann = await (await start({ plugins: [failingStore((store) => isBroken && store === "turns")] })).signIn();
  const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }));
  isBroken = true;
  expect((await ann.post(answerPath(held), { approve: true })).status).toBe(503);
  isBroken = false;
  const events = await held.end();
  expect(events.find(({ event }) => event === "tool_result")?.data.error).toContain("could not be saved");
  expect(runs).toEqual([]);
}, 15_000);

test("a server that ends does not wait for an answer, but for a tool that runs beside the question", async () => {
  const running = Promise.withResolvers<void>();
  const waits: Tool = {
    name: "walk",
    description: "",
    parameters: Type.Object({}),
    async execute() {
      await running.promise;
      return "walked";
    },
  };
  const server = await start({ plugins: [{ name: "walking", tools: [waits] }] });
  const ann = await server.signIn();
  const walk = toolCall("walk", {}, { index: 1, id: "call_1" });
  const held = await sendAsking(ann, toolCall("delete_file", { path: "a" }), walk);
  const graceMs = 60_000;
  const shutdown = server.core.turns.shutdown(graceMs);
  // More looks than one of the engine: the walk is still on, so the turn is.
  await Bun.sleep(200);
  expect(await server.core.turns.get({ username: "ann", role: "admin" }, held.turnId)).toMatchObject({
    status: "running",
  });
  running.resolve();
  await shutdown;
  const events = await held.end();
  const results = events.filter(({ event }) => event === "tool_result").map(({ data }) => [data.call_id, data.result]);
  expect(results).toEqual([
    ["call_1", "walked"],
    ["call_0", undefined],
  ]);
  expect(events.at(-1)?.data.message).toContain("Continue");
  expect(runs).toEqual([]);
  expect(await server.core.turns.get({ username: "ann", role: "admin" }, held.turnId)).toMatchObject({
    status: "interrupted",
  });
}, 15_000);
