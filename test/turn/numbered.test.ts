import { describe, expect, test } from "bun:test";
import type { NumberedEvent, TurnEvent } from "../../src/protocols";
import { canContinue, eventsAfter, joinText, lengthOf } from "../../src/turn/numbered";
import { createRandom } from "../support/random";

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
