/** What is sent to an endpoint for a model call. */

import type {
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
  ChatCompletionMessageToolCall,
  ChatCompletionTool,
  ChatCompletionToolChoiceOption,
} from "openai/resources/chat/completions";
import { isJsonObject } from "../../basics/json";
import type {
  Core,
  FileInfo,
  JsonObject,
  ModelCall,
  ModelInfo,
  ModelMessage,
  Opaque,
  Tool,
  ToolChoice,
} from "../../protocols";
import { mergeNeighbours, OF_TOOLS_RESULT } from "./adapt";
import { picturesApart, plainCalls, type SentMessage } from "./calls";
import type { Endpoint } from "./endpoint";
import { createFileParts, type FilePart } from "./file-parts";
import { type Giver, only, THINKING_FIELDS } from "./opaque";
import { toolSchema } from "./tool-schema";

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

export async function createRequest(
  core: Core,
  { call, target, giver }: RequestOptions,
): Promise<ChatCompletionCreateParamsStreaming> {
  const { endpoint, model, info } = target;
  const canSee = info?.capabilities?.includes("vision") ?? true;
  const readFile = createFileParts(core, {
    username: call.username ?? null,
    canSee,
    contextLength: info?.contextLength,
  });
  const plain = plainCalls(call.messages);
  const messages: ChatCompletionMessageParam[] = [];
  // Newest first, so that what there is room for goes to the files that the conversation is about now.
  for (const message of (canSee ? picturesApart(plain) : plain).reverse()) {
    messages.push(withOpaque(await toMessage(message, readFile), message, giver));
  }
  // One answer is read, whatever the owner's file says.
  const { n: _, ...parameters } = { ...endpoint.parameters, ...info?.parameters, ...call.parameters };
  return {
    ...parameters,
    // After the parameters, which a person may have written: these are not theirs to change.
    model,
    messages: mergeNeighbours(messages.reverse()),
    stream: true,
    ...(call.tools.length > 0 && { tools: call.tools.map(toTool) }),
    ...(call.tools.length > 0 && call.toolChoice && { tool_choice: toToolChoice(call.toolChoice) }),
  };
}

function toToolChoice(choice: ToolChoice): ChatCompletionToolChoiceOption {
  return choice === "required" ? choice : { type: "function", function: { name: choice.name } };
}

/** With what this endpoint and model gave with the message, and nothing that another one did. */
function withOpaque(
  sent: ChatCompletionMessageParam,
  { opaque, thinking, toolCalls = [] }: ModelMessage,
  giver: Giver,
): ChatCompletionMessageParam {
  if (sent.role !== "assistant") return sent;
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
      isJsonObject(own.function ?? null) && "function" in call
        ? { ...(own.function as object), ...call.function }
        : null;
    return { ...own, ...call, ...(made && { function: made }) } as ChatCompletionMessageToolCall;
  });
}

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

function toTool({ name, description, parameters, strict }: Tool): ChatCompletionTool {
  const made = { name, description, parameters: toolSchema(parameters) };
  return { type: "function", function: { ...made, ...(strict !== undefined && { strict }) } };
}
