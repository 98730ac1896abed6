import { beforeEach, describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import type { Core, Json, NumberedEvent, Plugin, TurnEvent, TurnInfo, User } from "../../src/protocols";
import { lengthOf } from "../../src/turn/event-log";
import { createLeases, type Lease, releaseLease } from "../../src/turn/lease";
import { addTurn, endTurn, takeTurn } from "../../src/turn/records";
import { recoverTurn } from "../../src/turn/recover";
import { temporaryFolder } from "../support/temporary";
import { failingStore, startCore } from "../support/test-core";
import { until } from "../support/until";

const ANN: User = { username: "ann", role: "user" };
const TURN = "turn-of-the-dead";

const SAVED: readonly TurnEvent[] = [
  { type: "start", threadId: "", turnId: TURN },
  { type: "text", text: "I look." },
  { type: "toolCall", callId: "a", name: "look", arguments: "{}" },
  { type: "toolResult", callId: "a", name: "look", result: "seen" },
  { type: "step", model: "m", usage: null },
  { type: "thinking", text: "Hm." },
  { type: "text", text: "Half of" },
  { type: "toolCall", callId: "b", name: "look", arguments: "{}" },
];

const oneWord: Core["model"] = {
  list: async () => ["m"],
  async *stream() {
    yield { type: "text", text: "Done." };
    yield { type: "finish", reason: "stop" };
  },
};

/** What a process leaves that is killed in a turn, as another one finds it. */
async function leave(core: Core, process: { host?: string; pid: number } | null): Promise<string> {
  const { store, thread } = core;
  const { id: threadId } = await thread.create("ann", { title: "Left" });
  const question = { parentId: null, role: "user", type: "text", content: "Look", turnId: TURN, step: 0 } as const;
  const { id: parentId } = await thread.append("ann", threadId, question);
  const info = { id: TURN, threadId, parentId, status: "running", model: "m", systemPrompt: "default" } as const;
  await addTurn(core, "ann", { ...info, parameters: {}, started: "", error: null, usage: null } satisfies TurnInfo);
  let seq = 0;
  const events = SAVED.map((event): NumberedEvent => {
    seq += lengthOf(event);
    return { seq, timestamp: "2026-01-01T00:00:00.000Z", event };
  });
  await store.collectionAppend("ann", "turns", TURN, "log", events as unknown as Json[]);
  // The parts of the first step were added when it ended.
  const reply = { threadId, turnId: TURN, step: 1, model: "m" };
  await thread.append("ann", threadId, {
    ...reply,
    id: `${TURN}-1`,
    parentId,
    role: "assistant",
    type: "text",
    content: "I look.",
  });
  const call = { callId: "a", name: "look", arguments: "{}", durationMs: 1 };
  await thread.append("ann", threadId, {
    ...reply,
    ...call,
    id: `${TURN}-8`,
    parentId: `${TURN}-1`,
    role: "tool",
    type: "tool",
    content: "seen",
  });
  await store.add(null, "turn_claims", { username: "ann", turn_id: TURN, process_id: "dead", epoch: 0 }, threadId);
  if (process) await store.add(null, "processes", { host: hostname(), heartbeat: 1, ...process }, "dead");
  return threadId;
}

async function eventsAfter(core: Core, after: number): Promise<NumberedEvent[]> {
  const batches = await core.turns.follow(ANN, TURN, after, new AbortController().signal);
  return (await Array.fromAsync(batches ?? [])).flat();
}

async function expectRecovered(core: Core, threadId: string): Promise<void> {
  const messages = await core.thread.messages("ann", threadId);
  expect(messages.map(({ role, content, error, cut }) => [role, content, error !== undefined, cut])).toEqual([
    ["user", "Look", false, undefined],
    ["assistant", "I look.", false, undefined],
    ["tool", "seen", false, undefined],
    ["thinking", "Hm.", false, undefined],
    ["assistant", "Half of", false, undefined],
    ["tool", "", true, "interrupted"],
  ]);
  const turn = await core.turns.get(ANN, TURN);
  expect(turn).toMatchObject({ status: "interrupted", error: expect.stringContaining("Continue") });
  expect(await core.store.get(null, "turn_claims", threadId)).toBeNull();
  const events = await eventsAfter(core, 0);
  expect(events.slice(SAVED.length).map(({ event }) => event.type)).toEqual(["toolResult", "error"]);
  // Whatever was shown is saved, so the numbers go on from there.
  const last = events[SAVED.length - 1]?.seq ?? 0;
  expect(events.slice(SAVED.length).map(({ seq }) => seq - last)).toEqual([1, 2]);
  expect((await eventsAfter(core, last)).map(({ event }) => event.type)).toEqual(["toolResult", "error"]);
  const context = await core.context.get("ann", threadId);
  expect(context.filter(({ role }) => role === "tool").map(({ callId }) => callId)).toEqual(["a", "b"]);
}

describe("a turn whose process died", () => {
  let dataPath: string;

  beforeEach(() => {
    dataPath = temporaryFolder();
  });

  const deadPid = async (): Promise<number> => {
    const child = Bun.spawn(["true"]);
    await child.exited;
    return child.pid;
  };

  test("is kept as interrupted at the next start", async () => {
    const threadId = await leave(await startCore({ dataPath }), { pid: await deadPid() });
    await expectRecovered(await startCore({ dataPath }), threadId);
  });

  test("is found although the next start has the same process id, as in a container", async () => {
    const threadId = await leave(await startCore({ dataPath }), { pid: process.pid });
    await expectRecovered(await startCore({ dataPath }), threadId);
  });

  test("is found although the process left no record of itself", async () => {
    const threadId = await leave(await startCore({ dataPath }), null);
    await expectRecovered(await startCore({ dataPath }), threadId);
  });

  test("is found by the key of its send, or leaves the key to another, whichever write was its last", async () => {
    const model: Plugin = { name: "one-word", provide: { model: () => ({ ...oneWord }) } };
    for (let writes = 0; ; writes++) {
      let left = Number.POSITIVE_INFINITY;
      const path = temporaryFolder();
      const dying = failingStore(
        (store) => ["messages", "threads", "turns", "turn_claims"].includes(store) && left-- <= 0,
      );
      const first = await startCore({ dataPath: path, plugins: [dying, model], logged: [] });
      const { id: threadId } = await first.thread.create("ann", { title: "Sent" });
      const request = { content: "Go", threadId, key: "k" };
      left = writes;
      await first.turns.start(ANN, request).catch(() => {});
      const hasDied = () => left < 0;
      await until(async () => hasDied() || (await first.turns.running(ANN)).length === 0);
      const second = await startCore({ dataPath: path, plugins: [model] });
      const lease = await second.store.get(null, "turn_claims", threadId);
      if (lease)
        await recoverTurn(second, { ...lease, username: "ann", threadId, epoch: 0, turnId: `${lease.turn_id}` });
      const turn = await second.turns.start(ANN, request);
      await until(async () => (await second.turns.running(ANN)).length === 0);
      const messages = await second.thread.messages("ann", threadId);
      expect(messages.filter(({ role }) => role === "user").map(({ id, content }) => [id, content])).toEqual([
        [turn.parentId, "Go"],
      ]);
      expect((await second.turns.list(ANN, threadId)).map(({ id }) => id)).toEqual([turn.id]);
      if (!hasDied()) return expect(writes).toBeGreaterThan(8);
    }
  });

  test("before its question was stored is forgotten, and leaves its thread to others", async () => {
    const core = await startCore({ dataPath });
    const { id: threadId } = await core.thread.create("ann", { title: "Left" });
    const info = {
      id: TURN,
      threadId,
      parentId: "nowhere",
      status: "running",
      model: "m",
      systemPrompt: "default",
    } as const;
    await addTurn(core, "ann", { ...info, parameters: {}, started: "", error: null, usage: null });
    await core.store.add(
      null,
      "turn_claims",
      { username: "ann", turn_id: TURN, process_id: "dead", epoch: 0 },
      threadId,
    );
    const next = await startCore({ dataPath });
    expect(await next.turns.list(ANN, threadId)).toEqual([]);
    expect(await next.turns.running(ANN)).toEqual([]);
    expect(await next.thread.messages("ann", threadId)).toEqual([]);
  });

  test("of an earlier version, which left out numbers at a crash, is told whole; a cursor among those numbers begins again", async () => {
    const core = await startCore({ dataPath });
    const threadId = await leave(core, null);
    const saved = await core.store.collectionGet("ann", "turns", TURN, "log");
    const seq = (saved.at(-1) as unknown as NumberedEvent).seq;
    const error = { seq: seq + 1_000_001, timestamp: "", event: { type: "error", message: "Went down." } };
    await core.store.collectionAppend("ann", "turns", TURN, "log", [error]);
    await recoverTurn(core, { username: "ann", threadId, turnId: TURN, epoch: 0 });
    const types = async (after: number) => (await eventsAfter(core, after)).map(({ event }) => event.type);
    expect(await types(0)).toEqual([...SAVED.map(({ type }) => type), "error"]);
    expect(await types(seq)).toEqual(["error"]);
    expect((await types(seq + 5)).slice(0, 2)).toEqual(["reset", "start"]);
    expect(await types(seq + 1_000_000)).toEqual(["error"]);
  });

  test("is left alone while its process may live: on another machine, or with a running pid", async () => {
    for (const owner of [{ host: "elsewhere", pid: 1 }, { pid: process.ppid }]) {
      const path = temporaryFolder();
      await leave(await startCore({ dataPath: path }), owner);
      const core = await startCore({ dataPath: path });
      expect((await core.turns.get(ANN, TURN))?.status).toBe("running");
    }
  });

  test("is recovered the same when the recovery itself is interrupted after any write", async () => {
    for (let writes = 0; ; writes++) {
      let left = Number.POSITIVE_INFINITY;
      const path = temporaryFolder();
      const logged: string[] = [];
      const failing = failingStore(
        (store) => ["messages", "threads", "turns", "turn_claims"].includes(store) && left-- <= 0,
      );
      const core = await startCore({ dataPath: path, plugins: [failing], logged });
      const threadId = await leave(core, { pid: await deadPid() });
      left = writes;
      const hasFailed = await recoverTurn(core, { username: "ann", threadId, turnId: TURN, epoch: 0 }).then(
        () => false,
        () => true,
      );
      left = Number.POSITIVE_INFINITY;
      await recoverTurn(core, { username: "ann", threadId, turnId: TURN, epoch: 0 });
      await expectRecovered(core, threadId);
      if (!hasFailed) {
        expect(writes).toBeGreaterThan(5);
        return;
      }
    }
  });

  test("is left to whoever took it last, by one that stood still while it recovered it", async () => {
    const core = await startCore({ dataPath });
    const threadId = await leave(core, { pid: await deadPid() });
    const [late, last] = [1, 2].map((epoch) => ({ username: "ann", threadId, turnId: TURN, epoch })) as [Lease, Lease];
    await core.store.update(null, "turn_claims", threadId, { epoch: last.epoch });
    expect(await takeTurn(core, last)).toBe(true);
    const before = await core.thread.tree("ann", threadId);
    await recoverTurn(core, late);
    expect(await core.turns.get(ANN, TURN)).toMatchObject({ status: "running" });
    expect(await core.thread.tree("ann", threadId)).toEqual(before);
    expect(await endTurn(core, late, { status: "done", error: null, usage: null })).toBe(false);
    await releaseLease(core, late);
    expect(await core.store.get(null, "turn_claims", threadId)).not.toBeNull();
    await recoverTurn(core, last);
    await expectRecovered(core, threadId);
  });

  test("that cannot be recovered now keeps neither the server from starting nor the others from being recovered", async () => {
    const threadId = await leave(await startCore({ dataPath }), { pid: await deadPid() });
    let isBroken = true;
    const logged: string[] = [];
    const core = await startCore({
      dataPath,
      plugins: [failingStore((store) => isBroken && store === "turns")],
      logged,
    });
    expect(logged.join("\n")).toContain("could not be ended; trying again");
    isBroken = false;
    const leases = createLeases(core);
    leases.abandon({ username: "ann", threadId, turnId: TURN, epoch: 1 });
    await leases.start({ takeOver: (lease) => recoverTurn(core, lease), running: () => [], lose: () => {} });
    await leases.stop();
    await expectRecovered(core, threadId);
  });
});
