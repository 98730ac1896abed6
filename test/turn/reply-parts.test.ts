import { expect, test } from "bun:test";
import type { TurnEvent } from "../../src/protocols";
import { lengthOf } from "../../src/turn/event-log";
import { createReplyParts } from "../../src/turn/reply-parts";

const ORIGIN = { id: "t", threadId: "h", parentId: "question", model: "chosen" };
const SECONDS = (n: number) => `2026-01-02T03:04:0${n}.000Z`;

/** What the fold of the events told, and its messages. */
function fold() {
  const told: string[] = [];
  const parts = createReplyParts(ORIGIN, ({ id, isOpen, isWaiting, read }, change, text) => {
    const state = `${isOpen ? "open" : "over"}${isWaiting ? " waiting" : ""}`;
    told.push([id, change, text, state, read().content].join("|"));
  });
  let seq = 0;
  let second = 0;
  const add = (event: TurnEvent) => {
    seq += lengthOf(event);
    parts.add({ seq, timestamp: SECONDS(second++), event });
  };
  return { parts, add, takeTold: () => told.splice(0) };
}

test("each change of a message is told, with the message as it then is", () => {
  const { parts, add, takeTold } = fold();
  add({ type: "thinking", text: "Hm" });
  add({ type: "text", text: "Hel" });
  add({ type: "text", text: "lo" });
  add({ type: "notice", text: "By the way" });
  expect(takeTold()).toEqual([
    "t-0|begun||open|",
    "t-0|grown|Hm|open|Hm",
    "t-0|over||over|Hm",
    "t-2|begun||open|",
    "t-2|grown|Hel|open|Hel",
    "t-2|grown|lo|open|Hello",
    "t-2|over||over|Hello",
    "t-7|begun||over|By the way",
  ]);
  add({ type: "text", text: "!" });
  add({ type: "step", model: "asked", usage: null });
  expect(takeTold().slice(2)).toEqual(["t-8|over||over|!"]);
  expect(parts.list()).toEqual([]);
});

test("a call is open until its result, waits for the user in between, and lasts from the answer on", () => {
  const { parts, add, takeTold } = fold();
  add({ type: "toolCall", callId: "a", name: "look", arguments: "{}" });
  add({ type: "approvalAsked", callId: "a", name: "look" });
  expect([parts.waiting(), parts.missingResults().map(({ callId }) => callId)]).toEqual([["t-0"], ["a"]]);
  add({ type: "approvalGiven", callId: "a", name: "look", approve: true });
  add({ type: "toolUpdate", callId: "a", name: "look", content: "half" });
  add({ type: "toolResult", callId: "a", name: "look", result: "done" });
  add({ type: "toolUpdate", callId: "a", name: "look", content: "late" });
  expect(takeTold()).toEqual([
    "t-0|begun||open|",
    "t-0|waiting||open waiting|",
    "t-0|waiting||open|",
    "t-0|progress|half\n|open|",
    "t-0|over||over|done",
  ]);
  expect([parts.waiting(), parts.missingResults()]).toEqual([[], []]);
  expect(parts.take("m")).toMatchObject([{ content: "done", approved: true, durationMs: 2000 }]);
});

test("each text of a step that was thinking is told, and what follows is a message of its own", () => {
  const { parts, add, takeTold } = fold();
  add({ type: "text", text: "a" });
  add({ type: "notice", text: "n" });
  add({ type: "text", text: "b" });
  takeTold();
  add({ type: "wasThinking" });
  expect(takeTold()).toEqual(["t-0|thought||over|a", "t-2|thought||over|b"]);
  add({ type: "text", text: "c" });
  expect(parts.list().map(({ role, type, content }) => [role, type, content])).toEqual([
    ["thinking", "thinking", "a"],
    ["assistant", "notice", "n"],
    ["thinking", "thinking", "b"],
    ["assistant", "text", "c"],
  ]);
});

test("messages hang below each other over the steps, and name the model that was called", () => {
  const { parts, add } = fold();
  add({ type: "text", text: "one" });
  const [first] = parts.take("first");
  add({ type: "text", text: "two" });
  add({ type: "notice", text: "three" });
  const [second, third] = parts.take("second");
  expect([first, second, third].map((it) => [it?.id, it?.parentId, it?.step, it?.model])).toEqual([
    ["t-0", "question", 1, "first"],
    ["t-3", "t-0", 2, "second"],
    ["t-6", "t-3", 2, "second"],
  ]);
  add({ type: "reset" });
  add({ type: "text", text: "again" });
  expect(parts.list()).toMatchObject([{ parentId: "question", step: 1, model: "chosen" }]);
});

test("a message that was read stays as it was", () => {
  const { parts, add } = fold();
  add({ type: "text", text: "one" });
  const read = parts.list();
  add({ type: "text", text: " two" });
  expect([read[0]?.content, parts.list()[0]?.content]).toEqual(["one", "one two"]);
});
