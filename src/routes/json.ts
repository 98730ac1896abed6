/**
 * What the JSON API gives for each thing, and the schema that describes it: snake_case, and absent parts left out. The schemas are for
 * the API document and for the tests, which hold every answer to them; the server checks no answer against them.
 */

import type { SchemaOptions, TProperties } from "@sinclair/typebox";
import { type TSchema, t } from "elysia";
import { isJsonObject, parseJson } from "../basics/json";
import type {
  FileInfo,
  FileText,
  Json,
  JsonObject,
  Message,
  NumberedEvent,
  Thread,
  ThreadHit,
  TurnInfo,
  Usage,
} from "../protocols";

/** One of these words. */
const word = (...words: string[]) => t.Unsafe<string>({ type: "string", enum: words });
/** Exactly one of these. */
const oneOf = (schemas: TSchema[], options: SchemaOptions = {}) => t.Unsafe<unknown>({ ...options, oneOf: schemas });
const orNull = <Schema extends TSchema>(schema: Schema) => t.Union([schema, t.Null()]);

const Id = t.String();
const Time = t.String({ format: "date-time", description: "ISO 8601, UTC." });
/** With whatever in it. */
export const AnyObject = t.Object({}, { additionalProperties: t.Unknown() });

export const ErrorAnswer = t.Object(
  { detail: t.String({ description: "A sentence for a person." }) },
  { $id: "Error" },
);

export const TokenAnswer = t.Object({ access_token: t.String(), token_type: t.Literal("bearer") }, { $id: "Token" });

export const ThreadAnswer = t.Object(
  {
    id: Id,
    title: t.String(),
    created: Time,
    updated: Time,
    model: orNull(t.String()),
    system_prompt: orNull(t.String()),
    parameters: AnyObject,
    head_id: orNull(Id),
    archived: t.Boolean(),
    pinned: t.Boolean(),
    tags: t.Array(t.String()),
    metadata: AnyObject,
  },
  { $id: "Thread" },
);

export function threadJson(thread: Thread) {
  return {
    id: thread.id,
    title: thread.title,
    created: thread.created,
    updated: thread.updated,
    model: thread.model,
    system_prompt: thread.systemPrompt,
    parameters: thread.parameters,
    head_id: thread.headId,
    archived: thread.archived,
    pinned: thread.pinned,
    tags: thread.tags,
    metadata: thread.metadata,
  };
}

export const FileAnswer = t.Object(
  {
    id: Id,
    name: t.String(),
    type: t.String({ description: "Media type." }),
    size: t.Integer({ description: "Bytes." }),
    sha256: t.String({ description: "Of the bytes, lower-case hex." }),
    created: Time,
    removed: t.Optional(t.Literal(true, { description: "Of a file that a message has: it was removed since." })),
  },
  { $id: "File" },
);

/** Of a call: an object as a rule, or the text that the model wrote instead. */
const Arguments = t.Union([AnyObject, t.String()]);

export const MessageAnswer = t.Object(
  {
    id: Id,
    thread_id: Id,
    parent_id: orNull(Id),
    role: word("user", "thinking", "assistant", "tool"),
    type: word("text", "thinking", "tool", "file", "notice"),
    content: t.String(),
    timestamp: Time,
    turn_id: Id,
    step: t.Integer({ description: "Which model call of the turn made it, from 1; 0 for the user's message." }),
    model: t.Optional(t.String()),
    duration_ms: t.Optional(t.Number()),
    files: t.Optional(t.Array(FileAnswer)),
    call_id: t.Optional(Id),
    name: t.Optional(t.String()),
    arguments: t.Optional(Arguments),
    error: t.Optional(t.String()),
    approved: t.Optional(t.Boolean()),
    cut: t.Optional(word("stopped", "failed", "interrupted")),
  },
  { $id: "Message", description: "One part of what was said." },
);

export function messageJson(message: Message) {
  return {
    id: message.id,
    thread_id: message.threadId,
    parent_id: message.parentId,
    role: message.role,
    type: message.type,
    content: message.content,
    timestamp: message.timestamp,
    turn_id: message.turnId,
    step: message.step,
    model: message.model,
    duration_ms: message.durationMs,
    files: message.files?.map(fileJson),
    call_id: message.callId,
    name: message.name,
    arguments: message.arguments === undefined ? undefined : argumentsJson(message.arguments),
    error: message.error,
    approved: message.approved,
    cut: message.cut,
  };
}

export const HitAnswer = t.Object(
  { id: Id, title: t.String(), created: Time, snippet: t.String(), message_id: t.Optional(Id) },
  { $id: "Hit" },
);

export function hitJson({ thread, snippet, messageId }: ThreadHit) {
  const plain = snippet.replaceAll("\u0002", "").replaceAll("\u0003", "");
  return { id: thread.id, title: thread.title, created: thread.created, snippet: plain, message_id: messageId };
}

const UsageAnswer = t.Object(
  {
    input_tokens: t.Integer(),
    output_tokens: t.Integer(),
    cached_tokens: t.Optional(
      t.Integer({ description: "Those of the input that the endpoint had kept; absent = not told." }),
    ),
    reasoning_tokens: t.Optional(
      t.Integer({ description: "Those of the output that are thinking; absent = not told." }),
    ),
  },
  { $id: "Usage" },
);

export const TurnAnswer = t.Object(
  {
    turn_id: Id,
    thread_id: Id,
    parent_id: Id,
    status: word("running", "done", "stopped", "failed", "interrupted"),
    model: t.String(),
    system_prompt: t.String(),
    started: Time,
    error: orNull(t.String()),
    ending: t.Optional(word("length", "filtered", "thoughts", "empty")),
    usage: orNull(UsageAnswer),
  },
  { $id: "Turn" },
);

export function turnJson(turn: TurnInfo) {
  return {
    turn_id: turn.id,
    thread_id: turn.threadId,
    parent_id: turn.parentId,
    status: turn.status,
    model: turn.model,
    system_prompt: turn.systemPrompt,
    started: turn.started,
    error: turn.error,
    ending: turn.ending,
    usage: turn.usage && usageJson(turn.usage),
  };
}

export function fileJson(file: FileInfo) {
  const { id, name, type, size, sha256, created, isRemoved } = file;
  return { id, name, type, size, sha256, created, ...(isRemoved && { removed: true as const }) };
}

const Count = t.Optional(t.Integer({ minimum: 0 }));

export const FileTextAnswer = t.Object(
  {
    kind: word("text", "document", "image"),
    text: t.String(),
    tokens: t.Integer({ minimum: 0 }),
    pages: Count,
    slides: Count,
    sheets: Count,
    empty_pages: t.Optional(t.Array(t.Integer({ minimum: 1 }))),
    pictures: Count,
    formulas: Count,
    is_cut: t.Optional(t.Boolean()),
    fault: t.Optional(word("encrypted", "broken", "oldFormat", "tooLarge", "tooSlow", "unknownKind")),
  },
  { $id: "FileText" },
);

export function fileTextJson({ emptyPages, isCut, ...read }: FileText) {
  return { ...read, empty_pages: emptyPages, is_cut: isCut };
}

/** The data of one event as it goes over the wire. */
const eventSchema = (name: string, data: TProperties, description?: string) =>
  t.Object(
    { event: t.Literal(name), data: t.Object({ ...data, timestamp: Time }) },
    description === undefined ? {} : { description },
  );
const Call = { call_id: Id, name: t.String() };

export const TurnEvent = oneOf(
  [
    eventSchema("thread_id", { thread_id: Id, turn_id: Id }, "First."),
    eventSchema("message_tokens", { content: t.String() }),
    eventSchema("thinking_tokens", { content: t.String() }),
    eventSchema("tool_call", { ...Call, arguments: Arguments }),
    eventSchema("approval_asked", Call, "The call waits for the user's yes or no."),
    eventSchema("approval_given", { ...Call, approve: t.Boolean() }),
    eventSchema("tool_update", { ...Call, content: t.String() }),
    eventSchema("tool_result", { ...Call, result: t.String() }),
    eventSchema("tool_result", { ...Call, error: t.String() }),
    eventSchema(
      "file",
      { ...FileAnswer.properties, call_id: t.Optional(Id) },
      "A file that the turn made; with `call_id`, of that call's result, which follows.",
    ),
    eventSchema("notice", { content: t.String() }, "A plugin's remark."),
    eventSchema("error", { message: t.String() }, "Last, when the turn failed."),
    eventSchema(
      "stream_end",
      { reason: word("stop", "length", "filtered", "stopped"), usage: orNull(UsageAnswer) },
      "Last, when it did not fail.",
    ),
    eventSchema("reset", {}, "The place that was asked for cannot be served; all comes again from the start."),
  ],
  { $id: "TurnEvent", description: "Others may be added." },
);

const [InThread, OfTurn] = [{ thread_id: Id }, { thread_id: Id, turn_id: Id }];

export const LiveEvent = oneOf(
  [
    eventSchema("threads_changed", InThread),
    eventSchema("message_added", { ...InThread, message_id: Id }),
    eventSchema("turn_started", OfTurn),
    eventSchema("turn_ended", OfTurn),
    eventSchema("approval_asked", { ...OfTurn, call_id: Id }),
    eventSchema("approval_given", { ...OfTurn, call_id: Id }),
    eventSchema("models_changed", {}),
    eventSchema("reset", {}, "What was missed is not known any more: load everything again."),
  ],
  { $id: "LiveEvent", description: "Others may be added." },
);

/** A turn's event under its name on the wire, or null for one that is not told. */
export function eventJson({ event, timestamp }: NumberedEvent): { event: string; data: JsonObject } | null {
  switch (event.type) {
    case "start":
      return { event: "thread_id", data: { thread_id: event.threadId, turn_id: event.turnId, timestamp } };
    case "text":
      return { event: "message_tokens", data: { content: event.text, timestamp } };
    case "thinking":
      return { event: "thinking_tokens", data: { content: event.text, timestamp } };
    case "toolCall": {
      const call = { call_id: event.callId, name: event.name, arguments: argumentsJson(event.arguments) };
      return { event: "tool_call", data: { ...call, timestamp } };
    }
    case "toolUpdate":
      return {
        event: "tool_update",
        data: { call_id: event.callId, name: event.name, content: event.content, timestamp },
      };
    case "toolResult": {
      const outcome = "error" in event ? { error: event.error } : { result: event.result };
      return { event: "tool_result", data: { call_id: event.callId, name: event.name, ...outcome, timestamp } };
    }
    case "approvalAsked":
      return { event: "approval_asked", data: { call_id: event.callId, name: event.name, timestamp } };
    case "approvalGiven": {
      const answer = { call_id: event.callId, name: event.name, approve: event.approve };
      return { event: "approval_given", data: { ...answer, timestamp } };
    }
    case "file":
      return {
        event: "file",
        data: { ...fileJson(event.file), ...(event.callId !== undefined && { call_id: event.callId }), timestamp },
      };
    case "notice":
      return { event: "notice", data: { content: event.text, timestamp } };
    case "error":
      return { event: "error", data: { message: event.message, timestamp } };
    case "end":
      return {
        event: "stream_end",
        data: { reason: event.reason, usage: event.usage && usageJson(event.usage), timestamp },
      };
    case "reset":
      return { event: "reset", data: { timestamp: new Date().toISOString() } };
    case "step":
    case "wasThinking":
    case "opaque":
      return null;
  }
}

function usageJson({ inputTokens, outputTokens, cachedTokens, reasoningTokens }: Usage) {
  return {
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    ...(cachedTokens !== undefined && { cached_tokens: cachedTokens }),
    ...(reasoningTokens !== undefined && { reasoning_tokens: reasoningTokens }),
  };
}

/** The object that the model meant, or what it wrote when that is no such thing, or nests too deep. */
function argumentsJson(text: string): JsonObject | string {
  if (text.trim() === "") return {};
  try {
    const value: Json = parseJson(text);
    return isJsonObject(value) ? value : text;
  } catch {
    return text;
  }
}
