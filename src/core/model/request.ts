/** What is sent to an endpoint for a model call. */

import type {
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
  ChatCompletionTool,
  ChatCompletionToolChoiceOption,
} from "openai/resources/chat/completions";
import type { Core, FileInfo, ModelCall, ModelInfo, ModelMessage, Tool, ToolChoice } from "../../protocols";
import { plainCalls } from "./calls";
import type { Endpoint } from "./endpoint";
import { createFileParts, type FilePart } from "./file-parts";

export interface Target {
  readonly endpoint: Endpoint;
  /** As the endpoint names it. */
  readonly model: string;
  readonly info: ModelInfo | null;
}

export async function createRequest(
  core: Core,
  call: ModelCall,
  target: Target,
): Promise<ChatCompletionCreateParamsStreaming> {
  const { endpoint, model, info } = target;
  const messages = await toMessages(core, call, info);
  // One answer is read, whatever the owner's file says.
  const { n: _, ...parameters } = { ...endpoint.parameters, ...info?.parameters, ...call.parameters };
  return {
    ...parameters,
    // After the parameters, which a person may have written: these are not theirs to change.
    model,
    messages,
    stream: true,
    ...(call.tools.length > 0 && { tools: call.tools.map(toTool) }),
    ...(call.tools.length > 0 && call.toolChoice && { tool_choice: toToolChoice(call.toolChoice) }),
  };
}

function toToolChoice(choice: ToolChoice): ChatCompletionToolChoiceOption {
  return choice === "required" ? choice : { type: "function", function: { name: choice.name } };
}

type ReadFile = (file: FileInfo) => Promise<FilePart>;

async function toMessages(core: Core, call: ModelCall, info: ModelInfo | null): Promise<ChatCompletionMessageParam[]> {
  const readFile = createFileParts(core, {
    username: call.username ?? null,
    canSee: info?.capabilities?.includes("vision") ?? true,
    contextLength: info?.contextLength,
  });
  const messages: ChatCompletionMessageParam[] = [];
  // Newest first, so that what there is room for goes to the files that the conversation is about now.
  for (const message of plainCalls(call.messages).reverse()) messages.push(await toMessage(message, readFile));
  return messages.reverse();
}

async function toMessage(
  { role, content, files = [], toolCalls = [], callId = "" }: ModelMessage,
  readFile: ReadFile,
): Promise<ChatCompletionMessageParam> {
  if (role === "system") return { role, content };
  if (role === "tool") return { role, content, tool_call_id: callId };
  if (role === "user") return { role, content: await withFiles(content, files, readFile) };
  if (toolCalls.length === 0) return { role, content };
  const tool_calls = toolCalls.map((call) => ({
    id: call.callId,
    type: "function" as const,
    function: { name: call.name, arguments: call.arguments },
  }));
  return { role, content: content === "" ? null : content, tool_calls };
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
    const url = part.type === "image" ? `data:${part.mediaType};base64,${part.base64}` : "";
    parts.push(part.type === "image" ? { type: "image_url", image_url: { url } } : part);
  }
  const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
  // Many endpoints take nothing but a string for text.
  return texts.length === parts.length ? texts.join("\n\n") : parts;
}

function toTool({ name, description, parameters }: Tool): ChatCompletionTool {
  return { type: "function", function: { name, description, parameters: { ...parameters } } };
}
