/**
 * A built-in plugin: the model `demo`, offered when nothing is configured and no model server runs on this machine. It is a
 * script, says so, and shows every part of the page at work without a network: thinking, a tool, Markdown.
 */

import { join } from "node:path";
import { Type } from "@sinclair/typebox";
import { pause } from "../../basics/within";
import type { Config, Core, ModelCall, ModelEvent, ModelMessage, Plugin, Tool } from "../../protocols";
import TOUR from "./tour.txt" with { type: "text" };

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
  return isEndpointNamed(config) || Bun.file(join(config.dataPath, "models.yaml")).exists();
}

/** Whether the environment names an endpoint, with which there never is a demonstration. */
export function isEndpointNamed({ openaiApiKey, openaiBaseUrl }: Config): boolean {
  return openaiApiKey !== null || openaiBaseUrl !== null;
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

interface ScriptedReply {
  readonly thinking: string;
  readonly text: string;
  /** Whether the reply ends by calling the tool. */
  readonly callsTool: boolean;
}

function replyTo(messages: readonly ModelMessage[], hasTool: boolean): ScriptedReply {
  const step = stepAfter(messages, hasTool);
  const last = messages.at(-1);
  const said = last?.role === "assistant" ? last.content : "";
  // A reply that was stopped goes on where it was.
  if (said === "" || !step.text.startsWith(said)) return step;
  return { ...step, thinking: "", text: step.text.slice(said.length) };
}

function stepAfter(messages: readonly ModelMessage[], hasTool: boolean): ScriptedReply {
  const asked = messages.findLastIndex(({ role }) => role === "user");
  const time = messages.slice(asked + 1).find(({ role }) => role === "tool")?.content;
  if (time !== undefined) return { thinking: AFTER_TOOL, text: timeFor(time) + TOUR, callsTool: false };
  const opening = openingFor(wordsOf(messages[asked]?.content ?? ""));
  return hasTool
    ? { thinking: BEFORE_TOOL, text: opening, callsTool: true }
    : { thinking: WITHOUT_TOOL, text: opening + TOUR, callsTool: false };
}

/** The first few words, letters and digits alone: nothing that a person wrote becomes markup here. */
function wordsOf(content: string): string {
  const words = content.slice(0, 1000).match(/[\p{L}\p{N}]+/gu) ?? [];
  const some = words.slice(0, MAX_WORDS).map((word) => word.slice(0, MAX_WORD_CHARACTERS));
  return `${some.join(" ")}${words.length > MAX_WORDS ? " …" : ""}`;
}

const MAX_WORDS = 8;
const MAX_WORD_CHARACTERS = 30;

const BEFORE_TOOL = `Nobody thinks here: this is a script. It shows what the thinking of a model looks like while it arrives.
First a greeting, then a call of a tool, then a tour of what a reply can contain.`;

const WITHOUT_TOOL = `Nobody thinks here: this is a script. It shows what the thinking of a model looks like while it arrives.
No tool is on offer, so the tour comes at once.`;

const AFTER_TOOL = "The tool has answered, so the script can go on.";

function openingFor(words: string): string {
  const heard = words === "" ? "You wrote something without words." : `You wrote: “${words}”.`;
  return `**This is a scripted demonstration, not a language model.** ${heard} It would get this answer whatever it said.\n\n`;
}

function timeFor(time: string): string {
  // Backticks would end the code that the result is shown as.
  return `The tool \`demo_clock\` says that it is \`${time.replace(/[`\s]+/g, " ").slice(0, 100)}\`.\n\n`;
}
