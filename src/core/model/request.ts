/**
 * What is sent to an endpoint for a model call: messages as strict endpoints take them, files in them, tools and their schemas, parameters.
 */

import { createHash } from "node:crypto";
import type {
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
  ChatCompletionTool,
  ChatCompletionToolChoiceOption,
} from "openai/resources/chat/completions";
import { isRecord, parseJson } from "../../basics/json";
import { lazy } from "../../basics/once";
import type { Core, FileInfo, ModelCall, ModelInfo, ModelMessage, Tool, ToolCall, ToolChoice } from "../../protocols";
import { createFileParts, type FilePart } from "./file-parts";
import type { Endpoint } from "./models-yaml";
import { type Giver, type JsonRecord, withOpaque } from "./opaque";

export type RequestBody = ChatCompletionCreateParamsStreaming;

export interface Target {
  readonly endpoint: Endpoint;
  /** As the endpoint names it. */
  readonly model: string;
  readonly info: ModelInfo | null;
}

export interface RequestOptions {
  readonly call: ModelCall;
  readonly target: Target;
  readonly giver: Giver;
}

export async function createRequest(core: Core, { call, target, giver }: RequestOptions): Promise<RequestBody> {
  const { endpoint, model, info } = target;
  const canSee = info?.capabilities?.includes("vision") ?? true;
  const options = { username: call.username ?? null, canSee, contextLength: info?.contextLength };
  const fileParts = lazy(() => createFileParts(core, options));
  const readFile: ReadFile = (file) => fileParts()(file);
  const plain = plainCalls(call.messages);
  const messages: ChatCompletionMessageParam[] = [];
  // Newest first, so that what there is room for goes to the files of the latest messages.
  for (const message of (canSee ? picturesApart(plain) : plain).reverse()) {
    const sent = await toMessage(message, readFile);
    messages.push(sent.role === "assistant" ? withOpaque(sent, message, giver) : sent);
  }
  // One answer is read, whatever the owner's file says.
  const { n: _, ...parameters } = { ...endpoint.parameters, ...info?.parameters, ...call.parameters };
  return {
    ...parameters,
    // After the parameters, which a person may have written: these are not theirs to change.
    model,
    messages: mergeNeighbours(messages.reverse()),
    stream: true,
    stream_options: { include_usage: true },
    ...(call.tools.length > 0 && { tools: fewTools(call).map(toTool) }),
    ...(call.tools.length > 0 && call.toolChoice && { tool_choice: toToolChoice(call.toolChoice) }),
  };
}

export const TOOLS_MAX = 128; // What OpenAI takes; with more the whole request is refused.

/** The first ones, and that which has to be called. */
function fewTools({ tools, toolChoice }: ModelCall): readonly Tool[] {
  if (tools.length <= TOOLS_MAX || typeof toolChoice !== "object") return tools.slice(0, TOOLS_MAX);
  const isNeeded = ({ name }: Tool) => name === toolChoice.name;
  return [...tools.filter(isNeeded), ...tools.filter((tool) => !isNeeded(tool))].slice(0, TOOLS_MAX);
}

function toTool({ name, description, parameters, strict }: Tool): ChatCompletionTool {
  const made = { name, description, parameters: toolSchema(parameters) };
  return { type: "function", function: { ...made, ...(strict !== undefined && { strict }) } };
}

function toToolChoice(choice: ToolChoice): ChatCompletionToolChoiceOption {
  return choice === "required" ? choice : { type: "function", function: { name: choice.name } };
}

/** Marks what of a message's content tools gave. JSON has no symbols, so no endpoint sees it. */
export const OF_TOOLS_RESULT = Symbol("of a tool's result");

type ReadFile = (file: FileInfo) => Promise<FilePart>;

async function toMessage(
  { role, content, name, files = [], toolCalls = [], callId = "", isOfTools = false }: SentMessage,
  readFile: ReadFile,
): Promise<ChatCompletionMessageParam> {
  if (role === "system") return { role, content };
  if (role === "tool") return { role, content, tool_call_id: callId };
  const named = name === undefined ? {} : { name };
  if (role === "user") {
    const parts = await withFiles(content, files, readFile);
    if (!isOfTools || typeof parts === "string") return { role, ...named, content: parts };
    return { role, content: parts.map((part) => ({ ...part, [OF_TOOLS_RESULT]: true })) };
  }
  if (toolCalls.length === 0) return { role, ...named, content };
  const tool_calls = toolCalls.map((call) => ({
    id: call.callId,
    type: "function" as const,
    function: { name: call.name, arguments: call.arguments },
  }));
  return { role, ...named, content: content === "" ? null : content, tool_calls };
}

async function withFiles(
  content: string,
  files: readonly FileInfo[],
  readFile: ReadFile,
): Promise<string | ChatCompletionContentPart[]> {
  const parts: ChatCompletionContentPart[] =
    content === "" && files.length > 0 ? [] : [{ type: "text", text: content }];
  for (const file of files) {
    const part = await readFile(file);
    parts.push(part.type === "image" ? { type: "image_url", image_url: imageUrl(part, file) } : part);
  }
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  // Many endpoints take nothing but a string for text.
  return texts.length === parts.length ? texts.join("\n\n") : parts;
}

function imageUrl({ mediaType, base64 }: FilePart & { type: "image" }, { detail }: FileInfo) {
  return { url: `data:${mediaType};base64,${base64}`, ...(detail !== undefined && { detail: detail as "auto" }) };
}

/**
 * Two messages of one side in a row become one, files and all: templates of models refuse them, and a thread has them where a reply failed
 * or was empty. An assistant's message with nothing in it is left out.
 */
export function mergeNeighbours(messages: readonly ChatCompletionMessageParam[]): ChatCompletionMessageParam[] {
  const merged: ChatCompletionMessageParam[] = [];
  for (const message of messages) {
    if (isNothing(message)) continue;
    const last = merged.at(-1);
    if (last && isSameSide(last, message)) {
      const content = joined(last.content ?? "", message.content ?? "");
      merged[merged.length - 1] = { ...message, content } as ChatCompletionMessageParam;
    } else merged.push(message);
  }
  return merged;
}

function isNothing(message: ChatCompletionMessageParam): boolean {
  return message.role === "assistant" && !message.content && Object.keys(message).every((name) => NOTHING.has(name));
}

const NOTHING = new Set(["role", "content", "name"]);

function isSameSide(last: ChatCompletionMessageParam, message: ChatCompletionMessageParam): boolean {
  if (last.role !== message.role || last.role === "tool") return false;
  // Calls are followed by their results.
  if (last.role === "assistant" && last.tool_calls) return false;
  return ("name" in last ? last.name : undefined) === ("name" in message ? message.name : undefined);
}

function joined(a: unknown, b: unknown): unknown {
  if (typeof a === "string" && typeof b === "string") return [a, b].filter((text) => text !== "").join("\n\n");
  return [...partsOf(a), ...partsOf(b)];
}

function partsOf(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content;
  return content === "" ? [] : [{ type: "text", text: content }];
}

const ID = /^[a-zA-Z0-9_-]{1,40}$/; // OpenAI takes 40 characters; Anthropic no others than these.
const NAME_MAX = 64;

/**
 * Tool calls as strict endpoints take them. A call is kept as the model wrote it, and one that is odd would make every later request of its
 * thread be refused: so it is made plain on the way out, by what it says alone, and the same way each time. Arguments are a JSON object, names
 * and ids plain; an id is used once, and results go to the last call that had theirs.
 *
 * @example
 * ```ts
 * const body = JSON.stringify({ model: call.model, messages: plainCalls(call.messages) });
 * ```
 */
export function plainCalls(messages: readonly ModelMessage[]): ModelMessage[] {
  const used = new Set<string>();
  const sent = new Map<string, string>();
  const toPlain = (call: ToolCall): ToolCall => {
    let callId = plainId(call.callId);
    // An endpoint that numbers its calls begins anew in each reply, and another one may not take an id twice.
    if (used.has(callId)) callId = hashed(`${call.callId} ${used.size}`);
    used.add(callId);
    sent.set(call.callId, callId);
    return { callId, name: plainName(call.name), arguments: plainArguments(call.arguments) };
  };
  return messages.map((message) => {
    const { role, toolCalls, callId = "" } = message;
    if (role === "tool") return { ...message, callId: sent.get(callId) ?? plainId(callId) };
    return toolCalls ? { ...message, toolCalls: toolCalls.map(toPlain) } : message;
  });
}

interface SentMessage extends ModelMessage {
  /** Whether the message has nothing but pictures of tools' results. */
  readonly isOfTools?: boolean;
}

/**
 * The pictures of results in messages of the user, where a tool's message takes text alone: after the results of all calls of a reply,
 * which must follow it.
 */
function picturesApart(messages: readonly ModelMessage[]): SentMessage[] {
  let pictures: FileInfo[] = [];
  return messages.flatMap((message, at) => {
    const { files = [], ...rest } = message;
    if (message.role !== "tool") return [message];
    // By the type, which is that of the bytes in files that tools bring.
    pictures.push(...files.filter(({ type }) => type.startsWith("image/")));
    if (messages[at + 1]?.role === "tool" || pictures.length === 0) return [rest];
    const names = pictures.map(({ name }) => name).join(", ");
    const content = `From the results above: ${names}`;
    const shown: SentMessage = { role: "user", content, files: pictures, isOfTools: true };
    pictures = [];
    return [rest, shown];
  });
}

function plainId(id: string): string {
  return ID.test(id) ? id : hashed(id);
}

function hashed(text: string): string {
  return `call_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

function plainName(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, NAME_MAX) || "unnamed";
}

/** What the result that follows has said of them already need not be said again. */
function plainArguments(text: string): string {
  try {
    const value = parseJson(text);
    if (isRecord(value)) return text;
    // JSON in a string, which the tool was run with.
    return typeof value === "string" && isRecord(parseJson(value)) ? value : "{}";
  } catch {
    return "{}";
  }
}

const LEVELS_MAX = 32; // Deeper schemas are refused before they come here, or go on as they are.

/**
 * The schema of a tool's arguments as strict endpoints take it: an object with `properties`, also where it has none, lists that say what is
 * in them, and no keyword with a value that it cannot have. Servers of tools send such, and OpenAI then refuses every request that offers the tool.
 *
 * @example
 * ```ts
 * const functions = call.tools.map(({ name, description, parameters }) => {
 *   return { name, description, parameters: toolSchema(parameters) };
 * });
 * ```
 */
export function toolSchema(parameters: unknown): JsonRecord {
  return mended({ ...(isRecord(parameters) && parameters), type: "object" }, LEVELS_MAX) as JsonRecord;
}

/** Keywords whose value is an object of schemas, a list of them, and one schema. */
const [OF_OBJECT, OF_LIST, OF_ONE] = [
  ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"],
  ["anyOf", "oneOf", "allOf", "prefixItems"],
  ["items", "not", "contains", "propertyNames"],
];

function mended(schema: unknown, levels: number): unknown {
  if (!isRecord(schema) || levels === 0) return schema;
  const made = Object.fromEntries(Object.entries(schema).flatMap(([key, value]) => keywordOf(key, value, levels - 1)));
  if ((made.type === "object" || made.properties !== undefined) && !isRecord(made.properties)) made.properties = {};
  if (made.type === "array" && made.prefixItems === undefined) made.items ??= {};
  return made;
}

/** None of what no reader of schemas understands, such as a `required` of null: an endpoint refuses the whole call for it. */
function keywordOf(key: string, value: unknown, levels: number): [string, unknown][] {
  const below = (it: unknown) => (isRecord(it) || typeof it === "boolean" ? mended(it, levels) : {});
  if (value === null && key !== "default" && key !== "const") return [];
  if (key === "required") return Array.isArray(value) ? [[key, value.filter((it) => typeof it === "string")]] : [];
  if (OF_LIST.includes(key)) return Array.isArray(value) ? [[key, value.map(below)]] : [];
  if (OF_ONE.includes(key) && !Array.isArray(value)) return [[key, below(value)]];
  if (!OF_OBJECT.includes(key) || !isRecord(value)) return [[key, value]];
  return [[key, Object.fromEntries(Object.entries(value).map(([name, it]) => [name, below(it)]))]];
}
