/**
 * Requests as an endpoint takes them that has refused one: without the field that it does not know, without tools, without the role
 * `system`. What a request is made without is a word: the name of a field, or one of those below.
 */

import type {
  ChatCompletionCreateParamsStreaming,
  ChatCompletionMessageParam,
} from "openai/resources/chat/completions";
import { isRecord } from "../../basics/json";
import type { JsonRecord } from "./opaque";

export type Body = ChatCompletionCreateParamsStreaming;

/** Goes in front of what the user says. */
export const SYSTEM_ROLE = "role system";
/** The conversation has to begin with the user. */
export const USER_FIRST = "user first";
/** It has to end with the user, and a reply cannot simply go on. */
export const USER_LAST = "user last";

/** Pictures that tools gave. */
export const TOOL_PICTURES = "pictures of tools";

/** Marks their parts of a message's content. JSON has no symbols, so no endpoint sees it. */
export const OF_TOOLS_RESULT = Symbol("of a tool's result");

export function hasToolPictures({ messages }: Body): boolean {
  return messages.some(({ content }) => Array.isArray(content) && content.some(isToolPicture));
}

function isToolPicture(part: unknown): boolean {
  return isRecord(part) && OF_TOOLS_RESULT in part;
}

/** The request without these. */
export function without(body: Body, refused: ReadonlySet<string>): Body {
  const fields = { ...body } as Body & JsonRecord;
  rename(fields, refused, ["max_tokens", "max_completion_tokens"]);
  rename(fields, refused, ["max_completion_tokens", "max_tokens"]);
  if (refused.has("tools")) for (const name of OF_TOOLS) delete fields[name];
  for (const name of refused) if (!NEEDED.has(name)) delete fields[name];
  if (refused.has("stream")) {
    delete fields.stream_options;
    Object.assign(fields, { stream: false });
  }
  if (refused.has("strict") && fields.tools) fields.tools = fields.tools.map(withoutStrict);
  return { ...fields, messages: messagesWithout(body.messages, refused) };
}

const OF_TOOLS = ["tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"];
const NEEDED = new Set(["model", "messages", "stream"]);

/** Servers know the limit of a reply by an old name, a newer one, or both. */
function rename(fields: JsonRecord, refused: ReadonlySet<string>, [from, to]: readonly [string, string]): void {
  if (!refused.has(from) || refused.has(to) || fields[from] === undefined) return;
  fields[to] ??= fields[from];
}

function withoutStrict(tool: NonNullable<Body["tools"]>[number]): NonNullable<Body["tools"]>[number] {
  if (!("function" in tool)) return tool;
  const { strict: _, ...made } = tool.function;
  return { ...tool, function: made };
}

function messagesWithout(
  messages: readonly ChatCompletionMessageParam[],
  refused: ReadonlySet<string>,
): ChatCompletionMessageParam[] {
  let list = messages.map((message) => withoutFields(message, refused));
  if (refused.has(TOOL_PICTURES)) list = list.flatMap(withoutToolPictures);
  if (refused.has("tools")) list = mergeNeighbours(list.map(inWords));
  if (refused.has(SYSTEM_ROLE)) list = withSystemInFirst(list);
  if (refused.has(USER_FIRST)) list = withUserFirst(list);
  if (refused.has(USER_LAST) && list.at(-1)?.role === "assistant") list.push({ role: "user", content: GO_ON });
  return list;
}

const GO_ON = "Go on exactly where your last message ends, without repeating anything of it.";
const LEFT_OUT = "(What was said before is left out.)";

/** What every message has, and what a message is not one without. */
export const OF_MESSAGE = new Set(["role", "content", "tool_calls", "tool_call_id"]);

function withoutFields(message: ChatCompletionMessageParam, refused: ReadonlySet<string>): ChatCompletionMessageParam {
  const fields = Object.entries(message).filter(([name]) => OF_MESSAGE.has(name) || !refused.has(name));
  return Object.fromEntries(fields) as unknown as ChatCompletionMessageParam;
}

function withoutToolPictures(message: ChatCompletionMessageParam): ChatCompletionMessageParam[] {
  if (message.role !== "user" || typeof message.content === "string") return [message];
  const content = message.content.filter((part) => !isToolPicture(part));
  if (content.length === message.content.length) return [message];
  // What is left is of the user, whose text many endpoints take as a string alone.
  const text = content.every(({ type }) => type === "text") ? textOf(content) : content;
  return content.length === 0 ? [] : [{ ...message, content: text }];
}

/** A call and its result as the model can read them where it has no tools. */
function inWords(message: ChatCompletionMessageParam): ChatCompletionMessageParam {
  if (message.role === "tool") return { role: "user", content: `(Result of the tool)\n${textOf(message.content)}` };
  if (message.role !== "assistant" || !message.tool_calls) return message;
  const calls = message.tool_calls.flatMap((call) =>
    "function" in call ? [`(Called the tool ${call.function.name} with ${call.function.arguments})`] : [],
  );
  const text = [textOf(message.content), ...calls].filter((part) => part !== "").join("\n\n");
  return { role: "assistant", content: text };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (isRecord(part) && typeof part.text === "string" ? part.text : "")).join("");
}

function withSystemInFirst(messages: readonly ChatCompletionMessageParam[]): ChatCompletionMessageParam[] {
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => textOf(content));
  const rest = messages.filter(({ role }) => role !== "system");
  if (system.length === 0) return rest;
  return mergeNeighbours([{ role: "user", content: system.join("\n\n") }, ...rest]);
}

function withUserFirst(messages: readonly ChatCompletionMessageParam[]): ChatCompletionMessageParam[] {
  const at = messages.findIndex(({ role }) => role !== "system");
  if (at < 0 || messages[at]?.role === "user") return [...messages];
  return messages.toSpliced(at, 0, { role: "user", content: LEFT_OUT });
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
