import { expect, test } from "bun:test";
import type { Core, TurnEvent, TurnInfo } from "../../../src/protocols";
import { createGrowth } from "../../../src/routes/reply/growing-reply";
import { lengthOf } from "../../../src/turn/event-log";
import { en } from "../../../views/words/en";
import { testViews } from "../../support/chat-data";

const core = { views: testViews(), counts: {} as Core["counts"] } as Core;

test("a text that was thinking is shown anew as thinking, and what follows as the answer", () => {
  const growth = createGrowth(core, en, { id: "t", threadId: "h", parentId: "p", model: "m" } as TurnInfo);
  let seq = 0;
  const add = (event: TurnEvent) => {
    seq += lengthOf(event);
    growth.add({ seq, timestamp: "2026-01-02T03:04:05.678Z", event });
  };
  add({ type: "text", text: "let me see" });
  expect(growth.takeChanges("list")).toContain("let me see");
  add({ type: "wasThinking" });
  add({ type: "text", text: "Hello" });
  const told = growth.takeChanges("list");
  expect(told).toContain('hx-target="#p-t-0" hx-swap="outerMorph"');
  expect(told).toMatch(/thinking[\s\S]*let me see[\s\S]*Hello/);
  expect(growth.parts().map(({ message }) => [message.role, message.content])).toEqual([
    ["thinking", "let me see"],
    ["assistant", "Hello"],
  ]);
});
