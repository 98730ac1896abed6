/**
 * A turn with a scripted model and tool, which the message processor is given by `turn.core`, and a loop that stands in for
 * the turn engine: it adds what was shown to the thread at each step.
 */

import { Type } from "@sinclair/typebox";
import type { Core, FinishReason, Message, ModelCall, ModelEvent, Tool, Turn, TurnEvent } from "../../protocols";

type ScriptItem = ModelEvent | Error | "wait";

export interface Begun {
  readonly turn: Turn;
  /** What the model was sent, in order. */
  readonly calls: readonly ModelCall[];
  readonly stop: () => void;
}

/** A turn on a new thread; each model call plays the next of `scripts`, the last one again and again. */
export async function begin(core: Core, scripts: readonly (readonly ScriptItem[])[]): Promise<Begun> {
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

export interface Driven {
  readonly events: readonly TurnEvent[];
  readonly reason: FinishReason | null;
  readonly error: unknown;
}

export async function drive(turn: Turn, onEvent: (event: TurnEvent) => unknown = () => {}): Promise<Driven> {
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

export function textOf(events: readonly TurnEvent[], type: "text" | "thinking"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

export function toolCall(callId: string, args = "{}", name = "look"): ModelEvent {
  return { type: "toolCall", callId, name, arguments: args };
}

export function finish(reason: FinishReason = "stop"): ModelEvent {
  return { type: "finish", reason };
}
