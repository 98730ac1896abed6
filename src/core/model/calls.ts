/**
 * Tool calls as strict endpoints take them. A call is kept as the model wrote it, and one that is odd would make every later
 * request of its thread be refused: so it is made plain on the way out, by what it says alone, and the same way each time.
 */

import { createHash } from "node:crypto";
import { isJsonObject, parseJson } from "../../basics/json";
import type { FileInfo, ModelMessage, ToolCall } from "../../protocols";

const ID = /^[a-zA-Z0-9_-]{1,40}$/; // OpenAI takes 40 characters; Anthropic no others than these.
const NAME_MAX = 64;

/**
 * Arguments are a JSON object, names and ids plain; an id is used once, and results go to the last call that had theirs.
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

export interface SentMessage extends ModelMessage {
  /** It has nothing but pictures of results. */
  readonly isOfTools?: boolean;
}

/**
 * The pictures of results in messages of the user, where a tool's message takes text alone: after the results of all calls of a reply,
 * which must follow it.
 */
export function picturesApart(messages: readonly ModelMessage[]): SentMessage[] {
  let pictures: FileInfo[] = [];
  return messages.flatMap((message, at) => {
    const { files = [], ...rest } = message;
    if (message.role !== "tool") return [message];
    pictures.push(...files.filter(isPicture));
    if (messages[at + 1]?.role === "tool" || pictures.length === 0) return [rest];
    const names = pictures.map(({ name }) => name).join(", ");
    const content = `From the results above: ${names}`;
    const shown: SentMessage = { role: "user", content, files: pictures, isOfTools: true };
    pictures = [];
    return [rest, shown];
  });
}

/** By the type, which is that of the bytes in files that tools bring. */
function isPicture({ type }: FileInfo): boolean {
  return type.startsWith("image/");
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
    if (isJsonObject(value)) return text;
    // JSON in a string, which the tool was run with.
    return typeof value === "string" && isJsonObject(parseJson(value)) ? value : "{}";
  } catch {
    return "{}";
  }
}
