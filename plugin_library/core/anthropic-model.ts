/**
 * Claude by Anthropic's own Messages API, beside the endpoints that are there: thinking, tools, images and PDFs as the API
 * has them. Where an endpoint offers the same id, that one keeps it and ours is `anthropic/id`. The API wants the thinking
 * before a tool call back with its signature, which the thread does not keep: it is remembered here for the turn, and
 * where it is lost (a restart, another process) the rest of that turn goes on without thinking.
 *
 * Settings (plugins.yaml, `anthropic-model`): `api_key`, best as `${ANTHROPIC_API_KEY}`; `base_url`; `models`, ids to offer
 * instead of asking for the list; `max_tokens` of a reply (16,000); `parameters` of every call, such as
 * `thinking: { type: enabled, budget_tokens: 4000 }`. Last change: 2026-11-22.
 */

import {
  AppError,
  type Core,
  type FileInfo,
  type FinishReason,
  type JsonObject,
  type ModelCall,
  type ModelEvent,
  type ModelMessage,
  type ModelProtocol,
  type Plugin,
  type Static,
  type ToolCall,
  t,
} from "skeleton";

const NAME = "anthropic-model";

const settings = t.Object({
  api_key: t.String({ minLength: 1 }),
  base_url: t.String({ pattern: "^https?://", default: "https://api.anthropic.com" }),
  models: t.Optional(t.Array(t.String({ minLength: 1 }))),
  max_tokens: t.Integer({ minimum: 1, default: 16_000 }),
  parameters: t.Record(t.String(), t.Unknown(), { default: {} }),
});

type Settings = Static<typeof settings>;

export default { name: NAME, settings, provide: { model: createModel } } satisfies Plugin;

function createModel(core: Core, base: ModelProtocol): ModelProtocol {
  const own = () => core.settings<Settings>(NAME);
  const list = createList(core);
  const thoughts = createThoughts();

  /** The API's name of a model by the id under which it is offered. */
  const named = (ids: readonly string[], others: readonly string[]): Map<string, string> =>
    new Map(ids.map((id) => [others.includes(id) ? `anthropic/${id}` : id, id]));

  const find = async (id: string): Promise<string | null> => {
    const [others, { known }] = await Promise.all([base.list(), list(own())]);
    return named(known, others).get(id) ?? null;
  };

  return {
    async list() {
      const [others, { known, isDown }] = await Promise.all([base.list(), list(own())]);
      return isDown ? others : [...new Set([...others, ...named(known, others).keys()])];
    },
    async describe(id) {
      if ((await find(id)) === null) return (await base.describe?.(id)) ?? null;
      return { id, capabilities: ["vision", "tools"], parameters: own().parameters as JsonObject };
    },
    async *stream(call, signal) {
      const model = await find(call.model);
      if (model === null) yield* base.stream(call, signal);
      else yield* streamCall(core, await createRequest(core, { ...call, model }, own(), thoughts), thoughts, signal);
    },
  };
}

const FRESH_MS = 60_000;
const RETRY_DOWN_MS = 5_000;
const LIST_WAIT_MS = 3_000; // As long as a person waits for a page.

interface List {
  /** Ids when the API was last heard: a call to one of them tells a person what is wrong now. */
  readonly known: readonly string[];
  readonly isDown: boolean;
}

/** Waits for the first list alone; an old one is served while it is fetched again. */
function createList(core: Core): (own: Settings) => Promise<List> {
  let list: List = { known: [], isDown: false };
  let staleAt = 0;
  let pending: Promise<void> | null = null;

  const refresh = async (own: Settings): Promise<void> => {
    try {
      list = { known: await fetchList(own), isDown: false };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!list.isDown) core.log.warn("Anthropic gives no list of models", { reason });
      list = { ...list, isDown: true };
    }
    staleAt = performance.now() + (list.isDown ? RETRY_DOWN_MS : FRESH_MS);
    pending = null;
  };

  return async (own) => {
    if (own.models) return { known: own.models, isDown: false };
    const isFirst = staleAt === 0;
    if (performance.now() >= staleAt) pending ??= refresh(own);
    if (isFirst) await pending;
    return list;
  };
}

async function fetchList(own: Settings): Promise<string[]> {
  const response = await send(own, "/v1/models?limit=1000", null, AbortSignal.timeout(LIST_WAIT_MS));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const { data } = (await response.json()) as { data?: unknown };
  if (!Array.isArray(data)) throw new Error("the answer is not a list of models");
  return data.map((model) => (isRecord(model) ? model.id : null)).filter((id) => typeof id === "string");
}

function send(own: Settings, path: string, body: object | null, signal: AbortSignal): Promise<Response> {
  return fetch(own.base_url.replace(/\/+$/, "") + path, {
    method: body === null ? "GET" : "POST",
    headers: { "x-api-key": own.api_key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
    body: body === null ? null : JSON.stringify(body),
    signal,
    timeout: false, // MODEL_IDLE_TIMEOUT_S is what counts.
  });
}

type Block = Readonly<Record<string, unknown>>;

interface Thoughts {
  keep(callId: string, blocks: readonly Block[]): void;
  /** Null when nothing is known of the call. */
  get(callId: string): readonly Block[] | null;
}

const THOUGHTS_MAX = 1000; // Tool calls whose thinking is remembered: more than run at a time.

function createThoughts(): Thoughts {
  const kept = new Map<string, readonly Block[]>();
  return {
    keep(callId, blocks) {
      kept.set(callId, blocks);
      const [oldest] = kept.keys();
      if (kept.size > THOUGHTS_MAX && oldest !== undefined) kept.delete(oldest);
    },
    get: (callId) => kept.get(callId) ?? null,
  };
}

interface Request {
  readonly own: Settings;
  readonly model: string;
  readonly body: Readonly<Record<string, unknown>>;
}

async function createRequest(core: Core, call: ModelCall, own: Settings, thoughts: Thoughts): Promise<Request> {
  const { model, tools } = call;
  const parameters: JsonObject = { ...(own.parameters as JsonObject), ...call.parameters };
  const lastUser = call.messages.findLastIndex(({ role }) => role === "user");
  const steps = call.messages.slice(lastUser + 1).filter(({ toolCalls }) => toolCalls?.length);
  const isForgotten = steps.some(({ toolCalls = [] }) => toolCalls.every((it) => thoughts.get(it.callId) === null));
  const { thinking, ...others } = parameters;
  const system = call.messages.filter(({ role }) => role === "system").map(({ content }) => content);
  const body = {
    max_tokens: own.max_tokens,
    ...(isForgotten ? others : parameters),
    model,
    messages: await toMessages(core, call, isForgotten || thinking === undefined ? null : thoughts),
    ...(system.length === 0 ? {} : { system: system.join("\n\n") }),
    ...(tools.length === 0 ? {} : { tools: tools.map(toTool) }),
    stream: true,
  };
  return { own, model, body };
}

function toTool({ name, description, parameters }: ModelCall["tools"][number]): object {
  return { name, description, input_schema: { type: "object", ...parameters } };
}

function thinkingOf({ toolCalls = [] }: ModelMessage, thoughts: Thoughts): readonly Block[] {
  return toolCalls.flatMap(({ callId }) => thoughts.get(callId) ?? []);
}

interface Message {
  readonly role: "user" | "assistant";
  readonly content: Block[];
}

/** With `thoughts` null the model does not think in this call, and past thinking is not sent. */
async function toMessages(core: Core, call: ModelCall, thoughts: Thoughts | null): Promise<Message[]> {
  const fileBlocks = createFileBlocks(core, call.username ?? null);
  const messages: Message[] = [];
  // Newest first, so that what there is room for goes to the files that the conversation is about now.
  for (const message of call.messages.toReversed()) {
    if (message.role === "system") continue;
    const role = message.role === "assistant" ? "assistant" : "user";
    const content = await toBlocks(message, fileBlocks, thoughts);
    const next = messages.at(-1);
    // Results of tools, and whatever the user says after them, are one message to the API.
    if (next?.role === role) next.content.unshift(...content);
    else if (content.length > 0) messages.push({ role, content });
  }
  return messages.reverse();
}

async function toBlocks(
  message: ModelMessage,
  fileBlocks: (files: readonly FileInfo[]) => Promise<Block[]>,
  thoughts: Thoughts | null,
): Promise<Block[]> {
  const { role, content, files = [], toolCalls = [], callId } = message;
  if (role === "tool") return [{ type: "tool_result", tool_use_id: callId, content }];
  const text = role === "assistant" ? content.trimEnd() : content;
  return [
    ...(thoughts ? thinkingOf(message, thoughts) : []),
    ...(await fileBlocks(files)),
    ...(text.trim() === "" ? [] : [{ type: "text", text }]),
    ...toolCalls.map((it) => ({ type: "tool_use", id: it.callId, name: it.name, input: inputOf(it) })),
  ];
}

function inputOf({ arguments: text }: ToolCall): unknown {
  try {
    const input: unknown = JSON.parse(text);
    return typeof input === "object" && input !== null && !Array.isArray(input) ? input : {};
  } catch {
    return {}; // The model wrote no JSON; the result that follows tells it.
  }
}

const FILE_MAX_BYTES = 5 * 1024 * 1024; // What the API takes of an image.
const FILES_MAX_BYTES = 15 * 1024 * 1024; // Of one call; the API takes 32 MB in all.
const TEXT_MAX_BYTES = 256 * 1024;

/** Files as blocks, out of one budget: those that do not fit are named. */
function createFileBlocks(core: Core, username: string | null): (files: readonly FileInfo[]) => Promise<Block[]> {
  let room = FILES_MAX_BYTES;
  const toBlock = async (file: FileInfo): Promise<Block> => {
    const { id, name, type, size } = file;
    const kind = /^image\/(?:png|jpeg|gif|webp)$/.test(type) ? "image" : type === "application/pdf" ? "document" : null;
    const isText = /^text\/|^application\/(?:[\w.-]+\+)?(?:json|xml|yaml|javascript|toml|sql)$/.test(type);
    const fits = size <= Math.min(room, kind ? FILE_MAX_BYTES : TEXT_MAX_BYTES);
    const bytes = (kind || isText) && fits && username !== null ? await core.file.open(username, id) : null;
    if (!bytes)
      return { type: "text", text: `The file ${JSON.stringify(name)} (${type}, ${size} bytes) is not shown.` };
    room -= size;
    if (!kind) return { type: "text", text: `File ${JSON.stringify(name)}:\n${await bytes.text()}` };
    const data = Buffer.from(await bytes.arrayBuffer()).toString("base64");
    return { type: kind, source: { type: "base64", media_type: type, data } };
  };
  return async (files) => {
    const blocks: Block[] = [];
    for (const file of files) blocks.push(await toBlock(file));
    return blocks;
  };
}

/** A failure that a person is told of. */
class Failure extends Error {
  readonly canRetry: boolean;
  readonly retryAfterS: number | undefined;

  constructor(message: string, canRetry: boolean, retryAfterS?: number) {
    super(message);
    this.canRetry = canRetry;
    this.retryAfterS = retryAfterS;
  }
}

const RETRY_WAIT_MAX_S = 20; // Longer than that a person would rather be told.

async function* streamCall(
  core: Core,
  request: Request,
  thoughts: Thoughts,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const { modelMaxRetries, modelIdleTimeoutS } = core.config;
  for (let retries = 0; !signal.aborted; retries++) {
    let hasStarted = false;
    try {
      for await (const event of attempt(request, modelIdleTimeoutS, thoughts, signal)) {
        hasStarted = true;
        yield event;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      const failure = error instanceof Failure ? error : unreachable(hasStarted, error);
      const { message, canRetry, retryAfterS } = failure;
      if (hasStarted || !canRetry || retries >= modelMaxRetries || (retryAfterS ?? 0) > RETRY_WAIT_MAX_S) {
        throw new AppError("upstream", message, { cause: error, ...(retryAfterS ? { retryAfterS } : {}) });
      }
      await pause((retryAfterS ?? 2 ** retries / 2) * 1000, signal);
    }
  }
}

function unreachable(hasStarted: boolean, cause: unknown): Failure {
  const message = hasStarted
    ? "The connection to Anthropic broke before the reply was complete."
    : "Anthropic cannot be reached.";
  return Object.assign(new Failure(message, true), { cause });
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}

async function* attempt(
  { own, model, body }: Request,
  idleS: number,
  thoughts: Thoughts,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const connection = new AbortController();
  let isIdle = false;
  const timer = setTimeout(() => {
    isIdle = true;
    connection.abort();
  }, idleS * 1000);
  try {
    const response = await send(own, "/v1/messages", body, AbortSignal.any([connection.signal, signal]));
    if (!response.ok) throw await refused(response, own, model);
    const reply = createReply(own, thoughts);
    for await (const message of readMessages(response, () => timer.refresh())) yield* reply.push(message);
    yield* reply.end();
  } catch (error) {
    throw isIdle ? new Failure(`The model ${model} sent nothing for ${idleS} seconds.`, false) : error;
  } finally {
    clearTimeout(timer);
    connection.abort(); // Also when the reader of the events left early.
  }
}

const LINE_MAX = 4 * 1024 * 1024; // Characters; without a bound one line could fill the memory.
const LOOP_MS = 4; // A body that always has more ready would else keep everybody else waiting.

/** The JSON of each server-sent event. */
async function* readMessages(response: Response, onBytes: () => void): AsyncGenerator<Block> {
  if (!/event-stream/.test(response.headers.get("content-type") ?? "")) throw malformed();
  const decoder = new TextDecoder();
  let rest = "";
  let sinceMs = performance.now();
  for await (const bytes of response.body ?? []) {
    onBytes();
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_MAX) throw malformed();
    for (const line of lines) if (line.startsWith("data:")) yield parse(line.slice(5));
    if (performance.now() - sinceMs > LOOP_MS) {
      await new Promise(setImmediate);
      sinceMs = performance.now();
    }
  }
}

function parse(text: string): Block {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value)) return value;
  } catch {
    // The parser's message would quote the text.
  }
  throw malformed();
}

function malformed(): Failure {
  return new Failure("Anthropic sent something that is not an answer of a model.", false);
}

function isRecord(value: unknown): value is Block {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface OpenBlock {
  readonly type: unknown;
  readonly start: Block;
  readonly text: string[];
  readonly signature: string[];
}

/** Puts a reply together. Text and thinking go out as they come, calls and the rest at the end. */
function createReply(own: Settings, thoughts: Thoughts) {
  const open = new Map<unknown, OpenBlock>();
  const thinking: Block[] = [];
  const calls: ToolCall[] = [];
  let [inputTokens, outputTokens] = [0, 0];
  let reason: unknown = null;

  const onDelta = (block: OpenBlock | undefined, delta: Block): ModelEvent[] => {
    const text = [delta.text, delta.thinking, delta.partial_json].find((it) => typeof it === "string") ?? "";
    if (typeof delta.signature === "string") block?.signature.push(delta.signature);
    if (text === "") return [];
    block?.text.push(text);
    if (delta.type === "text_delta") return [{ type: "text", text }];
    return delta.type === "thinking_delta" ? [{ type: "thinking", text }] : [];
  };

  const onStop = ({ type, start, text, signature }: OpenBlock): void => {
    const whole = text.join("");
    if (type === "thinking") thinking.push({ type, thinking: whole, signature: signature.join("") });
    else if (type === "redacted_thinking") thinking.push(start);
    else if (type === "tool_use") {
      calls.push({
        callId: String(start.id),
        name: String(start.name),
        arguments: whole === "" ? JSON.stringify(start.input ?? {}) : whole,
      });
    }
  };

  const onUsage = (usage: unknown): void => {
    if (!isRecord(usage)) return;
    const count = (name: string) => (Number.isSafeInteger(usage[name]) ? Number(usage[name]) : 0);
    const input = count("input_tokens") + count("cache_creation_input_tokens") + count("cache_read_input_tokens");
    inputTokens = Math.max(inputTokens, input);
    outputTokens = Math.max(outputTokens, count("output_tokens"));
  };

  return {
    push(message: Block): ModelEvent[] {
      const { type, index, delta, content_block: start } = message;
      if (type === "error") throw reported(message.error, own);
      if (type === "message_start" && isRecord(message.message)) onUsage(message.message.usage);
      if (type === "content_block_start" && isRecord(start)) {
        open.set(index, { type: start.type, start, text: [], signature: [] });
        return onDelta(open.get(index), { type: `${start.type}_delta`, text: start.text, thinking: start.thinking });
      }
      if (type === "content_block_delta" && isRecord(delta)) return onDelta(open.get(index), delta);
      const block = open.get(index);
      if (type === "content_block_stop" && block) onStop(block);
      if (type === "message_delta") {
        onUsage(message.usage);
        reason = isRecord(delta) ? (delta.stop_reason ?? reason) : reason;
      }
      return [];
    },
    end(): ModelEvent[] {
      if (typeof reason !== "string") {
        throw new Failure("The connection to Anthropic broke before the reply was complete.", true);
      }
      if (reason === "refusal") throw new Failure("The content filter of Anthropic ended the reply.", false);
      for (const { callId } of calls.slice(0, 1)) thoughts.keep(callId, thinking);
      return [
        ...calls.map((call) => ({ type: "toolCall" as const, ...call })),
        { type: "usage", inputTokens, outputTokens },
        { type: "finish", reason: finishOf(reason) },
      ];
    },
  };
}

function finishOf(reason: string): FinishReason {
  return reason === "max_tokens" || reason === "model_context_window_exceeded" ? "length" : "stop";
}

/** An error in the middle of a stream. */
function reported(error: unknown, own: Settings): Failure {
  if (isRecord(error) && error.type === "overloaded_error") {
    return new Failure("Anthropic has too much to do at the moment. Try again a little later.", true);
  }
  return new Failure(`Anthropic broke the reply off${detailOf(error, own)}`, true);
}

async function refused(response: Response, own: Settings, model: string): Promise<Failure> {
  const { status, headers } = response;
  const retryAfterS = Math.ceil(Number(headers.get("retry-after") ?? Number.NaN)) || undefined;
  const answer: unknown = await response.json().catch(() => null);
  const sentences: Readonly<Record<number, string>> = {
    401: "Anthropic does not accept the key of this server.",
    403: `Anthropic does not allow this server to use the model ${model}.`,
    404: `Anthropic does not have the model ${model}, or its address is wrong.`,
    413: "The conversation is too large for Anthropic.",
    429: `Anthropic takes no more requests at the moment. Try again ${retryAfterS ? `in ${retryAfterS} seconds` : "a little later"}.`,
  };
  const isTheirs = status >= 500;
  const otherwise = isTheirs
    ? `Anthropic has a problem of its own (HTTP ${status}). Try again a little later.`
    : `Anthropic refuses the request (HTTP ${status})${detailOf(isRecord(answer) ? answer.error : null, own)}`;
  return new Failure(sentences[status] ?? otherwise, isTheirs || status === 429 || status === 408, retryAfterS);
}

const DETAIL_MAX = 300; // Characters: a sentence or two.

/** What the API says of it, on one line, without the key. */
function detailOf(error: unknown, { api_key }: Settings): string {
  const said = isRecord(error) && typeof error.message === "string" ? error.message : "";
  const text = said
    .slice(0, 10_000)
    .replaceAll(api_key, "…")
    .replace(/\bsk-[\w-]+/g, "…")
    .replace(/[\s\p{Cc}]+/gu, " ");
  return text === "" ? "." : `: ${text.slice(0, DETAIL_MAX)}${text.length > DETAIL_MAX ? "…" : ""}`;
}
