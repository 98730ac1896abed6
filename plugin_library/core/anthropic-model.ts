/**
 * Claude by Anthropic's own Messages API, beside the endpoints that are there: thinking, tools, images and PDFs as the API
 * has them. Where an endpoint offers the same id, that one keeps it and ours is `anthropic/id`. The API wants the thinking
 * before a tool call back with its signature, which is kept with the step. Where it is not (another model made the call) the
 * rest of that turn goes on without thinking.
 *
 * Settings (plugins.yaml, `anthropic-model`): `api_key`, best as `${ANTHROPIC_API_KEY}`; `base_url`; `models`, ids to offer
 * instead of asking for the list; `max_tokens` of a reply (16,000); `parameters` of every call, such as
 * `thinking: { type: enabled, budget_tokens: 4000 }`. Last change: 2026-11-28.
 */

import {
  type Core,
  callEndpoint,
  createFileParts,
  createLists,
  type FileInfo,
  fetchEndpoint,
  isRecord,
  type JsonObject,
  type ModelCall,
  type ModelEvent,
  type ModelMessage,
  type ModelProtocol,
  type Plugin,
  plainCalls,
  type ReplyReader,
  type Static,
  StreamFault,
  type ToolCall,
  t,
  toFinishReason,
  toolSchema,
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

// Without its key the models of others are still there.
export default { name: NAME, required: false, settings, provide: { model: createModel } } satisfies Plugin;

function createModel(core: Core, base: ModelProtocol): ModelProtocol {
  const own = core.settings<Settings>(NAME);
  const endpoint = { name: "Anthropic", apiKey: own.api_key, baseUrl: own.base_url };
  const ask = (_: typeof endpoint, signal: AbortSignal) => send(own, "/v1/models?limit=1000", null, signal);
  const lists = createLists(core.log, ask, () => {});

  /** The API's name of each model by the id under which it is offered. */
  const offered = async (others: readonly string[]): Promise<Map<string, string>> => {
    const ids = own.models ?? (await lists.get(endpoint));
    return new Map(ids.map((id) => [others.includes(id) ? `anthropic/${id}` : id, id]));
  };

  const find = async (id: string): Promise<string | null> => {
    const others = await base.list();
    const found = (await offered(others)).get(id);
    if (found !== undefined || others.includes(id)) return found ?? null;
    // While the API is down, a call to one of its models tells a person what is wrong now.
    const known = id.replace(/^anthropic\//, "");
    return lists.hasListed(endpoint, known) ? known : null;
  };

  return {
    async list() {
      const others = await base.list();
      return [...new Set([...others, ...(await offered(others)).keys()])];
    },
    async missing() {
      const others = (await base.missing?.()) ?? [];
      const why = own.models ? null : lists.whyMissing(endpoint);
      return why === null ? others : [...others, `${why} Its address and key are those of ${NAME} in plugins.yaml.`];
    },
    async describe(id) {
      if ((await find(id)) === null) return (await base.describe?.(id)) ?? null;
      return { id, capabilities: ["vision", "tools"], parameters: own.parameters as JsonObject };
    },
    async *stream(call, signal) {
      const model = await find(call.model);
      if (model === null) return yield* base.stream(call, signal);
      const body = await createBody(core, { ...call, model, messages: plainCalls(call.messages) }, own);
      const request = {
        endpoint,
        model,
        send: (connection: AbortSignal) => send(own, "/v1/messages", body, connection),
        createReply: () => createReply(giverOf(model)),
      };
      yield* callEndpoint(core.config, request, signal);
    },
  };
}

function send(own: Settings, path: string, body: object | null, signal: AbortSignal): Promise<Response> {
  return fetchEndpoint(own.base_url.replace(/\/+$/, "") + path, {
    method: body === null ? "GET" : "POST",
    headers: { "x-api-key": own.api_key, "anthropic-version": "2023-06-01", "content-type": "application/json" },
    body: body === null ? null : JSON.stringify(body),
    signal,
  });
}

type Block = Readonly<Record<string, unknown>>;

/** The word for this API's model in what is kept with a reply. */
function giverOf(model: string): string {
  return `${NAME}/${model}`;
}

/** The thinking that came with a message, as the API wants it back; null when none is known of. */
function thinkingOf({ opaque }: ModelMessage, model: string): readonly Block[] | null {
  if (opaque?.from !== giverOf(model) && opaque?.from !== null) return null;
  const blocks: unknown = opaque?.message?.[BLOCKS];
  // A client's are looked at: one that is none would have the whole call refused.
  return Array.isArray(blocks) && blocks.every(isThinking) ? blocks : null;
}

// Under which clients of the OpenAI endpoint know them.
const BLOCKS = "thinking_blocks";

function isThinking(block: unknown): block is Block {
  if (!isRecord(block)) return false;
  if (block.type === "redacted_thinking") return typeof block.data === "string";
  return block.type === "thinking" && typeof block.thinking === "string" && typeof block.signature === "string";
}

async function createBody(core: Core, call: ModelCall, own: Settings): Promise<object> {
  const { model, tools, toolChoice } = call;
  const parameters: JsonObject = { ...(own.parameters as JsonObject), ...call.parameters };
  const lastUser = call.messages.findLastIndex(({ role }) => role === "user");
  const steps = call.messages.slice(lastUser + 1).filter(({ toolCalls }) => toolCalls?.length);
  const isForgotten = steps.some((message) => thinkingOf(message, model) === null);
  const { thinking, ...others } = parameters;
  const offered = tools.map(({ name, description, parameters }) => {
    return { name, description, input_schema: toolSchema(parameters) };
  });
  const demanded = toolChoice === "required" ? { type: "any" } : { type: "tool", name: toolChoice?.name };
  const system = call.messages.filter(({ role }) => role === "system").map(({ content }) => content);
  return {
    max_tokens: own.max_tokens,
    ...(isForgotten ? others : parameters),
    model,
    messages: await toMessages(core, call, !isForgotten && thinking !== undefined),
    ...(system.length === 0 ? {} : { system: system.join("\n\n") }),
    ...(tools.length > 0 && { tools: offered, ...(toolChoice && { tool_choice: demanded }) }),
    stream: true,
  };
}

/** Where the model does not think in this call, past thinking is not sent. */
async function toMessages(core: Core, call: ModelCall, thinks: boolean): Promise<object[]> {
  const fileBlocks = createFileBlocks(core, call.username ?? null);
  const messages: { readonly role: string; readonly content: Block[] }[] = [];
  // Newest first, so that what there is room for goes to the files that the conversation is about now.
  for (const message of call.messages.toReversed()) {
    if (message.role === "system") continue;
    const role = message.role === "assistant" ? "assistant" : "user";
    const thinking = (thinks && role === "assistant" && thinkingOf(message, call.model)) || [];
    const content = [...thinking, ...(await toBlocks(message, fileBlocks))];
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
): Promise<Block[]> {
  const { role, content, files = [], toolCalls = [], callId } = message;
  if (role === "tool") {
    const pictures = await fileBlocks(files.filter(({ type }) => type.startsWith("image/")));
    const said = content === "" ? [] : [{ type: "text", text: content }];
    return [
      { type: "tool_result", tool_use_id: callId, content: pictures.length > 0 ? [...said, ...pictures] : content },
    ];
  }
  const text = role === "assistant" ? content.trimEnd() : content;
  return [
    ...(await fileBlocks(files)),
    ...(text.trim() === "" ? [] : [{ type: "text", text }]),
    ...toolCalls.map((it) => ({ type: "tool_use", id: it.callId, name: it.name, input: JSON.parse(it.arguments) })),
  ];
}

const CONTEXT_TOKENS = 200_000; // The least that a model of the API has.
const DOCUMENTS_MAX_BYTES = 15 * 1024 * 1024; // Of one call; the API takes 32 MB in all.

/** Files as blocks. The API reads a PDF itself, pictures and all; what does not fit comes as its text. */
function createFileBlocks(core: Core, username: string | null): (files: readonly FileInfo[]) => Promise<Block[]> {
  const readFile = createFileParts(core, { username, canSee: true, contextLength: CONTEXT_TOKENS });
  let room = DOCUMENTS_MAX_BYTES;
  const toBlock = async (file: FileInfo): Promise<Block> => {
    const bytes = file.size <= room && username !== null ? await core.file.open(username, file.id) : null;
    if (bytes && (await bytes.slice(0, 5).text()) === "%PDF-") {
      room -= file.size;
      const data = Buffer.from(await bytes.arrayBuffer()).toString("base64");
      return { type: "document", source: { type: "base64", media_type: "application/pdf", data } };
    }
    const part = await readFile(file);
    if (part.type === "text") return { ...part };
    return { type: "image", source: { type: "base64", media_type: part.mediaType, data: part.base64 } };
  };
  // One after the other, which the room is given to in turn.
  return (files) => Array.fromAsync(files, toBlock);
}

interface OpenBlock {
  readonly type: unknown;
  readonly start: Block;
  readonly text: string[];
  readonly signature: string[];
}

/** Puts a reply together. Text and thinking go out as they come, calls and the rest at the end. */
function createReply(from: string): ReplyReader {
  const open = new Map<unknown, OpenBlock>();
  const thinking: Block[] = [];
  const calls: ToolCall[] = [];
  let [inputTokens, cachedTokens, outputTokens, kept] = [0, 0, 0, 0];
  let reason: unknown = null;

  const onDelta = (block: OpenBlock | undefined, delta: Block): ModelEvent[] => {
    const text = [delta.text, delta.thinking, delta.partial_json].find((it) => typeof it === "string") ?? "";
    if (typeof delta.signature === "string") block?.signature.push(delta.signature);
    kept += text.length;
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
    cachedTokens = Math.max(cachedTokens, count("cache_read_input_tokens"));
    outputTokens = Math.max(outputTokens, count("output_tokens"));
  };

  return {
    push(message) {
      if (!isRecord(message)) throw new StreamFault("malformed");
      const { type, index, delta, content_block: start } = message;
      if (type === "error") throw new StreamFault("reported", { detail: message.error });
      if (type === "message_start" && isRecord(message.message)) onUsage(message.message.usage);
      if (type === "content_block_start" && isRecord(start)) {
        kept++;
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
    kept: () => kept,
    isFinished: () => typeof reason === "string",
    end() {
      // All of it at once is an answer that was not asked for.
      if (typeof reason !== "string") throw new StreamFault("malformed");
      // Of a call without thinking it is known that there was none.
      const isKept = thinking.length > 0 || calls.length > 0;
      return [
        ...calls.map((call) => ({ type: "toolCall" as const, ...call })),
        ...(isKept ? [{ type: "opaque" as const, from, message: { [BLOCKS]: thinking as JsonObject[] } }] : []),
        { type: "usage", inputTokens, outputTokens, ...(cachedTokens > 0 && { cachedTokens }) },
        { type: "finish", reason: toFinishReason(reason) ?? "stop" },
      ];
    },
  };
}
