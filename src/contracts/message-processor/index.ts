/** What every `messageProcessor` promises, whatever its policy. */

import { deepEqual, equal, ok } from "node:assert/strict";
import { AppError } from "../../basics/errors";
import type { TurnEvent } from "../../protocols";
import type { ContractCase } from "../contract";
import { begin, drive, finish, textOf, toolCall } from "./script";

export const messageProcessorContract: readonly ContractCase[] = [
  {
    name: "a reply is its thinking and text, and says at the end why it ended",
    async run(core) {
      const { turn } = await begin(core, [
        [
          { type: "thinking", text: "Hm." },
          { type: "text", text: "Yes" },
          { type: "text", text: "." },
          finish("length"),
        ],
      ]);
      const { events, reason, error } = await drive(turn);
      equal(error, null);
      equal(reason, "length");
      equal(textOf(events, "text"), "Yes.");
      equal(textOf(events, "thinking"), "Hm.");
      equal(events.at(-1)?.type, "step");
    },
  },
  {
    name: "every model call gets one step, and every tool call one result before it",
    async run(core) {
      const { turn, calls } = await begin(core, [
        [toolCall("a"), toolCall("b"), finish()],
        [toolCall("c"), finish()],
        [{ type: "text", text: "Done." }, finish()],
      ]);
      const { events, error } = await drive(turn);
      equal(error, null);
      equal(events.filter(({ type }) => type === "step").length, calls.length);
      for (const callId of ["a", "b", "c"]) {
        const about = events.flatMap((event) => ("callId" in event && event.callId === callId ? [event.type] : []));
        deepEqual([about[0], about.at(-1)], ["toolCall", "toolResult"]);
        equal(about.filter((type) => type === "toolResult").length, 1);
      }
      const openAtStep = events.map(({ type }, index) => type === "step" && openCalls(events.slice(0, index)));
      ok(
        openAtStep.every((open) => !open),
        "a step with a call that has no result",
      );
    },
  },
  {
    name: "the model knows what its tools gave when it is called again, also when they failed",
    async run(core) {
      const { turn, calls } = await begin(core, [
        [toolCall("good"), toolCall("bad", '{"fail":true}'), toolCall("unknown", "{}", "no_such_tool"), finish()],
        [{ type: "text", text: "Done." }, finish()],
      ]);
      const { events, error } = await drive(turn);
      equal(error, null);
      const failed = events.flatMap((event) => (event.type === "toolResult" && "error" in event ? [event.callId] : []));
      deepEqual(failed.toSorted(), ["bad", "unknown"]);
      const told = calls.at(-1)?.messages.filter(({ role }) => role === "tool") ?? [];
      deepEqual(told.map(({ callId }) => callId).toSorted(), ["bad", "good", "unknown"]);
      ok(told.find(({ callId }) => callId === "good")?.content.includes("looked"));
    },
  },
  {
    name: "no parameter that is not the user's to set reaches the model",
    async run(core) {
      const { turn, calls } = await begin(core, [[{ type: "text", text: "Yes." }, finish()]]);
      const parameters = { temperature: 0.5, models: ["dear"], n: 9, model: "dear", stream: false };
      for (const user of [turn.user, { ...turn.user, modelMask: "scripted" }]) {
        equal((await drive({ ...turn, user, parameters })).error, null);
      }
      const [free = {}, masked = {}] = calls.map((call) => call.parameters);
      for (const name of ["n", "model", "stream"]) ok(!(name in free) && !(name in masked), `${name} was sent`);
      ok(!("models" in masked), "models was sent");
    },
  },
  {
    name: "an error of the model ends the turn, and what was shown before it stays shown",
    async run(core) {
      const { turn } = await begin(core, [[{ type: "text", text: "Half" }, new AppError("upstream", "It broke.")]]);
      const { events, error } = await drive(turn);
      equal(textOf(events, "text"), "Half");
      ok(error instanceof Error && error.message === "It broke.", `got ${error}`);
    },
  },
  {
    name: "a turn that is aborted while the model answers ends promptly and calls nothing more",
    async run(core) {
      const { turn, calls, stop } = await begin(core, [
        [{ type: "text", text: "One" }, "wait", toolCall("never"), finish()],
      ]);
      await inTime(drive(turn, (event) => event.type === "text" && stop()));
      equal(calls.length, 1);
    },
  },
  {
    name: "a turn that is aborted while a tool runs ends promptly and does not call the model again",
    async run(core) {
      const { turn, calls, stop } = await begin(core, [[toolCall("slow", '{"wait":true}'), finish()]]);
      await inTime(drive(turn, (event) => event.type === "toolUpdate" && stop()));
      equal(calls.length, 1);
    },
  },
];

const PROMPTLY_MS = 2_000; // A stop should take a hundredth of that; the rest is for slow machines.

function openCalls(events: readonly TurnEvent[]): boolean {
  const count = (type: TurnEvent["type"]) => events.filter((event) => event.type === type).length;
  return count("toolCall") !== count("toolResult");
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("not prompt")), PROMPTLY_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
