/**
 * What every `messageProcessor` promises, whatever its policy. A case has a turn with a scripted model and tool, and a loop that stands in for
 * the turn engine: it adds what was shown to the thread at each step.
 */

import { deepEqual, equal, match } from "node:assert/strict";
import { Type } from "@sinclair/typebox";
import { AppError } from "../basics/errors";
import type { Core, FinishReason, Message, ModelCall, ModelEvent, Tool, Turn, TurnEvent } from "../protocols";
import { type ContractCase, holds, promptly } from "./contract";

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
      const openAtStep = events.flatMap(({ type }, index) =>
        type === "step" ? openCalls(events.slice(0, index)) : [],
      );
      deepEqual(openAtStep, [], "calls without a result when a step begins");
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
      match(told.find(({ callId }) => callId === "good")?.content ?? "", /looked/);
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
      const sent = ["n", "model", "stream"].filter((name) => name in free || name in masked);
      deepEqual([...sent, ...("models" in masked ? ["models"] : [])], []);
    },
  },
  {
    name: "an error of the model ends the turn, and what was shown before it stays shown",
    async run(core) {
      const { turn } = await begin(core, [[{ type: "text", text: "Half" }, new AppError("upstream", "It broke.")]]);
      const { events, error } = await drive(turn);
      equal(textOf(events, "text"), "Half");
      holds(error, "It broke.", (it) => it instanceof Error && it.message === "It broke.");
    },
  },
  {
    name: "a turn that is aborted while the model answers ends promptly and calls nothing more",
    async run(core) {
      const { turn, calls, stop } = await begin(core, [
        [{ type: "text", text: "One" }, "wait", toolCall("never"), finish()],
      ]);
      await promptly(drive(turn, (event) => event.type === "text" && stop()));
      equal(calls.length, 1);
    },
  },
  {
    name: "a turn that is aborted while a tool runs ends promptly and does not call the model again",
    async run(core) {
      const { turn, calls, stop } = await begin(core, [[toolCall("slow", '{"wait":true}'), finish()]]);
      await promptly(drive(turn, (event) => event.type === "toolUpdate" && stop()));
      equal(calls.length, 1);
    },
  },
];

function openCalls(events: readonly TurnEvent[]): readonly string[] {
  const idsOf = (type: TurnEvent["type"]) =>
    events.flatMap((event) => (event.type === type && "callId" in event ? [event.callId] : []));
  const answered = idsOf("toolResult");
  return idsOf("toolCall").filter((id) => !answered.includes(id));
}

type ScriptItem = ModelEvent | Error | "wait";

interface Begun {
  readonly turn: Turn;
  /** What the model was sent, in order. */
  readonly calls: readonly ModelCall[];
  readonly stop: () => void;
}

/** A turn on a new thread; each model call plays the next of `scripts`, the last one again and again. */
async function begin(core: Core, scripts: readonly (readonly ScriptItem[])[]): Promise<Begun> {
  const user = { username: "ann", role: "user" } as const;
  const thread = await core.thread.create(user.username, { title: "" });
  const question = { role: "user", type: "text", content: "Go", parentId: null, turnId: "turn", step: 0 } as const;
  await core.thread.append(user.username, thread.id, question);
  const calls: ModelCall[] = [];
  const controller = new AbortController();
  const model: Core["model"] = {
    list: async () => ["scripted"],
    stream(call, signal) {
      calls.push(call);
      return play(scripts[Math.min(calls.length, scripts.length) - 1] ?? [], signal);
    },
  };
  const turn: Turn = {
    id: "turn",
    threadId: thread.id,
    user,
    model: "scripted",
    systemPrompt: "default",
    parameters: {},
    signal: controller.signal,
    core: { ...core, model, tools: { list: async () => [lookTool], run: core.tools.run } },
    messages: [],
    notify: () => {},
    approval: async () => true,
  };
  return { turn, calls, stop: () => controller.abort() };
}

async function* play(script: readonly ScriptItem[], signal: AbortSignal): AsyncGenerator<ModelEvent> {
  for (const item of script) {
    if (item instanceof Error) throw item;
    if (item === "wait") await aborted(signal);
    else yield item;
    if (signal.aborted) return;
  }
}

const lookTool: Tool = {
  name: "look",
  description: "Looks.",
  parameters: Type.Object({ fail: Type.Optional(Type.Boolean()), wait: Type.Optional(Type.Boolean()) }),
  async *execute(args: { fail?: boolean; wait?: boolean }, turn) {
    yield "looking";
    if (args.fail) throw new Error("It is dark.");
    if (args.wait) await aborted(turn.signal);
    return "looked";
  },
};

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

interface Driven {
  readonly events: readonly TurnEvent[];
  readonly reason: FinishReason | null;
  readonly error: unknown;
}

async function drive(turn: Turn, onEvent: (event: TurnEvent) => unknown = () => {}): Promise<Driven> {
  const events: TurnEvent[] = [];
  const run = turn.core.messageProcessor.run(turn);
  let step = 1;
  let shown: TurnEvent[] = [];
  try {
    for (;;) {
      const next = await run.next();
      if (next.done) return { events, reason: next.value, error: null };
      events.push(next.value);
      shown.push(next.value);
      if (next.value.type === "step") {
        await keep(turn, shown, step++);
        shown = [];
      }
      onEvent(next.value);
    }
  } catch (error) {
    return { events, reason: null, error };
  }
}

/** Adds the parts of a step to the thread, as the turn engine does. */
async function keep(
  { core, user, threadId, id, messages }: Turn,
  shown: readonly TurnEvent[],
  step: number,
): Promise<void> {
  const text = textOf(shown, "text");
  const results = new Map(
    shown.flatMap((event) => (event.type === "toolResult" ? [[event.callId, event] as const] : [])),
  );
  const parts = [
    ...(text === "" ? [] : [{ role: "assistant", type: "text", content: text } as const]),
    ...shown.flatMap((event) => {
      if (event.type !== "toolCall") return [];
      const { callId, name, arguments: args } = event;
      const outcome = results.get(callId);
      const content = outcome && "result" in outcome ? outcome.result : "";
      const error = outcome && "error" in outcome ? { error: outcome.error } : {};
      return [{ role: "tool", type: "tool", callId, name, arguments: args, content, ...error } as const];
    }),
  ];
  for (const part of parts) {
    const parentId = (await core.thread.get(user.username, threadId))?.headId ?? null;
    const added = await core.thread.append(user.username, threadId, { ...part, parentId, turnId: id, step });
    (messages as Message[]).push(added);
  }
}

function textOf(events: readonly TurnEvent[], type: "text" | "thinking"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

function toolCall(callId: string, args = "{}", name = "look"): ModelEvent {
  return { type: "toolCall", callId, name, arguments: args };
}

function finish(reason: FinishReason = "stop"): ModelEvent {
  return { type: "finish", reason };
}
