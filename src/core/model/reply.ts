/**
 * Puts a model's reply together from the chunks of its stream. Text and thinking go out as they come; tool calls, usage
 * and the finish when the stream has ended, because endpoints send them in any order and in pieces.
 */

import { isTooDeep } from "../../json";
import type { FinishReason, ModelEvent, ToolCall, Usage } from "../../protocols";
import type { Reply } from "./call";
import { StreamFault } from "./failure";
import { toFinishReason } from "./finish-reason";
import type { ThinkingField } from "./request";
import { createThinkFilter } from "./think";

/** `onThinking` is told the field in which thinking comes. */
export function createReply(onThinking: (field: ThinkingField) => void): Reply {
  const think = createThinkFilter();
  const calls = createCalls();
  let finish: FinishReason | null = null;
  /** How the endpoint says that the reply is broken off: told when the stream ends, after what came with it. */
  let fault: StreamFault | null = null;
  let usage: Usage | null = null;

  return {
    push(chunk) {
      if (!isRecord(chunk)) throw new StreamFault("malformed");
      if (chunk.error) throw new StreamFault("reported", { detail: chunk.error });
      usage = usageOf(chunk.usage) ?? usage;
      const choice = Array.isArray(chunk.choices) ? chunk.choices[0] : undefined;
      if (!isRecord(choice)) return [];
      // `message` is what an endpoint that does not stream sends.
      const delta = choice.delta ?? choice.message;
      const events = isRecord(delta)
        ? readDelta(delta, { onThinking, pushText: think.push, pushCall: calls.push })
        : [];
      try {
        if (choice.error) throw new StreamFault("reported", { detail: choice.error });
        // Some say `stop` again after a word that says more.
        if (finish === null || finish === "stop") finish = toFinishReason(choice.finish_reason) ?? finish;
      } catch (error) {
        if (!(error instanceof StreamFault)) throw error;
        fault ??= error;
      }
      return events;
    },
    kept: () => think.held() + calls.size(),
    isFinished: () => finish !== null || fault !== null,
    end() {
      if (fault) throw fault;
      const events: ModelEvent[] = [...think.end(), ...calls.end()];
      if (usage) events.push({ type: "usage", ...usage });
      events.push({ type: "finish", reason: finish ?? "stop" });
      return events;
    },
  };
}

type JsonRecord = Record<string, unknown>;

interface Readers {
  onThinking(field: ThinkingField): void;
  pushText(text: string): ModelEvent[];
  pushCall(call: unknown): void;
}

function readDelta(delta: JsonRecord, { onThinking, pushText, pushCall }: Readers): ModelEvent[] {
  const events: ModelEvent[] = [];
  // Some endpoints send the same thinking under both names.
  const field = textOf(delta.reasoning_content) !== "" ? "reasoning_content" : "reasoning";
  const thinking = textOf(delta[field]);
  if (thinking !== "") {
    onThinking(field);
    events.push({ type: "thinking", text: thinking });
  }
  const text = textOf(delta.content) || textOf(delta.refusal);
  if (text !== "") events.push(...pushText(text));
  if (Array.isArray(delta.tool_calls)) delta.tool_calls.forEach(pushCall);
  // The form before tool_calls, which a few servers still speak.
  if (isRecord(delta.function_call)) pushCall({ index: 0, function: delta.function_call });
  return events;
}

const MAX_CALLS = 128; // What OpenAI allows as tools of one request; more in one reply is a model gone wild.

interface GrowingCall {
  readonly index: number;
  readonly id: string;
  name: string;
  readonly pieces: string[];
}

const MAX_CALLS_CHARACTERS = 16 * 1024 * 1024; // All arguments together; more than any file that a model writes.

interface Calls {
  push(delta: unknown): void;
  /** Of what came, in characters. */
  size(): number;
  end(): ModelEvent[];
}

function createCalls(): Calls {
  const calls: GrowingCall[] = [];
  let size = 0;

  const callOf = (index: unknown, id: string, name: string): GrowingCall => {
    const last = typeof index === "number" ? calls.findLast((call) => call.index === index) : calls.at(-1);
    // A few endpoints number every call 0: a new id with a name is a new call all the same.
    const isNew = last === undefined || (id !== "" && name !== "" && id !== last.id && last.name !== "");
    if (!isNew) return last;
    if (calls.length >= MAX_CALLS) throw new StreamFault("malformed");
    const call = { index: typeof index === "number" ? index : calls.length, id, name: "", pieces: [] };
    calls.push(call);
    size += id.length + name.length;
    return call;
  };

  return {
    push(delta) {
      if (!isRecord(delta)) return;
      const named = isRecord(delta.function) ? delta.function : {};
      const call = callOf(delta.index, textOf(delta.id), textOf(named.name));
      call.name ||= textOf(named.name);
      if (isTooDeep(named.arguments)) throw new StreamFault("malformed");
      const piece = isRecord(named.arguments) ? JSON.stringify(named.arguments) : textOf(named.arguments);
      if (piece !== "") call.pieces.push(piece);
      size += piece.length;
      if (size > MAX_CALLS_CHARACTERS) throw new StreamFault("malformed");
    },
    size: () => size,
    end() {
      const used = new Set<string>();
      return calls.map((call) => ({ type: "toolCall", ...toToolCall(call, used) }));
    },
  };
}

function toToolCall({ id, name, pieces }: GrowingCall, used: Set<string>): ToolCall {
  // Without hyphens it has 37 characters: OpenAI takes back 40.
  const callId = id === "" || used.has(id) ? `call_${crypto.randomUUID().replaceAll("-", "")}` : id;
  used.add(callId);
  return { callId, name, arguments: pieces.join("") };
}

function usageOf(usage: unknown): Usage | null {
  if (!isRecord(usage)) return null;
  const { prompt_tokens, completion_tokens } = usage;
  if (!isCount(prompt_tokens) || !isCount(completion_tokens)) return null;
  return { inputTokens: prompt_tokens, outputTokens: completion_tokens };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
