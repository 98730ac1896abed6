/**
 * Puts a model's reply together from the messages of its stream, in whichever of the usual forms its server sends them. Text and thinking
 * go out as they come; tool calls, usage and the finish when the stream has ended, because endpoints send them in any order and in pieces.
 */

import { imageTypeOf } from "../../basics/image";
import { fieldOf, isRecord, isTooDeep, textOf } from "../../basics/json";
import type { FinishReason, ModelEvent, Usage } from "../../protocols";
import type { ReplyReader } from "./call";
import { StreamFault } from "./failure";
import {
  createOpaque,
  type Giver,
  type JsonRecord,
  learn,
  NESTED,
  type OpaqueCollector,
  THINKING_FIELDS,
} from "./opaque";
import { createTextReader } from "./text";
import { createToolCalls, type ToolCalls } from "./tool-calls";

/** Notes in `giver` what it gives that must go back to it. */
export function createReply(giver: Giver): ReplyReader {
  let events: ModelEvent[] = [];
  const reply = beginReply(giver, (event) => void events.push(event));
  return {
    push(message) {
      events = [];
      readMessage(reply, message);
      return events;
    },
    kept: () => reply.length + (reply.calls?.size() ?? 0),
    isFinished: () => reply.finish !== null || reply.fault !== null,
    end() {
      events = [];
      end(reply);
      return events;
    },
  };
}

type ReplyState = ReturnType<typeof beginReply>;

function beginReply(giver: Giver, tell: (event: ModelEvent) => void) {
  const told = new Set();
  const addPicture = (picture: unknown) => {
    const event = newPicture(picture, told);
    if (event) tell(event);
  };
  return {
    giver,
    tell,
    addPicture,
    text: createTextReader((piece) => (piece.type === "picture" ? addPicture(piece.url) : tell(piece))),
    calls: null as ToolCalls | null,
    opaque: null as OpaqueCollector | null,
    /** Characters of text and thinking so far. */
    length: 0,
    hasChoice: false,
    hasDelta: false,
    /** Whether thinking has come in a plain field; a list beside it, such as `reasoning_details`, then says the same again. */
    hasPlainThinking: false,
    finish: null as FinishReason | null,
    /** The endpoint's word that it broke the reply off; thrown when the stream ends, after the text that came with it. */
    fault: null as StreamFault | null,
    usage: null as Usage | null,
    /** The text of a message that is no part of a reply. When the stream has no other messages, it is the endpoint's error. */
    odd: null as unknown,
  };
}

function readMessage(reply: ReplyState, message: unknown): void {
  const [only] = Array.isArray(message) && message.length === 1 ? message : [];
  const chunk: unknown = isRecord(only) && Array.isArray(only.choices) ? only : message;
  const reported = reportIn(chunk);
  if (reported) throw new StreamFault("reported", { detail: reported });
  if (!isRecord(chunk)) throw new StreamFault("malformed");
  const choice = firstChoice(chunk.choices);
  const usage = usageOf(chunk.usage) ?? usageOf(choice?.usage) ?? usageOf(fieldOf(chunk.x_groq, "usage"));
  if (usage) reply.usage = usage;
  if (choice) readChoice(reply, choice);
  else reply.odd = oddIn(chunk) ?? reply.odd;
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

/** The text of a message without a choice, from fields that may mean an error, but that good messages may have as well; or null. */
function oddIn({ message, msg, fault, base_resp, reason }: JsonRecord): unknown {
  const said = [message, msg, fault, fieldOf(base_resp, "status_msg"), reason];
  return said.find((it) => (typeof it === "string" ? it !== "" : isRecord(it))) ?? null;
}

/** One reply is read; a server that was told to give more sends them all at once. */
function firstChoice(choices: unknown): JsonRecord | undefined {
  if (!Array.isArray(choices)) return undefined;
  return choices.find((it) => isRecord(it) && (typeof it.index !== "number" || it.index === 0));
}

function readChoice(reply: ReplyState, choice: JsonRecord): void {
  reply.hasChoice = true;
  readDelta(reply, deltaOf(reply, choice));
  try {
    const error = choice.error || fieldOf(choice.delta, "error");
    if (error) throw new StreamFault("reported", { detail: error });
    // Some say `stop` again after a word that says more.
    if (reply.finish === null || reply.finish === "stop")
      reply.finish = toFinishReason(choice.finish_reason) ?? reply.finish;
  } catch (error) {
    if (!(error instanceof StreamFault)) throw error;
    reply.fault ??= error;
  }
}

/** `message` is what an endpoint that does not stream sends, and some at the end once more; `text` is of the older protocol. */
function deltaOf(reply: ReplyState, { delta, message, text }: JsonRecord): JsonRecord {
  if (isRecord(delta)) {
    reply.hasDelta = true;
    return delta;
  }
  if (isRecord(message)) return reply.hasDelta ? {} : message;
  return { content: text };
}

function readDelta(reply: ReplyState, delta: JsonRecord): void {
  if (isTextAlone(delta)) {
    addText(reply, delta.content);
    return;
  }
  reply.opaque ??= createOpaque();
  const { opaque } = reply;
  addThinking(reply, thinkingIn(delta, reply));
  opaque.message(delta);
  const pictures: unknown[] = [delta.images, delta.image].flat().filter(Boolean);
  for (const part of [delta.content].flat()) {
    if (!isRecord(part)) addText(reply, part);
    else if (part.thought === true || /think|reason|thought/i.test(textOf(part.type))) {
      opaque.part(part);
      addThinking(reply, textIn(part));
    } else {
      const text = textIn(part);
      if (text === "" && isPicture(part)) pictures.push(part);
      addText(reply, text);
    }
  }
  if (!delta.content) addText(reply, delta.refusal);
  for (const picture of pictures) {
    reply.text.flush();
    reply.addPicture(picture);
  }
  // `function_call` is the form before `tool_calls`, which a few servers still speak.
  const made = isRecord(delta.function_call) ? [{ index: 0, function: delta.function_call }] : [];
  const pieces = [delta.tool_calls ?? [], made].flat();
  if (pieces.length === 0) return;
  reply.calls ??= createToolCalls();
  reply.calls.push(pieces, opaque.call);
}

/** Whether the delta has nothing but text, as nearly all have: the rest of `readDelta` would be work for each token. */
function isTextAlone(delta: JsonRecord): boolean {
  for (const name in delta) {
    if (name !== "content" && name !== "role" && delta[name] !== null) return false;
  }
  return typeof delta.content !== "object" || delta.content === null;
}

function addText(reply: ReplyState, text: unknown): void {
  if (typeof text !== "string" || text === "") return;
  reply.length += text.length;
  reply.text.push(text);
}

function addThinking(reply: ReplyState, text: string): void {
  if (text === "") return;
  reply.length += text.length;
  reply.tell({ type: "thinking", text });
}

const THINKING_LISTS = ["reasoning_details", "thinking_blocks"];

/** Some endpoints send the same thinking under several names. */
function thinkingIn(delta: JsonRecord, reply: ReplyState): string {
  for (const name of reply.hasPlainThinking ? THINKING_FIELDS : [...THINKING_FIELDS, ...THINKING_LISTS]) {
    const text = textIn(delta[name]);
    if (text === "") continue;
    reply.text.hasThinking();
    if (typeof delta[name] === "string") {
      reply.hasPlainThinking = true;
      reply.giver.thinking = name;
      reply.opaque?.thinking(name, text);
    }
    return text;
  }
  const nested = delta[NESTED];
  return isRecord(nested) ? thinkingIn({ ...nested, [NESTED]: null }, reply) : "";
}

const TEXT_FIELDS = ["text", "thinking", "reasoning", "thought", "summary", "content", "refusal", "value"];
const TEXT_LEVELS = 6; // A list in a part in a list is the deepest seen.

/** The text in a value of any form; empty when there is none. */
function textIn(value: unknown, levels = TEXT_LEVELS): string {
  if (typeof value === "string") return value;
  if (levels === 0) return "";
  if (Array.isArray(value)) return value.map((item) => textIn(item, levels - 1)).join("");
  if (!isRecord(value)) return "";
  for (const name of TEXT_FIELDS) {
    const text = textIn(value[name], levels - 1);
    if (text !== "") return text;
  }
  return "";
}

const MAX_PICTURES = 20; // Of one reply; vendors make four at most.

/** The picture, or why there is none; null for one that was told before. `told` has hashes of those that were. */
function newPicture(picture: unknown, told: Set<unknown>): ModelEvent | null {
  if (isTooDeep(picture)) throw new StreamFault("malformed");
  const key = Bun.hash(JSON.stringify(picture));
  // Some send them again with the last chunk.
  if (told.has(key) || told.size >= MAX_PICTURES) return null;
  told.add(key);
  return pictureEvent(picture, told.size);
}

const PICTURE_FIELDS = ["image_url", "b64_json", "image", "inline_data", "inlineData", "image_base64"];
/** Of a part that says that it is one. */
const ADDRESS_FIELDS = [...PICTURE_FIELDS, "url", "data", "source"];

function isPicture(part: JsonRecord): boolean {
  return /image|picture/i.test(String(part.type)) || PICTURE_FIELDS.some((name) => name in part);
}

/** A picture as an event: a file when its bytes are there, else a link, as this server fetches nothing for a model. */
function pictureEvent(picture: unknown, number: number): ModelEvent {
  const { address, type } = addressIn(picture);
  if (/^https?:\/\//i.test(address)) {
    const url = URL.parse(address)?.href.replace(/[()]/g, (it) => (it === "(" ? "%28" : "%29"));
    if (url) return { type: "text", text: `\n\n[${url.slice(0, LINK_MAX)}](${url})\n\n` };
  }
  const comma = /^data:/i.test(address) ? address.slice(0, HEAD_MAX).indexOf(",") : -1;
  const head = address.slice(0, Math.max(0, comma));
  const claimed = /^data:([\w.+-]+\/[\w.+-]+)/i.exec(head)?.[1] ?? type;
  const bytes = bytesOf(address.slice(comma + 1), comma < 0 || /;base64$/i.test(head));
  const known = bytes && (imageTypeOf(bytes) ?? (RECOGNIZED.test(claimed) ? null : claimed));
  if (!bytes || !known) return { type: "notice", text: "The model sent a picture that cannot be read." };
  const name = `picture-${number}.${known.replace(/^.*\//, "").replace(/\W.*$/, "").replace("jpeg", "jpg")}`;
  return { type: "file", name, data: new Blob([bytes], { type: known }) };
}

function isType(value: unknown): value is string {
  return typeof value === "string" && /^\w+\/[\w.+-]+$/.test(value);
}

/** Pictures of these types are told by their bytes. */
const RECOGNIZED = /^image\/(?:png|jpe?g|gif|webp)$/i;

/** Null for none, and for what is not encoded so. */
function bytesOf(data: string, isBase64: boolean): Buffer<ArrayBuffer> | null {
  try {
    const text = data.includes("%") ? decodeURIComponent(data) : data;
    if (isBase64 && /[^\w+/=\s-]/.test(text)) return null;
    const bytes = Buffer.from(text, isBase64 ? "base64" : "utf8");
    return bytes.length === 0 ? null : bytes;
  } catch {
    return null; // A broken escape.
  }
}

const LINK_MAX = 80; // Characters that a person sees of it.
const HEAD_MAX = 300; // Characters before the comma of a data: URL.
const ADDRESS_LEVELS = 4;

/** The address or the bare base64 in a picture of any form, and the type that is claimed. */
function addressIn(value: unknown, levels = ADDRESS_LEVELS): { readonly address: string; readonly type: string } {
  if (typeof value === "string") return { address: value, type: "image/png" };
  if (isRecord(value) && levels > 0) {
    const claimed = [value.mime_type, value.mimeType, value.media_type].find(isType);
    for (const name of ADDRESS_FIELDS) {
      const found = addressIn(value[name], levels - 1);
      if (found.address !== "") return { address: found.address, type: claimed ?? found.type };
    }
  }
  return { address: "", type: "image/png" };
}

function end({ giver, text, calls, opaque, tell, ...reply }: ReplyState): void {
  if (reply.fault) throw reply.fault;
  if (reply.odd && reply.finish === null) throw new StreamFault("reported", { detail: reply.odd });
  if (!reply.hasChoice) throw new StreamFault("malformed");
  text.end();
  const made = calls?.end() ?? [];
  for (const { call } of made) tell({ type: "toolCall", ...call });
  const numbers = made.map(({ at }) => at);
  const given = opaque?.end(giver.from, numbers);
  if (given) learn(giver, given);
  if (given) tell(given);
  if (reply.usage) tell({ type: "usage", ...reply.usage });
  tell({ type: "finish", reason: reply.finish ?? "stop" });
}

/** Under which names, or paths of two names, endpoints tell a number of tokens. */
const COUNTS = {
  inputTokens: ["prompt_tokens", "input_tokens"],
  outputTokens: ["completion_tokens", "output_tokens"],
  cachedTokens: ["prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cached_tokens"],
  reasoningTokens: ["completion_tokens_details.reasoning_tokens", "reasoning_tokens"],
};

function usageOf(usage: unknown): Usage | null {
  if (!isRecord(usage)) return null;
  const found: { -readonly [Name in keyof Usage]?: number } = {};
  for (const [name, paths] of Object.entries(COUNTS)) {
    const counts = paths.map((path) => path.split(".").reduce(fieldOf, usage as unknown));
    const count = counts.find((it) => Number.isSafeInteger(it) && Number(it) >= 0);
    if (count !== undefined) found[name as keyof Usage] = Number(count);
  }
  const { inputTokens, outputTokens } = found;
  return inputTokens === undefined || outputTokens === undefined ? null : { ...found, inputTokens, outputTokens };
}

const DONE = new Set(
  (
    "stop stopped stop_sequence stop_str stop_string_found stop_token stop_word stop_words eos eos_token eos_found end end_turn end_of_turn turn_end tool_call tool_calls tool_use " +
    "tool function_call function_calls done complete completed finish finished success normal null none"
  )
    .split(" ")
    .map(plain),
);
const CUT = /length|(?:max|limit|output)[_-]?\w*tokens|tokens?[_-](?:limit|max)|context[_-]window/;
const FILTERED =
  /filter|safety|refus|recitation|block|prohibit|sensitive|moderat|guardrail|censor|flagged|spii|policy|harm|intervened/;

/**
 * Null while there is no word. Throws StreamFault for one that says that the reply is broken off, and for one that nobody knows: what
 * may be half a reply must not look like a whole one.
 *
 * @example
 * ```ts
 * toFinishReason("end_turn"); // "stop"
 * toFinishReason("max_tokens"); // "length"
 * toFinishReason(null); // null
 * ```
 */
export function toFinishReason(word: unknown): FinishReason | null {
  if (typeof word !== "string" || word.trim() === "") return null;
  const known = word
    .trim()
    .toLowerCase()
    .slice(0, MAX_WORD)
    .replace(/^finish_?reason_?/, "");
  if (DONE.has(plain(known))) return "stop";
  if (CUT.test(known)) return "length";
  if (FILTERED.test(known)) return "filtered";
  throw new StreamFault("ended", { detail: word });
}

/** Vendors write one word as `end_turn`, `END_TURN`, `end-turn` and `endTurn`. */
function plain(word: string): string {
  return word.replace(/[_-]/g, "");
}

const MAX_WORD = 100; // Characters. The longest known has 29.
