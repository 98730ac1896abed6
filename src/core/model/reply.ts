/**
 * Puts a model's reply together from the chunks of its stream. Text and thinking go out as they come; tool calls, usage
 * and the finish when the stream has ended, because endpoints send them in any order and in pieces.
 */

import { isRecord, isTooDeep } from "../../basics/json";
import type { FinishReason, ModelEvent, Usage } from "../../protocols";
import type { ReplyReader } from "./call";
import { pictureEvent, readContent, THINKING_FIELDS, textIn, textOf } from "./content";
import { StreamFault } from "./failure";
import { toFinishReason } from "./finish-reason";
import { createInlinePictures, type InlinePictures } from "./inline-pictures";
import { createOpaque, type Giver, type JsonRecord, learn, type OpaqueCollector } from "./opaque";
import { createThinkFilter, type ThinkFilter, type ThinkPiece } from "./think";
import { createToolCalls, type ToolCalls } from "./tool-calls";

/** Notes in `giver` what it gives that must go back to it. */
export function createReply(giver: Giver): ReplyReader {
  const parts: DeltaParts = {
    think: createThinkFilter(),
    inline: createInlinePictures(),
    calls: createToolCalls(),
    opaque: createOpaque(),
    pictures: new Set(),
    hasDelta: false,
    hasPlainThinking: false,
    giver,
  };
  let finish: FinishReason | null = null;
  /** How the endpoint says that the reply is broken off: told when the stream ends, after what came with it. */
  let fault: StreamFault | null = null;
  let usage: Usage | null = null;
  let hasChoice = false;
  /** Of a message that is no part of a reply: if all are such, it is what went wrong. */
  let odd: unknown = null;

  const readChoice = (choice: JsonRecord): ModelEvent[] => {
    hasChoice = true;
    const events = readDelta(deltaOf(choice, parts), parts);
    try {
      const error = choice.error || fieldOf(choice.delta, "error");
      if (error) throw new StreamFault("reported", { detail: error });
      // Some say `stop` again after a word that says more.
      if (finish === null || finish === "stop") finish = toFinishReason(choice.finish_reason) ?? finish;
    } catch (error) {
      if (!(error instanceof StreamFault)) throw error;
      fault ??= error;
    }
    return events;
  };

  return {
    push(message) {
      const [only] = Array.isArray(message) && message.length === 1 ? message : [];
      const chunk: unknown = isRecord(only) && Array.isArray(only.choices) ? only : message;
      const reported = reportIn(chunk);
      if (reported) throw new StreamFault("reported", { detail: reported });
      if (!isRecord(chunk)) throw new StreamFault("malformed");
      const choice = firstChoice(chunk.choices);
      usage = usageOf(chunk.usage) ?? usageOf(choice?.usage) ?? usageOf(fieldOf(chunk.x_groq, "usage")) ?? usage;
      if (!choice) odd = oddIn(chunk) ?? odd;
      return choice ? readChoice(choice) : [];
    },
    kept: () => parts.think.held() + parts.inline.held() + parts.calls.size(),
    isFinished: () => finish !== null || fault !== null,
    end() {
      if (fault) throw fault;
      if (odd && finish === null) throw new StreamFault("reported", { detail: odd });
      if (!hasChoice) throw new StreamFault("malformed");
      const calls = parts.calls.end();
      const events: ModelEvent[] = [...toEvents(parts.think.end(), parts), ...parts.inline.end()] as ModelEvent[];
      for (const { call } of calls) events.push({ type: "toolCall", ...call });
      const at = calls.map((call) => call.at);
      const opaque = parts.opaque.end(giver.from, at);
      if (opaque) {
        learn(giver, opaque);
        events.push(opaque);
      }
      if (usage) events.push({ type: "usage", ...usage });
      events.push({ type: "finish", reason: finish ?? "stop" });
      return events;
    },
  };
}

interface DeltaParts {
  readonly think: ThinkFilter;
  readonly inline: InlinePictures;
  readonly calls: ToolCalls;
  readonly opaque: OpaqueCollector;
  /** Hashes or numbers of the pictures that events have told. */
  readonly pictures: Set<string | number | bigint>;
  hasDelta: boolean;
  /** Then what lists say of it is the same again. */
  hasPlainThinking: boolean;
  readonly giver: Giver;
}

/** What an endpoint says instead of a reply, in one of the forms in which servers and gateways say it; null when it says nothing such. */
function reportIn(chunk: unknown): unknown {
  // Google's way of saying it.
  if (Array.isArray(chunk)) return chunk.map((it) => (isRecord(it) ? reportIn(it) : null)).find(Boolean) ?? null;
  if (!isRecord(chunk)) return null;
  const { error, errors, detail, error_msg, object, type, choices } = chunk;
  if (error) return error;
  if (object === "error" || type === "error") return chunk;
  if (Array.isArray(choices) && choices.length > 0) return null;
  const said = detail ?? error_msg ?? (Array.isArray(errors) ? errors[0] : errors);
  if (said) return Array.isArray(said) ? (fieldOf(said[0], "msg") ?? said[0]) : said;
  return chunk.success === false ? (chunk.message ?? chunk.msg ?? chunk) : null;
}

/** What a message without a choice may say in a field that successful ones have too, or that nothing else is made of. */
function oddIn(chunk: JsonRecord): unknown {
  const { message, msg, fault, base_resp, reason } = chunk;
  const status = fieldOf(base_resp, "status_msg");
  return (
    [message, msg, fault, status, reason].find((it) => (typeof it === "string" ? it !== "" : isRecord(it))) ?? null
  );
}

/** One reply is read; a server that was told to give more sends them all at once. */
function firstChoice(choices: unknown): JsonRecord | null {
  if (!Array.isArray(choices)) return null;
  return choices.filter(isRecord).find(({ index }) => typeof index !== "number" || index === 0) ?? null;
}

/** `message` is what an endpoint that does not stream sends, and some at the end once more; `text` is of the older protocol. */
function deltaOf({ delta, message, text }: JsonRecord, parts: DeltaParts): JsonRecord {
  if (isRecord(delta)) {
    parts.hasDelta = true;
    return delta;
  }
  if (isRecord(message)) return parts.hasDelta ? {} : message;
  return { content: text };
}

function readDelta(delta: JsonRecord, parts: DeltaParts): ModelEvent[] {
  const { think, calls, opaque } = parts;
  if (isTextAlone(delta)) return toEvents(think.push(delta.content), parts);
  const events: ModelEvent[] = [];
  const addThinking = (text: string) => text !== "" && events.push({ type: "thinking", text });
  addThinking(thinkingIn(delta, parts));
  opaque.message(withoutThinking(delta));
  const pictures: unknown[] = [delta.images, delta.image].flat().filter(Boolean);
  for (const piece of readContent(delta.content, opaque.part)) {
    if (piece.type === "picture") pictures.push(piece.value);
    else if (piece.type === "thinking") addThinking(piece.text);
    else events.push(...toEvents(think.push(piece.text), parts));
  }
  if (!delta.content) events.push(...toEvents(think.push(textOf(delta.refusal)), parts));
  for (const picture of pictures) events.push(...toEvents(think.flush(), parts), ...readPicture(picture, parts));
  // `function_call` is the form before `tool_calls`, which a few servers still speak.
  const made = isRecord(delta.function_call) ? [{ index: 0, function: delta.function_call }] : [];
  const pieces = [delta.tool_calls ?? []].flat();
  if (pieces.length + made.length > 0) calls.push([...pieces, ...made], opaque.call);
  return events;
}

/** What nearly all deltas of a stream are: what follows here is work for each token. */
function isTextAlone(delta: JsonRecord): delta is { readonly content: string } {
  for (const name in delta) {
    if (name !== "content" && name !== "role" && delta[name] !== null) return false;
  }
  return typeof delta.content === "string";
}

/** Without the pictures that are written into the text. */
function toEvents(pieces: readonly ThinkPiece[], parts: DeltaParts): ModelEvent[] {
  return pieces.flatMap((piece): ModelEvent[] => {
    const read = piece.type === "text" ? parts.inline.push(piece.text) : [...parts.inline.end(), piece];
    return read.flatMap((it) => (it.type === "picture" ? readPicture(it.url, parts) : [it]));
  });
}

const THINKING_LISTS = ["reasoning_details", "thinking_blocks"];

/** Some endpoints send the same thinking under several names. */
function thinkingIn(delta: JsonRecord, parts: DeltaParts): string {
  for (const name of parts.hasPlainThinking ? THINKING_FIELDS : [...THINKING_FIELDS, ...THINKING_LISTS]) {
    const text = textIn(delta[name]);
    if (text === "") continue;
    parts.think.hasThinking();
    if (typeof delta[name] === "string") {
      parts.hasPlainThinking = true;
      parts.opaque.thinking(name, text);
      parts.giver.thinking = name;
    }
    return text;
  }
  // LiteLLM's place for what its own form does not have.
  const nested = delta[NESTED];
  return isRecord(nested) ? thinkingIn({ ...nested, [NESTED]: null }, parts) : "";
}

const NESTED = "provider_specific_fields";

/** Plain thinking is kept once; lists of it, with their signatures, as they are. */
function withoutThinking(delta: JsonRecord): JsonRecord {
  const others = Object.entries(delta).filter(
    ([name, value]) => typeof value !== "string" || !THINKING_FIELDS.includes(name),
  );
  return Object.fromEntries(
    others.map(([name, value]) => [name, name === NESTED && isRecord(value) ? withoutThinking(value) : value]),
  );
}

const MAX_PICTURES = 20; // Of one reply; vendors make four at most.

function readPicture(picture: unknown, { pictures }: DeltaParts): ModelEvent[] {
  if (isTooDeep(picture)) throw new StreamFault("malformed");
  const key = Bun.hash(JSON.stringify(picture));
  // Some send them again with the last chunk.
  if (pictures.has(key) || pictures.size >= MAX_PICTURES) return [];
  pictures.add(key);
  return [pictureEvent(picture, pictures.size)];
}

function usageOf(usage: unknown): Usage | null {
  if (!isRecord(usage)) return null;
  const input = countIn(usage, "prompt_tokens", "input_tokens");
  const output = countIn(usage, "completion_tokens", "output_tokens");
  if (input === null || output === null) return null;
  const [of, made] = [usage.prompt_tokens_details, usage.completion_tokens_details].map((it) =>
    isRecord(it) ? it : {},
  );
  const cached = countIn(of, "cached_tokens") ?? countIn(usage, "prompt_cache_hit_tokens", "cached_tokens");
  const reasoning = countIn(made, "reasoning_tokens") ?? countIn(usage, "reasoning_tokens");
  return {
    inputTokens: input,
    outputTokens: output,
    ...(cached !== null && { cachedTokens: cached }),
    ...(reasoning !== null && { reasoningTokens: reasoning }),
  };
}

function countIn(usage: JsonRecord | undefined, ...names: string[]): number | null {
  const count = names.map((name) => usage?.[name]).find((it) => Number.isSafeInteger(it) && Number(it) >= 0);
  return count === undefined ? null : Number(count);
}

function fieldOf(value: unknown, field: string): unknown {
  return isRecord(value) ? value[field] : undefined;
}
