/**
 * What an endpoint gives beside the fields that everybody knows, and wants back with the next request: reasoning, its details and its
 * signatures, each under the endpoint's own name. No list of vendors: whatever is not known is kept, and goes to nobody else.
 */

import type {
  ChatCompletionAssistantMessageParam,
  ChatCompletionMessageToolCall,
} from "openai/resources/chat/completions";
import { isRecord, isTooDeep } from "../../basics/json";
import type { Json, JsonObject, ModelEvent, ModelMessage, Opaque } from "../../protocols";

export type JsonRecord = Record<string, unknown>;

/** Names under which thinking comes as a plain text. */
export const THINKING_FIELDS = ["reasoning_content", "reasoning", "thinking", "reasoning_text", "thought"];
/** LiteLLM's place for what its own form does not have. */
export const NESTED = "provider_specific_fields";

export interface OpaqueCollector {
  /** A piece of the message. */
  message(delta: JsonRecord): void;
  /** A piece of its call number `at`, from 0. */
  call(at: number, delta: JsonRecord): void;
  /** Thinking that is a plain text under this name. */
  thinking(name: string, text: string): void;
  /** A part of a message whose content is a list, other than text. */
  part(part: JsonRecord): void;
  /** Null when nothing came that must go back. `calls` are the numbers of the calls that count. */
  end(from: string, calls: readonly number[]): (ModelEvent & { type: "opaque" }) | null;
}

/** What is known of an endpoint's model as one that gives something to have it back. Endpoints refuse fields that are not theirs. */
export interface Giver {
  /** As in `Opaque`. */
  readonly from: string;
  /** Names of the fields that it gave so far. */
  readonly ofMessage: Set<string>;
  readonly ofCalls: Set<string>;
  /** Under which it gave its thinking last, as a plain text. */
  thinking: string | null;
}

// What OpenAI's protocol has, and what servers tell of a reply that no request can have.
const OF_MESSAGE = new Set(
  (
    "role content refusal tool_calls function_call name text index id type images image audio annotations citations references search_results " +
    "executed_tools logprobs finish_reason stop_reason matched_stop token_ids prompt_token_ids tool_call_id padding obfuscation usage"
  ).split(" "),
);
const OF_CALL = new Set("id index type function custom name arguments parameters input".split(" "));
const OF_FUNCTION = new Set("name arguments parameters input".split(" "));

const MAX_CHARACTERS = 1024 * 1024; // Of JSON; as much as is kept with a step.

export function createOpaque(): OpaqueCollector {
  const message: JsonRecord = {};
  const calls: JsonRecord[] = [];
  const plain = { name: "", texts: [] as string[] };
  const parts: unknown[] = [];
  let size = 0;

  const fits = (value: unknown): boolean => {
    if (isTooDeep(value)) return false;
    size += typeof value === "string" ? value.length : JSON.stringify(value).length;
    // Half of it would be refused where all of it is wanted, so there is none.
    return size <= MAX_CHARACTERS;
  };

  const add = (to: JsonRecord, delta: JsonRecord, known: ReadonlySet<string>): void => {
    for (const [name, value] of Object.entries(delta)) {
      // A flag or a number says something of the reply; what is wanted back has a content.
      const hasContent = typeof value === "string" ? value !== "" : typeof value === "object" && value !== null;
      if (!known.has(name) && name !== "__proto__" && hasContent && fits(value))
        to[name] = joined(to[name], value, name);
    }
  };

  return {
    message: (delta) => add(message, withoutThinking(delta), OF_MESSAGE),
    call(at, delta) {
      const call = calls[at] ?? {};
      calls[at] = call;
      add(call, delta, OF_CALL);
      if (!isRecord(delta.function)) return;
      const made = isRecord(call.function) ? call.function : {};
      add(made, delta.function, OF_FUNCTION);
      if (Object.keys(made).length > 0) call.function = made;
    },
    thinking(name, text) {
      if (plain.name === "") plain.name = name;
      if (fits(text)) plain.texts.push(text);
    },
    part(part) {
      if (fits(part)) joinItem(parts, part);
    },
    end(from, counted) {
      if (size > MAX_CHARACTERS) return null;
      const ofCalls = counted.map((at) => calls[at] ?? {});
      const hasCalls = counted.length > 0;
      const whole: JsonRecord = {
        ...message,
        // Endpoints demand what was thought before a call; after a plain answer one of them refuses it.
        ...(hasCalls && plain.texts.length > 0 && { [plain.name]: plain.texts.join("") }),
        ...(hasCalls && parts.length > 0 && { content: parts }),
      };
      const isOfCalls = ofCalls.some((call) => Object.keys(call).length > 0);
      if (Object.keys(whole).length === 0 && !isOfCalls) return null;
      return {
        type: "opaque",
        from,
        ...(Object.keys(whole).length > 0 && { message: whole as JsonObject }),
        ...(isOfCalls && { calls: ofCalls as JsonObject[] }),
      };
    },
  };
}

/** Plain thinking is kept once; lists of it, with their signatures, as they are. */
function withoutThinking(delta: JsonRecord): JsonRecord {
  const others = Object.entries(delta).filter(
    ([name, value]) => typeof value !== "string" || !THINKING_FIELDS.includes(name),
  );
  return Object.fromEntries(
    others.map(([name, value]) => [name, name === NESTED && isRecord(value) ? withoutThinking(value) : value]),
  );
}

/** Names of texts that grow by pieces, of which two may be the same. Other texts are whole, or repeated, or go on. */
const GROWING = new Set(["text", "thinking", "summary", "content", "reasoning", "reasoning_content", "reasoning_text"]);

function joined(before: unknown, piece: unknown, name: string): unknown {
  if (typeof before === "string" && typeof piece === "string") {
    return before === piece && !GROWING.has(name) ? before : before + piece;
  }
  if (Array.isArray(before) && Array.isArray(piece)) {
    for (const item of piece) joinItem(before, item);
    return before;
  }
  if (!isRecord(before) || !isRecord(piece)) return Array.isArray(piece) ? joined([], piece, name) : piece;
  for (const [key, value] of Object.entries(piece))
    if (key !== "__proto__") before[key] = joined(before[key], value, key);
  return before;
}

/** Streams give an item of a list in pieces too: by its index, or one piece of text after the other. */
function joinItem(list: unknown[], item: unknown): void {
  const last = list.at(-1);
  if (isRecord(last) && isRecord(item) && isSameItem(last, item)) joined(last, item, "");
  else list.push(item);
}

function isSameItem(last: JsonRecord, item: JsonRecord): boolean {
  if (last.type !== item.type || (last.id ?? item.id) !== (item.id ?? last.id)) return false;
  if (typeof last.index === "number" || typeof item.index === "number") return last.index === item.index;
  if ("signature" in last) return false;
  return Object.keys(item).some((name) => GROWING.has(name) && typeof last[name] === typeof item[name]);
}

/** With what this endpoint and model gave with the message, and nothing that another one did. */
export function withOpaque(
  sent: ChatCompletionAssistantMessageParam,
  { opaque, thinking, toolCalls = [] }: ModelMessage,
  giver: Giver,
): ChatCompletionAssistantMessageParam {
  const own = !opaque ? {} : opaque.from === giver.from ? opaque : opaque.from === null ? known(opaque, giver) : {};
  // Only with calls: there endpoints demand it, and one of them refuses it elsewhere.
  const { content: parts, ...fields } = own.message ?? {};
  const isThere = THINKING_FIELDS.some((name) => name in fields);
  const field = toolCalls.length > 0 && thinking && !isThere ? giver.thinking : null;
  const content = Array.isArray(parts) ? [...parts, ...textPart(sent.content)] : sent.content;
  return {
    ...(field && { [field]: thinking }),
    ...fields,
    ...sent,
    ...(content !== undefined && { content: content as string }),
    ...(sent.tool_calls && { tool_calls: withFields(sent.tool_calls, own.calls) }),
  };
}

function textPart(content: unknown): JsonObject[] {
  return typeof content === "string" && content !== "" ? [{ type: "text", text: content }] : [];
}

/** Of what a client says that a model gave: what this one is known to give. */
function known({ message, calls }: Opaque, { ofMessage, ofCalls }: Giver): Omit<Opaque, "from"> {
  return {
    message: only(message, ofMessage),
    ...(calls && { calls: calls.map((fields) => only(fields, ofCalls)) }),
  };
}

/** By their order. A hook that took a call away leaves it open which is which. */
function withFields(
  calls: readonly ChatCompletionMessageToolCall[],
  fields: readonly JsonObject[] = [],
): ChatCompletionMessageToolCall[] {
  if (fields.length !== calls.length) return [...calls];
  return calls.map((call, at) => {
    const own = fields[at] ?? {};
    const made =
      isRecord(own.function) && "function" in call ? { ...(own.function as object), ...call.function } : null;
    return { ...own, ...call, ...(made && { function: made }) } as ChatCompletionMessageToolCall;
  });
}

export function learn({ ofMessage, ofCalls }: Giver, { message = {}, calls = [] }: Omit<Opaque, "from">): void {
  for (const name of Object.keys(message)) ofMessage.add(name);
  for (const name of calls.flatMap((fields) => Object.keys(fields))) ofCalls.add(name);
}

/** Only the fields of these names. */
function only(fields: JsonObject | undefined, names: ReadonlySet<string>): Record<string, Json> {
  return Object.fromEntries(Object.entries(fields ?? {}).filter(([name]) => names.has(name)));
}
