/**
 * A built-in plugin: the model `demo`, offered when nothing is configured and no model server runs on this machine. It is a
 * script, says so, and shows every part of the page at work without a network: thinking, a tool, Markdown.
 */

import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { pause } from "../../basics/within";
import type { Core, ModelCall, ModelEvent, Plugin, Tool } from "../../protocols";
import { replyTo } from "./script";

const MODEL = "demo";
const TOKEN_MS = 12.5; // 80 tokens a second, as a good hosted model writes.

export const demo: Plugin = createDemo(TOKEN_MS);

export function createDemo(tokenMs: number): Plugin {
  return {
    name: "demo",
    priority: 0,
    provide: {
      model: (core, base) => ({
        ...base,
        async list() {
          const models = await base.list();
          return models.length > 0 || (await isConfigured(core)) ? models : [MODEL];
        },
        async describe(model) {
          if (await isDemo(model, core)) return { id: MODEL, capabilities: ["tools"] };
          return (await base.describe?.(model)) ?? null;
        },
        async *stream(call, signal) {
          yield* (await isDemo(call.model, core)) ? perform(call, tokenMs, signal) : base.stream(call, signal);
        },
      }),
    },
    hooks: {
      async preCall(call, turn) {
        return (await isDemo(call.model, turn.core)) ? { ...call, tools: [...call.tools, clock] } : undefined;
      },
    },
  };
}

/** An owner who configured something wants that, or an error: never a substitute. */
async function isConfigured({ config }: Core): Promise<boolean> {
  if (config.openaiApiKey !== null || config.openaiBaseUrl !== null) return true;
  return Bun.file(join(config.dataPath, "models.yaml")).exists();
}

async function isDemo(model: string, core: Core): Promise<boolean> {
  return model === MODEL && !(await isConfigured(core));
}

const clock: Tool = {
  name: "demo_clock",
  description: "Tells the time in a time zone. Part of the demonstration.",
  parameters: Type.Object({ zone: Type.String({ description: "Such as UTC or Europe/Berlin." }) }),
  async *execute({ zone }: { zone: string }, turn) {
    yield "Looking for a clock";
    await pause(400, turn.signal);
    yield "Looking for a clock, and found one";
    await pause(400, turn.signal);
    return new Date().toLocaleString("en-GB", { timeZone: zone, dateStyle: "full", timeStyle: "long" });
  },
};

async function* perform(call: ModelCall, tokenMs: number, signal: AbortSignal): AsyncGenerator<ModelEvent> {
  const { thinking, text, callsTool } = replyTo(
    call.messages,
    call.tools.some(({ name }) => name === clock.name),
  );
  const start = performance.now();
  let tokens = 0;
  for (const [type, script] of [
    ["thinking", thinking],
    ["text", text],
  ] as const) {
    for (const token of script.match(TOKEN) ?? []) {
      tokens++;
      // Against the start, so that late timers do not add up.
      const waitMs = start + tokens * tokenMs - performance.now();
      if (waitMs > 0) await pause(waitMs, signal);
      if (signal.aborted) return;
      yield { type, text: token };
    }
  }
  if (callsTool)
    yield { type: "toolCall", callId: `demo_${crypto.randomUUID()}`, name: clock.name, arguments: '{"zone":"UTC"}' };
  yield { type: "usage", inputTokens: countTokens(call), outputTokens: tokens };
  yield { type: "finish", reason: "stop" };
}

/** Pieces about as long as the tokens of real models. */
const TOKEN = /\s*\S{1,5}|\s+/g;

function countTokens({ messages }: ModelCall): number {
  return Math.ceil(messages.reduce((sum, { content }) => sum + content.length, 0) / 4);
}
