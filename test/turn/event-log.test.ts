import { describe, expect, test } from "bun:test";
import type { BusProtocol, Core, NumberedEvent, Plugin, TurnEvent, TurnInfo } from "../../src/protocols";
import { canContinue, createEventLog, eventsAfter, joinText, lengthOf, readEvents } from "../../src/turn/event-log";
import { createFollowers } from "../../src/turn/follow";
import { addTurn, endTurn } from "../../src/turn/records";
import { answerRemote } from "../../src/turn/remote";
import { createReplyParts } from "../../src/turn/reply-parts";
import { createRandom, type Random } from "../support/random";
import { sharedBus, startCore } from "../support/test-core";

const ROUNDS = 12;

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
  const log = createEventLog(core, { username: "ann", turnId: id, epoch: 0 });
  const stopAnswering = await answerRemote(core, id, {
    save: log.save,
    stop: async () => {},
    approve: async () => false,
  });
  const pushed: NumberedEvent[] = [];
  const followers: Promise<NumberedEvent[]>[] = [];
  for (let n = 0; n < 80; n++) {
    pushed.push(log.push(randomEvent(random, n)));
    if (random.chance(0.1)) followers.push(followAll(core, info, random));
    if (random.chance(0.3)) await new Promise(setImmediate);
    if (random.chance(0.1)) await log.save();
  }
  await log.saveLast({ type: "end", reason: "stop", usage: null });
  await endTurn(core, { username: "ann", turnId: id, epoch: 0 }, { status: "done", error: null, usage: null });
  await log.publishLast();
  const late = await followAll(core, { ...info, status: "done" }, random);
  const saved = await readEvents(core, "ann", id);
  stopAnswering();
  expect(shape(saved).slice(0, -1)).toEqual(shape(pushed));
  for (const heard of [late, ...(await Promise.all(followers))]) expect(shape(heard)).toEqual(shape(saved));
}

/** Follows from the start, leaves at random moments, and comes back with what it has, now and then in the middle of a text. */
async function followAll(core: Core, info: TurnInfo, random: Random): Promise<NumberedEvent[]> {
  const heard: NumberedEvent[] = [];
  for (;;) {
    const batches = createFollowers(core).follow("ann", info, heard.at(-1)?.seq ?? 0, new AbortController().signal);
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
  const log = createEventLog(core, owned);
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

  test("a position past the end, or lost in a crash, cannot be continued from", () => {
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
