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
 * `default` holds. Images and files come as data: URLs; this server fetches no address for a client.
 *
 * Settings (plugins.yaml, `openai`): `keep`, whether complete answers are kept in threads of the user (false): a
 * conversation that a client goes on with stays one thread; `origins`, sites whose pages may be clients, such as
 * https://app.example, or "*" (default none).
 * Last change: 2026-11-23.
 */

import { createHash } from "node:crypto";
import {
  AppError,
  type Core,
  eventStream,
  type FileInfo,
  HTTP_STATUS,
  type JsonObject,
  type NewContextMessage,
  type Plugin,
  readJson,
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
const ERROR_MS = 5000; // Until then a failure has a status of its own; after it the client must see that it is connected.

const settings = t.Object({
  keep: t.Boolean({ default: false }),
  origins: t.Array(t.String({ pattern: "^(?:\\*|https?://[^/\\s]+)$" }), { default: [] }),
});

type Settings = Static<typeof settings>;

export default {
  name: NAME,
  // A client without a valid token is refused here, in the shape that it understands.
  access: "public",
  settings,
  start: (core) => core.store.createStoreIfNotExists(THREADS, { thread_id: "str", head_id: "str" }),
  page: (core) => ({
    async handle(request, user) {
      const origin = allowedOrigin(core, request);
      if (origin !== null && request.method === "OPTIONS") return preflight(request, origin);
      // The page of another site speaks for itself and brings a key: who opened it is nobody here.
      const who = origin !== null && !request.headers.has("authorization") ? null : user;
      const response = await route(core, request, who).catch((error) => failureResponse(core, error));
      if (origin !== null)
        for (const [name, value] of Object.entries(shared(origin))) response.headers.set(name, value);
      return response;
    },
  }),
} satisfies Plugin;

/** The other site whose page sends the request, when the settings allow it. */
function allowedOrigin(core: Core, request: Request): string | null {
  const { origins } = core.settings<Settings>(NAME);
  const origin = request.headers.get("origin");
  return origin !== null && (origins.includes("*") || origins.includes(origin)) ? origin : null;
}

const PREFLIGHT_S = 600;

/** Browsers ask before they send a key to another site. */
function preflight(request: Request, origin: string): Response {
  const headers = {
    ...shared(origin),
    "access-control-allow-methods": "GET, POST",
    // Clients add headers of their own, which nothing here reads.
    "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "",
    "access-control-max-age": String(PREFLIGHT_S),
  };
  return new Response(null, { status: 204, headers });
}

/** Without `allow-credentials`, so that no browser shows a page what was sent with a cookie of ours. */
function shared(origin: string): Record<string, string> {
  const exposed = "retry-after, x-request-id";
  return { "access-control-allow-origin": origin, "access-control-expose-headers": exposed, vary: "origin" };
}

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
    throw new AppError("notFound", `There is no model ${JSON.stringify(id)}.`);
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
  | { readonly type: "text" | "thinking"; readonly text: string }
  | {
      readonly type: "end";
      readonly reason: string;
      readonly calls: readonly ToolCall[];
      readonly usage: Usage | null;
    };

async function complete(core: Core, request: Request, user: User): Promise<Response> {
  /** Not kept, unless a thread has them. */
  const uploads = new Map<string, FileInfo>();
  const pieces = async function* (asked: Asked): AsyncGenerator<Piece> {
    let text = "";
    for await (const piece of answer(core, user, asked, request.signal)) {
      if (piece.type === "text") text += piece.text;
      const isWhole = piece.type === "end" && piece.calls.length === 0;
      if (isWhole && core.settings<Settings>(NAME).keep) await keep(core, user, asked, text, uploads);
      yield piece;
    }
  };
  const end = async () => {
    for (const id of uploads.keys()) await core.file.remove(user.username, id);
  };
  try {
    const asked = await readRequest(core, user, await readJson(request), uploads);
    // A refusal must come before the model is called.
    if (asked.isStream) takeSlotFor(core, request, user.username);
    if (asked.isStream) return await streamed(core, asked, pieces(asked), end);
    const response = await whole(asked, pieces(asked));
    await end();
    return response;
  } catch (error) {
    await end();
    throw error;
  }
}

async function* answer(core: Core, user: User, asked: Asked, signal: AbortSignal): AsyncGenerator<Piece> {
  const { messages, parameters, model, system, toolChoice } = asked;
  const demanded = toolChoice !== "auto" && toolChoice !== "none" && { toolChoice };
  const instructions = system !== undefined && { system };
  const request = { messages, parameters, model, tools: offeredBy(asked), ...demanded, ...instructions };
  const own = new Set(asked.tools.map(({ name }) => name));
  let calls: ToolCall[] = [];
  let usage: Usage | null = null;
  for await (const event of await core.turns.answer(user, request, signal)) {
    if (event.type === "text" || event.type === "thinking") yield event;
    else if (event.type === "toolCall" && own.has(event.name)) calls.push(event);
    else if (event.type === "toolResult" && "error" in event) {
      // The arguments do not fit the client's own schema: the model was told and tries again.
      calls = calls.filter(({ callId }) => callId !== event.callId);
    } else if (event.type === "step") {
      usage = sum(usage, event.usage);
      if (calls.length > 0) return yield { type: "end", reason: "tool_calls", calls, usage };
    } else if (event.type === "end") yield { type: "end", reason: event.reason, calls: [], usage: event.usage };
  }
}

function sum(a: Usage | null, b: Usage | null): Usage | null {
  if (!a || !b) return a ?? b;
  return { inputTokens: a.inputTokens + b.inputTokens, outputTokens: a.outputTokens + b.outputTokens };
}

function offeredBy({ tools, toolChoice }: Asked): (installed: readonly Tool[]) => readonly Tool[] {
  const names = new Set(tools.map(({ name }) => name));
  if (toolChoice === "none") return () => [];
  if (toolChoice !== "auto") return () => tools;
  return (installed) => [...installed.filter(({ name }) => !names.has(name)), ...tools];
}

async function whole(asked: Asked, pieces: AsyncIterable<Piece>): Promise<Response> {
  const texts = { text: "", thinking: "" };
  for await (const piece of pieces) {
    if (piece.type !== "end") {
      texts[piece.type] += piece.text;
      continue;
    }
    const toolCalls = piece.calls.length > 0 && { tool_calls: piece.calls.map(callJson) };
    const thinking = texts.thinking && { reasoning_content: texts.thinking };
    const message = { role: "assistant", content: texts.text || null, ...thinking, ...toolCalls };
    const choices = [{ index: 0, message, finish_reason: piece.reason, logprobs: null }];
    return Response.json({ ...head(asked, ""), choices, ...(piece.usage && { usage: usageJson(piece.usage) }) });
  }
  throw new AppError("unavailable", "The request ended before the answer did.");
}

/** As long as nothing was sent, a failure has a status; after that it is told in the stream. */
async function streamed(
  core: Core,
  asked: Asked,
  pieces: AsyncGenerator<Piece>,
  end: () => Promise<void>,
): Promise<Response> {
  const messages = encode(asked, pieces);
  const first = messages.next();
  await Promise.race([first, Bun.sleep(ERROR_MS)]);
  const told = async function* () {
    try {
      const { done, value } = await first;
      if (done) return;
      yield value;
      yield* messages;
    } catch (error) {
      yield json(failureOf(core, error).body);
    } finally {
      await end();
    }
  };
  return eventStream(told());
}

async function* encode(asked: Asked, pieces: AsyncIterable<Piece>): AsyncGenerator<SseMessage, void> {
  const common = head(asked, ".chunk");
  const chunk = (delta: object, reason: string | null = null) =>
    json({ ...common, choices: [{ index: 0, delta, finish_reason: reason, logprobs: null }] });
  let role: object = { role: "assistant" };
  for await (const piece of pieces) {
    if (piece.type === "end") {
      const toolCalls = piece.calls.map((call, index) => ({ index, ...callJson(call) }));
      yield chunk({ ...role, ...(toolCalls.length > 0 && { tool_calls: toolCalls }) });
      yield chunk({}, piece.reason);
      if (asked.hasUsage && piece.usage) yield json({ ...common, choices: [], usage: usageJson(piece.usage) });
      yield { data: "[DONE]" };
    } else {
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

function callJson({ callId, name, arguments: args }: ToolCall) {
  return { id: callId, type: "function", function: { name, arguments: args } };
}

function usageJson({ inputTokens, outputTokens }: Usage) {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}

function failureResponse(core: Core, error: unknown): Response {
  const { status, retryAfterS, body } = failureOf(core, error);
  const headers: Record<string, string> = retryAfterS ? { "retry-after": String(retryAfterS) } : {};
  return Response.json(body, { status, headers });
}

function failureOf(core: Core, error: unknown) {
  // The class is not compared: beside the executable it may be another one.
  const known = error instanceof Error && error.name === "AppError" ? (error as AppError) : null;
  if (!known) core.log.error("A request to the OpenAI endpoint failed", { error: error as Error });
  const status = HTTP_STATUS[known?.code ?? "internal"];
  const type = status === 429 ? "rate_limit_error" : status < 500 ? "invalid_request_error" : "server_error";
  const message = known?.message ?? "Something went wrong in the server; its log says what.";
  const code = status === 401 ? "invalid_api_key" : (known?.code ?? null);
  return { status, retryAfterS: known?.retryAfterS, body: { error: { message, type, param: null, code } } };
}

type Fields = { readonly [name: string]: unknown };

async function readRequest(core: Core, user: User, body: unknown, uploads: Map<string, FileInfo>): Promise<Asked> {
  if (!isObject(body)) throw new AppError("invalid", "The body of the request must be an object.");
  const { model, messages, stream, stream_options, tools, tool_choice, n, user: _, store: __, ...parameters } = body;
  if (typeof model !== "string" || model === "") throw new AppError("invalid", "`model` is missing.");
  if (!Array.isArray(messages)) throw new AppError("invalid", "`messages` must be a list.");
  if (n !== undefined && n !== null && n !== 1) throw new AppError("invalid", "`n` can only be 1.");
  const own = readTools(tools);
  const system = messages.filter(isInstruction).map(({ content }) => textOf(content));
  const others: NewContextMessage[] = [];
  for (const message of messages) {
    if (!isInstruction(message)) others.push(await readMessage(core, user, message, uploads));
  }
  if (others.length === 0) throw new AppError("invalid", "`messages` must have at least one that is no instruction.");
  return {
    model,
    messages: others,
    parameters: parameters as JsonObject,
    tools: own,
    toolChoice: readToolChoice(tool_choice, own),
    isStream: stream === true,
    hasUsage: isObject(stream_options) && stream_options.include_usage === true,
    ...(system.length > 0 && { system: system.join("\n\n") }),
  };
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isInstruction(message: unknown): message is Fields {
  return isObject(message) && (message.role === "system" || message.role === "developer");
}

function readTools(tools: unknown): Tool[] {
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) throw new AppError("invalid", "`tools` must be a list.");
  return tools.map((tool: unknown): Tool => {
    const made = isObject(tool) && tool.type === "function" && isObject(tool.function) ? tool.function : {};
    const { name, description, parameters } = made;
    if (typeof name !== "string" || !/^[\w-]{1,64}$/.test(name)) {
      throw new AppError(
        "invalid",
        "Each of `tools` must be a function with a name of 1 to 64 letters, digits, _ and -.",
      );
    }
    return {
      name,
      description: typeof description === "string" ? description : "",
      parameters: (isObject(parameters)
        ? withoutPatterns(parameters)
        : { type: "object", properties: {} }) as Tool["parameters"],
      // Nobody reads this result: the answer ends with the call.
      execute: async () => "The client runs this tool.",
    };
  });
}

/** Of the client's tools alone: a call of one of this server's would be no answer. */
function readToolChoice(choice: unknown, tools: readonly Tool[]): Asked["toolChoice"] {
  if (choice === "none" || choice === "auto") return choice;
  if (choice === undefined || choice === null) return "auto";
  if (tools.length === 0) throw new AppError("invalid", "`tool_choice` demands a call, and there are no `tools`.");
  if (choice === "required") return "required";
  const name =
    isObject(choice) && choice.type === "function" && isObject(choice.function) ? choice.function.name : null;
  const tool = tools.find((it) => it.name === name);
  if (tool) return { name: tool.name };
  throw new AppError("invalid", "`tool_choice` can be none, auto, required, or one of the functions in `tools`.");
}

const NAMED = new Set(["properties", "$defs", "definitions"]); // What stands below is by name.

/** A user's expressions could hold up the server when the model's arguments are looked at; the client has its own look. */
function withoutPatterns(schema: unknown, isNamed = false): unknown {
  if (Array.isArray(schema)) return schema.map((it) => withoutPatterns(it));
  if (!isObject(schema)) return schema;
  const hasNames = !isNamed && isObject(schema.patternProperties);
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
  const { role, content, tool_calls, tool_call_id } = isObject(message) ? message : {};
  if (role === "tool") return { role, content: textOf(content), callId: String(tool_call_id ?? "") };
  if (role === "assistant") {
    const calls = Array.isArray(tool_calls) ? tool_calls.filter(isObject).map(readCall) : [];
    return { role, content: textOf(content), ...(calls.length > 0 && { toolCalls: calls }) };
  }
  if (role !== "user") throw new AppError("invalid", `A message cannot have the role ${JSON.stringify(role)}.`);
  const parts = Array.isArray(content) ? content.filter(isObject) : [];
  const files: FileInfo[] = [];
  for (const part of parts) {
    if (part.type === "text") continue;
    const file = await core.file.put(user.username, readFile(part));
    uploads.set(file.id, file);
    files.push(file);
  }
  return { role, content: textOf(content), ...(files.length > 0 && { files }) };
}

function readCall(call: Fields): ToolCall {
  const made = isObject(call.function) ? call.function : {};
  return { callId: String(call.id ?? ""), name: String(made.name ?? ""), arguments: String(made.arguments ?? "") };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  const texts = content.filter(isObject).map((part) => part.text ?? part.refusal);
  return texts.filter((text) => typeof text === "string").join("\n");
}

function readFile(part: Fields): { name: string; type: string; data: Blob } {
  const image = part.type === "image_url" ? part.image_url : null;
  const { url, file_data, filename } = isObject(image)
    ? image
    : part.type === "file" && isObject(part.file)
      ? part.file
      : {};
  const { type, data } = readDataUrl(String(url ?? file_data ?? "")) ?? {};
  if (type === undefined || data === undefined) {
    throw new AppError(
      "invalid",
      `Send a part of the type ${JSON.stringify(part.type)} as an image_url or file with a data: URL in base64.`,
    );
  }
  const name = typeof filename === "string" && filename !== "" ? filename : `image.${type.replace(/^.*\//, "")}`;
  return { name, type, data: new Blob([Buffer.from(data, "base64")], { type }) };
}

const DATA_HEAD_MAX = 300; // Characters before the comma. A client can send any number, and the expression goes back and forth in them.

function readDataUrl(url: string): { type: string; data: string } | null {
  const comma = url.slice(0, DATA_HEAD_MAX).indexOf(",");
  const type = /^data:([\w.+-]+\/[\w.+-]+)(?:;.*)?;base64$/i.exec(url.slice(0, Math.max(0, comma)))?.[1];
  return type === undefined ? null : { type, data: url.slice(comma + 1) };
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
