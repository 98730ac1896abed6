import { describe, expect, test } from "bun:test";
import type { BusProtocol, Core, NumberedEvent, Plugin, StoreProtocol, TurnEvent, TurnInfo } from "../../src/protocols";
import { canContinue, createEventLog, eventsAfter, joinText, lengthOf, readEvents } from "../../src/turn/event-log";
import { createFollowers } from "../../src/turn/follow";
import { addTurn, endTurn } from "../../src/turn/records";
import { createReplyParts } from "../../src/turn/reply-parts";
import { createRandom, type Random } from "../support/random";
import { sharedBus, startCore } from "../support/test-core";
import { until } from "../support/until";

const ROUNDS = 12;
const SILENT = { take: () => {}, lose: () => {} };

describe("the events of a turn", () => {
  test("are the same for every follower, whenever it joins, drops and comes back", async () => {
    const core = await startCore();
    for (let seed = 1; seed <= ROUNDS; seed++) await runRound(core, createRandom(seed));
  });

  test("are the same over a bus that is late", async () => {
    const core = await startCore({ plugins: [sharedBus()] });
    for (let seed = 100; seed < 100 + ROUNDS; seed++) await runRound(core, createRandom(seed));
  });

  test("are the same over a bus that loses messages, because holes are filled from the store", async () => {
    const random = createRandom(5);
    const core = await startCore({ plugins: [lossy(() => random.chance(0.4))] });
    for (let seed = 200; seed < 200 + ROUNDS; seed++) await runRound(core, createRandom(seed));
  });

  test("fold into the same parts whether they come one by one or joined", async () => {
    const random = createRandom(11);
    for (let round = 0; round < 50; round++) {
      let seq = 0;
      const events = Array.from({ length: 40 }, (_, n): NumberedEvent => {
        const event = randomEvent(random, n);
        seq += event.type === "text" || event.type === "thinking" ? event.text.length : 1;
        return { seq, timestamp: "2026-01-01T00:00:00.000Z", event };
      });
      const [single, joined] = [events, joinText(events)].map((list) => {
        const parts = createReplyParts({ id: "t", threadId: "th", parentId: "p", model: "m" });
        list.forEach(parts.add);
        return parts.take("m");
      });
      expect(single).toEqual(joined as NonNullable<typeof joined>);
    }
  });
});

async function runRound(core: Core, random: Random): Promise<void> {
  const id = Bun.randomUUIDv7();
  const info: TurnInfo = {
    id,
    threadId: "thread",
    parentId: "question",
    status: "running",
    model: "m",
    systemPrompt: "default",
    parameters: {},
    started: "",
    error: null,
    usage: null,
  };
  await addTurn(core, "ann", info);
  const taken: NumberedEvent[] = [];
  const take = (events: readonly NumberedEvent[]) => void taken.push(...events);
  const log = createEventLog(core, { username: "ann", turnId: id, epoch: 0 }, { take, lose: () => {} });
  const pushed: TurnEvent[] = [];
  const followers: Promise<NumberedEvent[]>[] = [];
  for (let n = 0; n < 80; n++) {
    const event = randomEvent(random, n);
    pushed.push(event);
    log.push(event);
    // In the process that runs the turn, or in another one.
    const shownHere = random.chance(0.5) ? log.shown : () => null;
    if (random.chance(0.1)) followers.push(followAll(core, info, random, shownHere));
    if (random.chance(0.3)) await new Promise(setImmediate);
    if (random.chance(0.1)) await log.save();
  }
  await log.saveLast({ type: "end", reason: "stop", usage: null });
  await endTurn(core, { username: "ann", turnId: id, epoch: 0 }, { status: "done", error: null, usage: null });
  await log.publishLast();
  const late = await followAll(core, { ...info, status: "done" }, random, () => null);
  const saved = await readEvents(core, "ann", id);
  expect(shape(saved).slice(0, -1)).toEqual(shape(numbered(pushed)));
  expect(shape(taken)).toEqual(shape(saved));
  expect(shape(log.shown() ?? [])).toEqual(shape(saved));
  for (const heard of [late, ...(await Promise.all(followers))]) expect(shape(heard)).toEqual(shape(saved));
}

/** Follows from the start, leaves at random moments, and comes back with what it has, now and then in the middle of a text. */
async function followAll(
  core: Core,
  info: TurnInfo,
  random: Random,
  shownHere: () => readonly NumberedEvent[] | null,
): Promise<NumberedEvent[]> {
  const heard: NumberedEvent[] = [];
  for (;;) {
    const batches = createFollowers(core, shownHere).follow(
      "ann",
      info,
      heard.at(-1)?.seq ?? 0,
      new AbortController().signal,
    );
    for await (const batch of batches) {
      expect(batch.some(({ event }) => event.type === "reset")).toBe(false);
      heard.push(...batch);
      if (heard.at(-1)?.event.type !== "end" && random.chance(0.4)) break;
    }
    if (heard.at(-1)?.event.type === "end") return heard;
    cutLast(heard, random);
  }
}

function cutLast(heard: NumberedEvent[], random: Random): void {
  const last = heard.at(-1);
  if (last?.event.type !== "text" || last.event.text.length < 2 || random.chance(0.5)) return;
  const lost = random.integer(1, last.event.text.length - 1);
  const text = last.event.text.slice(0, -lost);
  heard.splice(-1, 1, { ...last, seq: last.seq - lost, event: { type: "text", text } });
}

function shape(events: readonly NumberedEvent[]): unknown[] {
  return joinText(events).map(({ seq, event }) => [seq, event]);
}

function randomEvent(random: Random, n: number): TurnEvent {
  const kind = random.integer(0, 9);
  if (kind < 6) return { type: "text", text: `${n}😀`.repeat(random.integer(1, 20)) };
  if (kind < 8) return { type: "thinking", text: `(${n})` };
  if (kind === 8) return { type: "toolCall", callId: `call_${n}`, name: "tool", arguments: "{}" };
  return { type: "notice", text: `Notice ${n}` };
}

/** Loses events of turns; questions, answers and the last event arrive, as on a connection that comes back. */
function lossy(isLost: () => boolean): Plugin {
  const wrap = (base: BusProtocol): BusProtocol => ({
    ...base,
    async publish(topic, message) {
      const isLast = JSON.stringify(message).includes('"type":"end"');
      if (!/^turn:[\w-]+$/.test(topic) || isLast || !isLost()) await base.publish(topic, message);
    },
  });
  return { name: "lossy-bus", provide: { bus: (_core, base) => wrap(base) } };
}

test("the events of a long turn are read without holding up others", async () => {
  const core = await startCore();
  const owned = { username: "ann", turnId: "long", epoch: 0 };
  const fields = { threadId: "thread", parentId: "question", status: "running", model: "m", systemPrompt: "default" };
  await addTurn(core, "ann", {
    id: "long",
    ...fields,
    parameters: {},
    started: "",
    error: null,
    usage: null,
  } as TurnInfo);
  const log = createEventLog(core, owned, SILENT);
  // A save each, as in minutes of streaming.
  const saves = Array.from({ length: 3000 }, (_, n) => {
    log.push({ type: "notice", text: `${n}` });
    return log.save();
  });
  await Promise.all(saves);
  let [turns, isRead] = [0, false];
  // Not by the clock: a busy machine would count fewer.
  const count = () => {
    turns++;
    if (!isRead) setImmediate(count);
  };
  setImmediate(count);
  const read = await readEvents(core, "ann", "long");
  isRead = true;
  expect(read.map(({ event }) => "text" in event && event.text)).toEqual(
    Array.from({ length: 3000 }, (_, n) => `${n}`),
  );
  expect(turns).toBeGreaterThan(2);
});

/** A store whose appends wait until they are let through, fail, or are refused. */
function gatedStore() {
  const asked: { readonly items: readonly NumberedEvent[]; settle(outcome: boolean | Error): void }[] = [];
  const append: StoreProtocol["collectionAppend"] = (...[, , , , items]) => {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const settle = (outcome: boolean | Error) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
    asked.push({ items: items as unknown as NumberedEvent[], settle });
    return promise;
  };
  const plugin: Plugin = {
    name: "gated",
    provide: { store: (_core, base) => ({ ...base, collectionAppend: append }) },
  };
  return { plugin, asked };
}

describe("what is shown", () => {
  const owned = { username: "ann", turnId: "turn", epoch: 0 };

  async function begin() {
    const { plugin, asked } = gatedStore();
    const logged: string[] = [];
    const core = await startCore({ plugins: [plugin], logged });
    const told: NumberedEvent[] = [];
    let losses = 0;
    await core.bus.subscribe("turn:turn", (events) => void told.push(...(events as unknown as NumberedEvent[])));
    const lose = () => {
      losses++;
      log.leave();
    };
    const log = createEventLog(core, owned, { take: () => {}, lose });
    const say = (...texts: readonly string[]) => {
      for (const content of texts) log.push(text(content));
    };
    return { asked, told, log, say, logged, losses: () => losses };
  }

  test("is what is saved: nothing before the append returns, and then what it held", async () => {
    const { asked, told, log, say } = await begin();
    say("a", "b");
    await until(() => asked.length === 1);
    say("c");
    await Bun.sleep(20);
    expect([asked.length, told.length, log.shownSeq()]).toEqual([1, 0, 0]);
    asked[0]?.settle(true);
    await until(() => asked.length === 2);
    expect(textOf(told)).toBe("ab");
    asked[1]?.settle(true);
    await until(() => log.shownSeq() === 3);
    expect(textOf(told)).toBe("abc");
  });

  test("while an append is on its way what comes waits, joined, and is one item of the next", async () => {
    const { asked, told, say } = await begin();
    say("a");
    await until(() => asked.length === 1);
    for (const word of "bcdef") {
      say(word);
      await new Promise(setImmediate);
    }
    asked[0]?.settle(true);
    await until(() => asked.length === 2);
    expect(asked[1]?.items.map(({ seq, event }) => [seq, event])).toEqual([[6, text("bcdef")]]);
    asked[1]?.settle(true);
    await until(() => told.length === 2);
    expect(asked).toHaveLength(2);
  });

  test("is not what a store has failed to save; that is tried again, logged once, and then shown", async () => {
    const { asked, told, log, say, logged } = await begin();
    say("a");
    await until(() => asked.length === 1);
    asked[0]?.settle(new Error("disk full"));
    await until(() => logged.length === 1);
    say("b");
    const saving = log.save().catch(() => "failed");
    await until(() => asked.length === 2);
    asked[1]?.settle(new Error("disk full"));
    expect(await saving).toBe("failed");
    // By itself, after a pause.
    await until(() => asked.length === 3);
    expect(told).toEqual([]);
    asked[2]?.settle(true);
    await until(() => told.length === 1);
    expect(textOf(told)).toBe("ab");
    expect(logged).toHaveLength(1);
  });

  test("is nothing more once the store refuses a save because another process has the turn", async () => {
    const { asked, told, log, say, losses } = await begin();
    say("a");
    await until(() => asked.length === 1);
    say("b");
    asked[0]?.settle(false);
    await until(() => losses() === 1);
    say("c");
    await expect(log.save()).rejects.toThrow();
    expect([told.length, asked.length, log.shown()]).toEqual([0, 1, null]);
  });

  test("an end that is told without being saved takes a place of its own, and what waits comes after it", async () => {
    const { asked, told, log, say } = await begin();
    say("a");
    await until(() => asked.length === 1);
    asked[0]?.settle(true);
    await until(() => told.length === 1);
    say("bc");
    await until(() => asked.length === 2);
    asked[1]?.settle(new Error("disk full"));
    await log.publishLast({ type: "error", message: "Not saved yet." });
    expect(told.map(({ seq, event }) => [seq, event.type])).toEqual([
      [1, "text"],
      [2, "error"],
    ]);
    const saving = log.saveLast({ type: "end", reason: "stop", usage: null });
    await until(() => asked.length === 3);
    asked[2]?.settle(true);
    await saving;
    await log.publishLast();
    expect(told.slice(2).map(({ seq, event }) => [seq, event.type])).toEqual([
      [4, "text"],
      [5, "end"],
    ]);
    expect(canContinue(log.shown() ?? [], 2)).toBe(true);
    expect(textOf(eventsAfter(log.shown() ?? [], 2))).toBe("bc");
  });

  test("waits within bounds", async () => {
    const { log, say, asked } = await begin();
    say("x".repeat(150_000));
    expect(log.isFull()).toBe(false);
    say("x".repeat(150_000));
    expect(log.isFull()).toBe(true);
    await until(() => asked.length === 1);
    asked[0]?.settle(true);
    await until(() => !log.isFull());
  });
});

describe("numbered events", () => {
  test("text counts its UTF-16 units and every other event one", () => {
    expect(lengthOf({ type: "text", text: "ab😀" })).toBe(4);
    expect(lengthOf({ type: "notice", text: "long remark" })).toBe(1);
  });

  test("neighbouring texts of one kind are joined and others are left", () => {
    const events = numbered([
      text("a"),
      text("b"),
      { type: "thinking", text: "c" },
      text("d"),
      { type: "reset" },
      text("e"),
    ]);
    expect(joinText(events).map(({ seq, event }) => [seq, "text" in event ? event.text : event.type])).toEqual([
      [2, "ab"],
      [3, "c"],
      [4, "d"],
      [5, "reset"],
      [6, "e"],
    ]);
  });

  test("texts on two sides of a gap are not joined", () => {
    const [first, second] = [...numbered([text("a")]), { seq: 100, timestamp: "", event: text("b") }];
    expect(joinText([first as NumberedEvent, second as NumberedEvent])).toHaveLength(2);
  });

  test("any cut through any joining gives the same text", () => {
    const random = createRandom(7);
    for (let round = 0; round < 300; round++) {
      const pieces = Array.from({ length: random.integer(1, 8) }, () => text("x😀é→".slice(0, random.integer(1, 5))));
      const events = numbered(pieces);
      const whole = pieces.map((piece) => piece.text).join("");
      const position = random.integer(0, whole.length);
      for (const form of [events, joinText(events)]) {
        expect(textOf(eventsAfter(form, position))).toBe(whole.slice(position));
        expect(canContinue(form, position)).toBe(true);
      }
    }
  });

  test("a position past the end, or lost in a crash of an earlier version, cannot be continued from", () => {
    const events: NumberedEvent[] = [
      ...numbered([text("abc")]),
      { seq: 1000, timestamp: "", event: { type: "error", message: "" } },
    ];
    expect([0, 1, 3, 999, 1000].map((position) => canContinue(events, position))).toEqual([
      true,
      true,
      true,
      true,
      true,
    ]);
    expect([4, 500, 998, 1001, Number.MAX_SAFE_INTEGER].map((position) => canContinue(events, position))).toEqual(
      Array(5).fill(false),
    );
  });
});

function text(content: string) {
  return { type: "text", text: content } as const;
}

function numbered(events: readonly TurnEvent[]): NumberedEvent[] {
  let seq = 0;
  return events.map((event) => {
    seq += lengthOf(event);
    return { seq, timestamp: "", event };
  });
}

function textOf(events: readonly NumberedEvent[]): string {
  return events.map(({ event }) => ("text" in event ? event.text : "")).join("");
}
