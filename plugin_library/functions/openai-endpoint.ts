/**
 * Makes every OpenAI client a client of this server: base URL `https://your.server/_plugin/openai/v1`, and as key a token, of
 * POST /login or of the command `users --token`. Models, masks, limits, hooks and tools are those of the installation; a
 * request is a turn without a thread.
 *
 * Tools of the installation run here, within the request, and the client sees only what is said after them. A client may
 * send `tools` of its own: the model is offered both, and one of the client's takes the place of one of the same name. When
 * the model calls one of the client's, the answer ends with `tool_calls` and the client goes on as with OpenAI; what tools
 * of this server gave in that same answer is not in the client's conversation and may be asked for again. `tool_choice`
 * `none` offers no tool at all, and one that demands a call only the client's. Without a system message the system prompt
 * `default` holds. Images and files come as data: URLs; this server fetches no address for a client. What cannot be given, such as audio
 * or several answers, is refused. Errors are OpenAI's: a refusal by the model's endpoint keeps its status, code, type and param, so that
 * a client repeats what may succeed and nothing else; what the owner has to mend is a 502. `notices` in an answer is what the page would show.
 *
 * What a model wants to see again (reasoning, its details, signatures) comes to the client under the names that its endpoint has for it, with
 * `opaque_from`, and goes back there with the message and its calls; pictures that a model makes come as `images`.
 *
 * Settings (plugins.yaml, `openai`): `keep`, whether complete answers are kept in threads of the user (false): a
 * conversation that a client goes on with stays one thread. Pages of other sites (CORS) may be clients as `CORS_ORIGINS` says:
 * `origins` of earlier versions is not read.
 * Last change: 2026-11-28.
 */

import { createHash } from "node:crypto";
import {
  AppError,
  answerStream,
  apiFailure,
  type Core,
  type FileInfo,
  isRecord,
  type Json,
  type JsonObject,
  type NewContextMessage,
  type Opaque,
  type Plugin,
  readDataUrl,
  readJson,
  requireRoom,
  type SseMessage,
  type Static,
  type Tool,
  type ToolCall,
  type ToolChoice,
  t,
  takeSlotFor,
  type Usage,
  type User,
} from "skeleton";

const NAME = "openai";
const PATH = `/_plugin/${NAME}/v1`;
const THREADS = "openai_threads";
const TITLE_MAX = 60; // Characters.

const settings = t.Object({
  keep: t.Boolean({ default: false }),
  /** Of earlier versions. */
  origins: t.Optional(t.Array(t.String())),
});

type Settings = Static<typeof settings>;

const ORIGINS_MOVED =
  "The setting `origins` is not read any more, and no page of another site is let in by it. Name the sites in the environment variable CORS_ORIGINS, exactly, separated by commas";

export default {
  name: NAME,
  // A client without a valid token is refused here, in the shape that it understands.
  access: "public",
  settings,
  start(core) {
    if (core.settings<Settings>(NAME).origins?.length) core.log.error(ORIGINS_MOVED, { plugin: NAME });
    return core.store.createStoreIfNotExists(THREADS, { thread_id: "str", head_id: "str" });
  },
  page: (core) => ({
    handle: (request, user) => route(core, request, user).catch((error) => failureResponse(core, error)),
  }),
} satisfies Plugin;

async function route(core: Core, request: Request, user: User | null): Promise<Response> {
  if (!user)
    throw new AppError("unauthenticated", "The API key is no valid token of this server. Sign in for another one.");
  const path = new URL(request.url).pathname;
  if (request.method === "GET" && path === `${PATH}/models`) {
    return Response.json({ object: "list", data: await models(core, user) });
  }
  if (request.method === "GET" && path.startsWith(`${PATH}/models/`)) {
    const id = decoded(path.slice(`${PATH}/models/`.length));
    const model = (await models(core, user)).find((it) => it.id === id);
    if (model) return Response.json(model);
    throw new AppError("notFound", `There is no model ${shortly(id)}.`, { reason: "modelGone" });
  }
  if (request.method === "POST" && path === `${PATH}/chat/completions`) return complete(core, request, user);
  throw new AppError("notFound", "There is nothing at this address. There are: models and chat/completions.");
}

/** An address need not be one that can be read back. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function models(core: Core, user: User) {
  const ids = await core.model.list();
  const allowed = await Promise.all(ids.map((id) => core.auth.requestAllowed(user, id)));
  return ids.filter((_, at) => allowed[at]).map((id) => ({ id, object: "model", created: 0, owned_by: "skeleton" }));
}

interface Asked {
  readonly model: string;
  readonly system?: string;
  readonly messages: readonly NewContextMessage[];
  readonly parameters: JsonObject;
  /** The client's own. */
  readonly tools: readonly Tool[];
  readonly toolChoice: "auto" | "none" | ToolChoice;
  readonly isStream: boolean;
  readonly hasUsage: boolean;
}

type Piece =
  | { readonly type: "text" | "thinking" | "notice"; readonly text: string }
  | { readonly type: "wasThinking" }
  /** `url` has its bytes. */
  | { readonly type: "picture"; readonly url: string }
  | {
      readonly type: "end";
      readonly reason: string;
      readonly calls: readonly Call[];
      readonly usage: Usage | null;
      /** Of the last step. */
      readonly opaque: Opaque | null;
    };

interface Call extends ToolCall {
  /** What its endpoint gave with it. */
  readonly fields?: JsonObject;
}

async function complete(core: Core, request: Request, user: User): Promise<Response> {
  /** Not kept, unless a thread has them. */
  const uploads = new Map<string, FileInfo>();
  const forget = async () => {
    for (const id of uploads.keys()) await core.file.remove(user.username, id);
    uploads.clear();
  };
  const pieces = async function* (asked: Asked): AsyncGenerator<Piece> {
    let text = "";
    try {
      for await (const piece of answer(core, user, asked, uploads, request.signal)) {
        if (piece.type === "text") text += piece.text;
        if (piece.type === "wasThinking") text = "";
        const isWhole = piece.type === "end" && piece.calls.length === 0;
        if (isWhole && core.settings<Settings>(NAME).keep) await keep(core, user, asked, text, uploads);
        yield piece;
      }
    } finally {
      await forget();
    }
  };
  try {
    const asked = await readRequest(core, user, await readJson(request), uploads);
    // Refusals must come before the model is called.
    if (core.settings<Settings>(NAME).keep) await requireRoom(core, user.username, 0);
    if (asked.isStream) takeSlotFor(core, request, user.username);
    if (!asked.isStream) return await whole(asked, pieces(asked));
    return await answerStream(encode(asked, pieces(asked)), (error) => json(failureOf(core, error).body));
  } catch (error) {
    await forget();
    throw error;
  }
}

async function* answer(
  core: Core,
  user: User,
  asked: Asked,
  uploads: Map<string, FileInfo>,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const { messages, parameters, model, system, toolChoice } = asked;
  const demanded = toolChoice !== "auto" && toolChoice !== "none" && { toolChoice };
  const instructions = system !== undefined && { system };
  const request = { messages, parameters, model, tools: offeredBy(asked), ...demanded, ...instructions };
  const own = new Set(asked.tools.map(({ name }) => name));
  let calls: ToolCall[] = [];
  let usage: Usage | null = null;
  const step = { calls: [] as string[], opaque: null as Opaque | null };
  let opaque: Opaque | null = null;
  for await (const event of await core.turns.answer(user, request, signal)) {
    if (event.type === "text" || event.type === "thinking" || event.type === "notice") yield event;
    else if (event.type === "wasThinking") yield event;
    else if (event.type === "opaque") step.opaque = event;
    else if (event.type === "file") {
      // The client has it with the answer; nobody would find it here.
      uploads.set(event.file.id, event.file);
      yield* pictureOf(core, user, event.file);
    } else if (event.type === "toolCall") {
      step.calls.push(event.callId);
      if (own.has(event.name)) calls.push(event);
    } else if (event.type === "toolResult" && "error" in event) {
      // The arguments do not fit the client's own schema: the model was told and tries again.
      calls = calls.filter(({ callId }) => callId !== event.callId);
    } else if (event.type === "step") {
      usage = sum(usage, event.usage);
      opaque = step.opaque;
      const fieldsOf = ({ callId }: ToolCall) => opaque?.calls?.[step.calls.indexOf(callId)] ?? {};
      const withFields = calls.map((call) => ({ ...call, fields: fieldsOf(call) }));
      if (calls.length > 0) return yield { type: "end", reason: "tool_calls", calls: withFields, usage, opaque };
      Object.assign(step, { calls: [], opaque: null });
    } else if (event.type === "end")
      yield { type: "end", reason: REASONS[event.reason], calls: [], usage: event.usage, opaque };
  }
}

async function* pictureOf(core: Core, user: User, file: FileInfo): AsyncGenerator<Piece> {
  const bytes = await core.file.open(user.username, file.id);
  if (!bytes || !file.type.startsWith("image/")) return;
  const base64 = Buffer.from(await bytes.arrayBuffer()).toString("base64");
  yield { type: "picture", url: `data:${file.type};base64,${base64}` };
}

const REASONS = { stop: "stop", length: "length", filtered: "content_filter", stopped: "stop" } as const;

function sum(a: Usage | null, b: Usage | null): Usage | null {
  if (!a || !b) return a ?? b;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedTokens: (a.cachedTokens ?? 0) + (b.cachedTokens ?? 0),
    reasoningTokens: (a.reasoningTokens ?? 0) + (b.reasoningTokens ?? 0),
  };
}

function offeredBy({ tools, toolChoice }: Asked): (installed: readonly Tool[]) => readonly Tool[] {
  const names = new Set(tools.map(({ name }) => name));
  if (toolChoice === "none") return () => [];
  if (toolChoice !== "auto") return () => tools;
  return (installed) => [...installed.filter(({ name }) => !names.has(name)), ...tools];
}

async function whole(asked: Asked, pieces: AsyncIterable<Piece>): Promise<Response> {
  const texts = { text: "", thinking: "" };
  const notices: string[] = [];
  const pictures: string[] = [];
  for await (const piece of pieces) {
    if (piece.type === "notice") notices.push(piece.text);
    else if (piece.type === "picture") pictures.push(piece.url);
    else if (piece.type === "wasThinking") Object.assign(texts, { thinking: texts.thinking + texts.text, text: "" });
    else if (piece.type !== "end") texts[piece.type] += piece.text;
    if (piece.type !== "end") continue;
    const toolCalls = piece.calls.length > 0 && { tool_calls: piece.calls.map(callJson) };
    const thinking = texts.thinking && { reasoning_content: texts.thinking };
    const images = pictures.length > 0 && { images: pictures.map(imageJson) };
    const said = { role: "assistant", content: texts.text || null, ...thinking, ...images };
    const message = { ...opaqueJson(piece.opaque), ...said, ...toolCalls };
    const choices = [{ index: 0, message, finish_reason: piece.reason, logprobs: null }];
    const usage = piece.usage && { usage: usageJson(piece.usage) };
    return Response.json({ ...head(asked, ""), choices, ...usage, ...(notices.length > 0 && { notices }) });
  }
  throw new AppError("unavailable", "The request ended before the answer did.");
}

async function* encode(asked: Asked, pieces: AsyncIterable<Piece>): AsyncGenerator<SseMessage, void> {
  const common = head(asked, ".chunk");
  const chunk = (delta: object, reason: string | null = null, more: object = {}) =>
    json({ ...common, choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }], ...more });
  let role: object = { role: "assistant" };
  const notices: string[] = [];
  for await (const piece of pieces) {
    if (piece.type === "notice") notices.push(piece.text);
    else if (piece.type === "end") {
      const toolCalls = piece.calls.map((call, index) => ({ index, ...callJson(call) }));
      yield chunk({ ...opaqueJson(piece.opaque), ...role, ...(toolCalls.length > 0 && { tool_calls: toolCalls }) });
      yield chunk({}, piece.reason, notices.length > 0 ? { notices } : {});
      if (asked.hasUsage && piece.usage) yield json({ ...common, choices: [], usage: usageJson(piece.usage) });
      yield { data: "[DONE]" };
    } else if (piece.type === "picture") {
      yield chunk({ ...role, images: [imageJson(piece.url)] });
      role = {};
    } else if (piece.type !== "wasThinking") {
      yield chunk({ ...role, [piece.type === "text" ? "content" : "reasoning_content"]: piece.text });
      role = {};
    }
  }
}

function json(data: object): SseMessage {
  return { data: JSON.stringify(data) };
}

function head({ model }: Asked, kind: string) {
  const created = Math.floor(Date.now() / 1000);
  return { id: `chatcmpl-${Bun.randomUUIDv7()}`, object: `chat.completion${kind}`, created, model };
}

function callJson({ callId, name, arguments: args, fields = {} }: Call) {
  const made = isRecord(fields.function) ? fields.function : {};
  return { ...fields, id: callId, type: "function", function: { ...made, name, arguments: args } };
}

function imageJson(url: string) {
  return { type: "image_url", image_url: { url } };
}

// Names of thinking as a plain text, which is told as `reasoning_content`.
const PLAIN = ["reasoning_content", "reasoning", "thinking", "reasoning_text", "thought"];

/** Fields of the message beside what was told already, and where they are from, with the endpoint's name for plain thinking. */
function opaqueJson(opaque: Opaque | null): JsonObject {
  if (opaque === null || opaque.from === null) return {};
  const { content: _, ...fields } = opaque.message ?? {};
  const plain = PLAIN.find((name) => typeof fields[name] === "string");
  const others = Object.entries(fields).filter(([name]) => name !== plain);
  return { ...Object.fromEntries(others), opaque_from: plain === undefined ? opaque.from : `${opaque.from}#${plain}` };
}

// What OpenAI's messages have, and what this endpoint adds to them for a person.
const KNOWN = new Set([
  ...["role", "content", "name", "refusal", "tool_calls", "function_call", "tool_call_id", "audio", "annotations"],
  ...["images", "index", "opaque_from"],
]);

/** What came with an answer, as a client sends it back. Without `opaque_from` it may be of any endpoint. */
function readOpaque(message: Fields, calls: readonly Fields[], thinking: unknown): { opaque?: Opaque } {
  const [from = null, plain = ""] = typeof message.opaque_from === "string" ? message.opaque_from.split("#") : [];
  const others = Object.entries(unknownIn(message, KNOWN));
  const fields = Object.fromEntries(
    others.filter(([name, value]) => !PLAIN.includes(name) || typeof value !== "string"),
  );
  if (from !== null && PLAIN.includes(plain) && typeof thinking === "string") fields[plain] = thinking;
  const ofCalls = calls.map(({ function: made, ...call }) => {
    const ofFunction = isRecord(made) ? unknownIn(made, new Set(["name", "arguments"])) : {};
    const known = unknownIn(call, new Set(["id", "type", "index"]));
    return { ...known, ...(Object.keys(ofFunction).length > 0 && { function: ofFunction }) };
  });
  const hasCalls = ofCalls.some((call) => Object.keys(call).length > 0);
  if (Object.keys(fields).length === 0 && !hasCalls) return {};
  return { opaque: { from, message: fields, ...(hasCalls && { calls: ofCalls }) } };
}

function unknownIn(fields: Fields, known: ReadonlySet<string>): Record<string, Json> {
  const others = Object.entries(fields).filter(([name, value]) => !known.has(name) && value !== null);
  return Object.fromEntries(others) as Record<string, Json>;
}

function usageJson({ inputTokens, outputTokens, cachedTokens, reasoningTokens }: Usage) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    ...(cachedTokens !== undefined && { prompt_tokens_details: { cached_tokens: cachedTokens } }),
    ...(reasoningTokens !== undefined && { completion_tokens_details: { reasoning_tokens: reasoningTokens } }),
  };
}

function failureResponse(core: Core, error: unknown): Response {
  const { status, retryAfterS, body } = failureOf(core, error);
  const headers: Record<string, string> = retryAfterS ? { "retry-after": String(retryAfterS) } : {};
  return Response.json(body, { status, headers });
}

function failureOf(core: Core, error: unknown) {
  const { status, message, code, type, param = null, retryAfterS } = apiFailure(error);
  if (code === "internal") core.log.error("A request to the OpenAI endpoint failed", { error: error as Error });
  const usual = status === 429 ? "rate_limit_error" : status < 500 ? "invalid_request_error" : "server_error";
  return { status, retryAfterS, body: { error: { message, type: type ?? usual, param, code } } };
}

type Fields = { readonly [name: string]: unknown };

async function readRequest(core: Core, user: User, body: unknown, uploads: Map<string, FileInfo>): Promise<Asked> {
  if (!isRecord(body)) throw new AppError("invalid", "The body of the request must be an object.");
  const { model, messages, stream, stream_options, tools, tool_choice, user: _, store: __, ...others } = body;
  if (typeof model !== "string" || model === "") throw refusal("`model` is missing.", "model");
  if (!Array.isArray(messages)) throw refusal("`messages` must be a list.", "messages");
  const parameters = withoutUnable(others);
  const own = readTools(tools);
  const system = messages.filter(isInstruction).map(({ content }) => textOf(content));
  const said: NewContextMessage[] = [];
  for (const message of messages) {
    if (!isInstruction(message)) said.push(await readMessage(core, user, message, uploads));
  }
  if (said.length === 0) throw refusal("`messages` must have at least one that is no instruction.", "messages");
  return {
    model,
    messages: said,
    parameters,
    tools: own,
    toolChoice: readToolChoice(tool_choice, own),
    isStream: stream === true,
    hasUsage: isRecord(stream_options) && stream_options.include_usage === true,
    ...(system.length > 0 && { system: system.join("\n\n") }),
  };
}

/** `param` is the field of the request that is at fault. */
function refusal(message: string, param: string, code = "invalid_value"): AppError {
  return new AppError("invalid", message, { facts: { code, param } });
}

/** What a client may ask for and does not get here, and what is the same as not asking. An answer without it would look like one with it. */
const UNABLE: Readonly<Record<string, readonly [isNothing: (value: unknown) => boolean, sentence: string]>> = {
  n: [(it) => it === 1, "`n` can only be 1."],
  audio: [() => false, "Audio cannot be given here: answers are text."],
  modalities: [(it) => Bun.deepEquals(it, ["text"]), "`modalities` can only be text: answers are text."],
  logprobs: [(it) => it === false, "`logprobs` cannot be given here: answers pass through the server as text."],
  top_logprobs: [(it) => it === 0, "`top_logprobs` cannot be given here: answers pass through the server as text."],
  functions: [(it) => Array.isArray(it) && it.length === 0, "`functions` are called `tools` here."],
  function_call: [(it) => it === "none", "`function_call` is called `tool_choice` here."],
};

function withoutUnable(fields: Fields): JsonObject {
  for (const [name, [isNothing, sentence]] of Object.entries(UNABLE)) {
    const value = fields[name] ?? null;
    if (value !== null && !isNothing(value)) throw refusal(sentence, name, "unsupported_parameter");
  }
  return Object.fromEntries(Object.entries(fields as JsonObject).filter(([name]) => !Object.hasOwn(UNABLE, name)));
}

function isInstruction(message: unknown): message is Fields {
  return isRecord(message) && (message.role === "system" || message.role === "developer");
}

function readTools(tools: unknown): Tool[] {
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) throw refusal("`tools` must be a list.", "tools");
  return tools.map((tool: unknown): Tool => {
    const made = isRecord(tool) && tool.type === "function" && isRecord(tool.function) ? tool.function : {};
    const { name, description, parameters, strict } = made;
    if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
      throw refusal("Each of `tools` must be a function with a name of 1 to 64 letters, digits, _ and -.", "tools");
    }
    return {
      name,
      description: typeof description === "string" ? description : "",
      parameters: (isRecord(parameters)
        ? withoutPatterns(parameters)
        : { type: "object", properties: {} }) as Tool["parameters"],
      ...(typeof strict === "boolean" && { strict }),
      // Nobody reads this result: the answer ends with the call.
      execute: async () => "The client runs this tool.",
    };
  });
}

/** Of the client's tools alone: a call of one of this server's would be no answer. */
function readToolChoice(choice: unknown, tools: readonly Tool[]): Asked["toolChoice"] {
  if (choice === "none" || choice === "auto") return choice;
  if (choice === undefined || choice === null) return "auto";
  if (tools.length === 0) throw refusal("`tool_choice` demands a call, and there are no `tools`.", "tool_choice");
  if (choice === "required") return "required";
  const name =
    isRecord(choice) && choice.type === "function" && isRecord(choice.function) ? choice.function.name : null;
  const tool = tools.find((it) => it.name === name);
  if (tool) return { name: tool.name };
  throw refusal("`tool_choice` can be none, auto, required, or one of the functions in `tools`.", "tool_choice");
}

const NAMED = new Set(["properties", "$defs", "definitions"]); // What stands below is by name.

/** A user's expressions could hold up the server when the model's arguments are looked at; the client has its own look. */
function withoutPatterns(schema: unknown, isNamed = false): unknown {
  if (Array.isArray(schema)) return schema.map((it) => withoutPatterns(it));
  if (!isRecord(schema)) return schema;
  const hasNames = !isNamed && isRecord(schema.patternProperties);
  const dropped = isNamed ? [] : ["pattern", "patternProperties", ...(hasNames ? ["additionalProperties"] : [])];
  const kept = Object.entries(schema).filter(([key]) => !dropped.includes(key));
  return Object.fromEntries(kept.map(([key, it]) => [key, withoutPatterns(it, !isNamed && NAMED.has(key))]));
}

async function readMessage(
  core: Core,
  user: User,
  message: unknown,
  uploads: Map<string, FileInfo>,
): Promise<NewContextMessage> {
  const { role, content, tool_calls, tool_call_id, name, reasoning_content, reasoning } = isRecord(message)
    ? message
    : {};
  if (role === "tool") return { role, content: textOf(content), callId: String(tool_call_id ?? "") };
  const named = (name ?? "") === "" ? {} : { name: readName(name) };
  if (role === "assistant") {
    const made = Array.isArray(tool_calls) ? tool_calls.filter(isRecord) : [];
    const calls = made.map(readCall);
    const thinking = reasoning_content ?? reasoning;
    return {
      role,
      content: textOf(content),
      ...named,
      ...(typeof thinking === "string" && thinking !== "" && { thinking }),
      ...(isRecord(message) && readOpaque(message, made, thinking)),
      ...(calls.length > 0 && { toolCalls: calls }),
    };
  }
  if (role !== "user") throw refusal(`A message cannot have the role ${shortly(role)}.`, "messages");
  const parts = Array.isArray(content) ? content.filter(isRecord) : [];
  const files: FileInfo[] = [];
  for (const part of parts) {
    if (part.type === "text") continue;
    const { detail, ...sent } = readFile(part);
    const file = await core.file.put(user.username, sent);
    uploads.set(file.id, file);
    files.push({ ...file, ...(detail !== undefined && { detail }) });
  }
  return { role, content: textOf(content), ...named, ...(files.length > 0 && { files }) };
}

function readName(name: unknown): string {
  if (typeof name === "string" && /^[^\s<|\\/>]{1,64}$/.test(name)) return name;
  throw refusal("The `name` of a message must have 1 to 64 characters, and no space, <, >, |, / or \\.", "messages");
}

function readCall(call: Fields): ToolCall {
  const made = isRecord(call.function) ? call.function : {};
  return { callId: String(call.id ?? ""), name: String(made.name ?? ""), arguments: String(made.arguments ?? "") };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  const texts = content.filter(isRecord).map((part) => part.text ?? part.refusal);
  return texts.filter((text) => typeof text === "string").join("\n");
}

interface SentFile {
  readonly name: string;
  readonly type: string;
  readonly data: Blob;
  /** Of an image. */
  readonly detail?: string;
}

function readFile(part: Fields): SentFile {
  if (part.type === "input_audio") throw refusal("Audio cannot be sent to a model here.", "messages");
  const { url, detail, file_data, filename } =
    [part.type === "image_url" && part.image_url, part.type === "file" && part.file].find(isRecord) ?? {};
  const data = readDataUrl(String(url ?? file_data ?? ""));
  if (data === null) {
    const sentence = `A part of the type ${shortly(part.type)} has to be an image_url or file with a data: URL in base64.`;
    throw refusal(sentence, "messages");
  }
  const name = typeof filename === "string" && filename !== "" ? filename : `image.${data.type.replace(/^.*\//, "")}`;
  const look = typeof detail === "string" && /^[a-z]{1,16}$/.test(detail) && { detail };
  return { name, type: data.type, data, ...look };
}

/** What is refused is named, and not repeated whatever it is. */
function shortly(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 50)) : `(${typeof value})`;
}

/** Adds question and answer to the thread that has what came before, or to one that is made of it. */
async function keep(core: Core, user: User, asked: Asked, text: string, uploads: Map<string, FileInfo>): Promise<void> {
  const said = asked.messages.filter(({ role, toolCalls }) => role === "user" || (role === "assistant" && !toolCalls));
  const at = said.findLastIndex(({ role }) => role === "user");
  const known = await core.store.get(user.username, THREADS, keyOf(said.slice(0, at)));
  const thread = known && (await core.thread.get(user.username, String(known.thread_id)));
  const threadId =
    thread?.id ?? (await core.thread.create(user.username, { title: titleOf(said), model: asked.model })).id;
  let parentId = thread && known ? String(known.head_id) : null;
  const turnId = Bun.randomUUIDv7();
  for (const message of [...said.slice(thread ? at : 0), { role: "assistant", content: text } as const]) {
    const { role, content, files } = message;
    const place = {
      parentId,
      turnId,
      step: role === "user" ? 0 : 1,
      ...(role === "assistant" && { model: asked.model }),
    };
    const fields = {
      role: role === "user" ? role : "assistant",
      type: "text",
      content,
      ...(files && { files }),
    } as const;
    parentId = (await core.thread.append(user.username, threadId, { ...place, ...fields })).id;
    for (const { id } of files ?? []) uploads.delete(id);
  }
  const id = keyOf([...said, { role: "assistant", content: text }]);
  const fields = { thread_id: threadId, head_id: parentId };
  if (await core.store.update(user.username, THREADS, id, fields)) return;
  await core.store.add(user.username, THREADS, fields, id);
}

/** A conversation is known by its words. */
function keyOf(said: readonly NewContextMessage[]): string {
  const words = said.map(({ role, content }) => [role, content]);
  return createHash("sha256").update(JSON.stringify(words)).digest("hex");
}

function titleOf(said: readonly NewContextMessage[]): string {
  const question = said.find(({ role }) => role === "user")?.content.trim() ?? "";
  const [line = ""] = question.split(/[\r\n]/, 1);
  return [...line].slice(0, TITLE_MAX).join("");
}
