import { expect, test } from "bun:test";
import type { Core, Json, NumberedEvent, Plugin, TurnEvent, TurnInfo } from "../../src/protocols";
import { createEventLog, turnTopic } from "../../src/turn/event-log";
import { createFollowers, type Followers } from "../../src/turn/follow";
import { addTurn, endTurn } from "../../src/turn/records";
import { createRandom } from "../support/random";
import { temporaryFolder } from "../support/temporary";
import { sharedBus, startCore } from "../support/test-core";

async function begin(core: Core, threadId = "thread"): Promise<TurnInfo> {
  const fields = { threadId, parentId: "question", status: "running", model: "m", systemPrompt: "default" } as const;
  const info = { id: Bun.randomUUIDv7(), ...fields, parameters: {}, started: "", error: null, usage: null };
  await addTurn(core, "ann", info);
  return info;
}

interface Ear {
  readonly events: NumberedEvent[];
  readonly over: Promise<Error | undefined>;
  /** What somebody has read who begins again at a reset. */
  text(): string;
  until(has: () => boolean): Promise<void>;
}

const followersOf = new WeakMap<Core, Followers>();

async function hear(core: Core, turn: TurnInfo, after = 0): Promise<Ear> {
  const events: NumberedEvent[] = [];
  const over = Promise.withResolvers<Error | undefined>();
  let wake = () => {};
  const take = (more: readonly NumberedEvent[]) => {
    events.push(...more);
    wake();
  };
  const followers = followersOf.get(core) ?? createFollowers(core, () => null);
  followersOf.set(core, followers);
  await followers.listen("ann", turn, after, { take, end: over.resolve });
  const text = () => {
    const from = events.findLastIndex(({ event }) => event.type === "reset") + 1;
    return events
      .slice(from)
      .map(({ event }) => (event.type === "text" ? event.text : ""))
      .join("");
  };
  const until = async (has: () => boolean) => {
    while (!has())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { events, over: over.promise, text, until };
}

/** Counts how often items of a collection are read. */
function countingStore() {
  let reads = 0;
  const plugin: Plugin = {
    name: "counting",
    provide: {
      store: (_core, base) => ({
        ...base,
        collectionGet: (...args) => {
          reads++;
          return base.collectionGet(...args);
        },
      }),
    },
  };
  return { plugin, reads: () => reads };
}

const SILENT = { take: () => {}, lose: () => {} };

test("who begins to follow while the end is being kept hears of it when the thread is free, and not before", async () => {
  const core = await startCore();
  const turn = await begin(core);
  const claim = { username: "ann", turn_id: turn.id, process_id: "this" };
  await core.store.add(null, "turn_claims", claim, turn.threadId);
  const log = createEventLog(core, { username: "ann", turnId: turn.id, epoch: 0 }, SILENT);
  log.push({ type: "text", text: "All." });
  await log.saveLast({ type: "end", reason: "stop", usage: null });
  const ear = await hear(core, turn);
  await ear.until(() => ear.text() === "All.");
  expect(ear.events.map(({ event }) => event.type)).toEqual(["text"]);
  await endTurn(core, { username: "ann", turnId: turn.id, epoch: 0 }, { status: "done", error: null, usage: null });
  await core.store.delete(null, "turn_claims", turn.threadId);
  await log.publishLast();
  expect(await ear.over).toBeUndefined();
  expect(ear.events.map(({ event }) => event.type)).toEqual(["text", "end"]);
});

test("of two who ask at once, one who knows that the turn has ended is told its end although the thread is not free yet", async () => {
  const core = await startCore();
  const turn = await begin(core);
  const owned = { username: "ann", turnId: turn.id, epoch: 0 };
  const claim = { username: "ann", turn_id: turn.id, process_id: "this", epoch: 0 };
  await core.store.add(null, "turn_claims", claim, turn.threadId);
  await createEventLog(core, owned, SILENT).saveLast({ type: "end", reason: "stop", usage: null });
  await endTurn(core, owned, { status: "done", error: null, usage: null });
  const [, , ear] = await Promise.all([hear(core, turn), hear(core, turn), hear(core, { ...turn, status: "done" })]);
  expect(await ear.over).toBeUndefined();
  expect(ear.events.map(({ event }) => event.type)).toEqual(["end"]);
});

test("nothing more is asked of the store for one who was told the end, though its owner is gone", async () => {
  const counting = countingStore();
  const core = await startCore({ plugins: [counting.plugin] });
  const turn = await begin(core);
  const owned = { username: "ann", turnId: turn.id, epoch: 0 };
  await createEventLog(core, owned, SILENT).saveLast({ type: "end", reason: "stop", usage: null });
  await endTurn(core, owned, { status: "done", error: null, usage: null });
  // It was known as running when this one asked for it.
  const ear = await hear(core, turn);
  await ear.over;
  const before = counting.reads();
  await Bun.sleep(1300); // Longer than the pause between two looks.
  expect(counting.reads()).toBe(before);
});

test("what comes before a bus has said that it listens is passed on", async () => {
  let early: Json = [];
  const quick: Plugin = {
    name: "quick",
    provide: {
      bus: (_core, base) => ({
        ...base,
        async subscribe(topic, handler) {
          const end = await base.subscribe(topic, handler);
          handler(early);
          await new Promise(setImmediate);
          return end;
        },
      }),
    },
  };
  const core = await startCore({ plugins: [quick] });
  const turn = await begin(core);
  early = [{ seq: 2, timestamp: "", event: { type: "text", text: "hi" } }];
  const ear = await hear(core, turn);
  await ear.until(() => ear.events.length > 0);
  expect(ear.text()).toBe("hi");
});

test("a follower at a process that stood still is told what another one, which has the turn by now, saved of it", async () => {
  const core = await startCore();
  const turn = await begin(core);
  const owned = { username: "ann", turnId: turn.id, epoch: 0 };
  const log = createEventLog(core, owned, SILENT);
  log.push({ type: "text", text: "Here." });
  await log.save();
  // This process does not know yet that it has lost the turn.
  const followers = createFollowers(core, () => log.shown());
  const [text, notice, error] = [
    { seq: 5, timestamp: "", event: { type: "text", text: "Here." } },
    { seq: 6, timestamp: "", event: { type: "notice", text: "There." } },
    { seq: 7, timestamp: "", event: { type: "error", message: "Went down." } },
  ] as const;
  const told: NumberedEvent[] = [];
  const over = Promise.withResolvers<unknown>();
  await followers.listen("ann", turn, 0, { take: (events) => void told.push(...events), end: over.resolve });
  await core.store.collectionAppend("ann", "turns", turn.id, "log", [notice, error]);
  await core.bus.publish(turnTopic(turn.id), [error]);
  await over.promise;
  expect(told.map(({ seq, event }) => [seq, event])).toEqual(
    [text, notice, error].map(({ seq, event }) => [seq, event]),
  );
});

test("what is heard while a store does not answer is bounded", async () => {
  const stuck = Promise.withResolvers<never>();
  const plugin: Plugin = {
    name: "stuck",
    provide: { store: (_core, base) => ({ ...base, collectionGet: () => stuck.promise }) },
  };
  const core = await startCore({ plugins: [plugin] });
  const turn = await begin(core);
  const ear = await hear(core, turn);
  let isOver = false;
  void ear.over.then(() => {
    isOver = true;
  });
  const text = "x".repeat(100_000);
  let count = 0;
  for (let seq = text.length; !isOver; seq += text.length, count++) {
    await core.bus.publish(turnTopic(turn.id), [{ seq, timestamp: "", event: { type: "text", text } }]);
    if (count > 20) throw new Error("Everything is kept.");
  }
  expect(count).toBeGreaterThan(5);
});

test("ten thousand who begin to follow at once are told all, and cost the store a few reads", async () => {
  const counting = countingStore();
  const core = await startCore({ plugins: [counting.plugin] });
  const turn = await begin(core);
  const log = createEventLog(core, { username: "ann", turnId: turn.id, epoch: 0 }, SILENT);
  log.push({ type: "text", text: "Before. " });
  const ears = await Promise.all(Array.from({ length: 10_000 }, () => hear(core, turn)));
  log.push({ type: "text", text: "After." });
  await log.saveLast({ type: "end", reason: "stop", usage: null });
  await endTurn(core, { username: "ann", turnId: turn.id, epoch: 0 }, { status: "done", error: null, usage: null });
  await log.publishLast();
  await Promise.all(ears.map(({ over }) => over));
  expect(new Set(ears.map((ear) => ear.text()))).toEqual(new Set(["Before. After."]));
  expect(counting.reads()).toBeLessThan(10);
}, 20_000);

test("a follower at another server on the same file has the same text, with or without a bus between the two", async () => {
  for (const hasBus of [true, false]) {
    const dataPath = temporaryFolder();
    const joint = sharedBus();
    // A bus of its own for each joins nobody.
    const start = () => startCore({ dataPath, plugins: [hasBus ? joint : sharedBus()] });
    const [writer, reader] = [await start(), await start()];
    await Promise.all(Array.from({ length: 4 }, (_, n) => runAcross(writer, reader, n + (hasBus ? 0 : 100))));
  }
}, 60_000);

/** Random pushes here; followers there that leave and come back; longer than the store's items take to move to their place. */
async function runAcross(writer: Core, reader: Core, seed: number): Promise<void> {
  const random = createRandom(seed);
  const turn = await begin(writer);
  const log = createEventLog(writer, { username: "ann", turnId: turn.id, epoch: 0 }, SILENT);
  let pushed = "";
  const push = () => {
    const text = `${pushed.length}😀 `;
    pushed += text;
    log.push({ type: "text", text } satisfies TurnEvent);
  };
  const followers: Promise<string>[] = [];
  const endsMs = performance.now() + 3000;
  while (performance.now() < endsMs) {
    for (let n = random.integer(1, 20); n > 0; n--) push();
    if (random.chance(0.3)) followers.push(comeBack(reader, turn.id, random.integer(1, 400)));
    await Bun.sleep(random.integer(0, 150));
  }
  await log.saveLast({ type: "end", reason: "stop", usage: null });
  await endTurn(writer, { username: "ann", turnId: turn.id, epoch: 0 }, { status: "done", error: null, usage: null });
  await log.publishLast();
  for (const text of await Promise.all(followers)) expect(text).toBe(pushed);
}

/** Reads for a while, leaves, and goes on with the position of what it has, until the end. */
async function comeBack(core: Core, turnId: string, staysMs: number): Promise<string> {
  let text = "";
  let position = 0;
  for (;;) {
    const gone = AbortSignal.timeout(staysMs * 3);
    for await (const batch of (await core.turns.follow({ username: "ann", role: "user" }, turnId, position, gone)) ??
      []) {
      for (const { seq, event } of batch) {
        if (event.type === "reset") text = "";
        if (event.type === "text") text += event.text;
        position = event.type === "reset" ? 0 : seq;
        if (event.type === "end") return text;
      }
    }
  }
}
