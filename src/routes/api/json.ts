/**
 * What the JSON API gives for each thing: a schema, and a function that gives what the schema names, in snake_case, absent parts left out. The
 * schemas are for the API document too, and for the tests, which hold every answer to them; the server checks no answer against them.
 */

import type { SchemaOptions, Static, TObject, TProperties } from "@sinclair/typebox";
import { type TSchema, t } from "elysia";
import { isJsonObject, parseJson } from "../../basics/json";
import { type CamelCase, camelCase, inSnakeCase, snakeCase } from "../../basics/names";
import type { FileInfo, Json, JsonObject, Message, NumberedEvent, ThreadHit, TurnInfo } from "../../protocols";

/** One of these words. */
const word = (...words: string[]) => t.Unsafe<string>({ type: "string", enum: words });
/** Exactly one of these. */
const oneOf = (schemas: TSchema[], options: SchemaOptions = {}) => t.Unsafe<unknown>({ ...options, oneOf: schemas });
const orNull = <Schema extends TSchema>(schema: Schema) => t.Union([schema, t.Null()]);

/** Takes an object under the names of the code, and gives what the schema names of it. What more it has stays here. */
function following<Schema extends TObject>({ properties }: Schema) {
  const names = Object.keys(properties).map((name) => [name, camelCase(name)] as const);
  return (object: Unnamed<Static<Schema>>): Static<Schema> => {
    const values: Record<string, unknown> = object;
    const made: Record<string, unknown> = {};
    for (const [name, own] of names) if (values[own] !== undefined) made[name] = values[own];
    return made as Static<Schema>;
  };
}

/** Of what a schema describes: the same as the code has it, where what may be absent may also be undefined. */
type Unnamed<Fields> = {
  readonly [Name in keyof Fields as CamelCase<Name & string>]: Given<Fields[Name]> | Absent<Fields, Name>;
};
type Given<Value> = Value extends readonly (infer Item)[] ? readonly Item[] : Value;
type Absent<Fields, Name extends keyof Fields> = Record<never, never> extends Pick<Fields, Name> ? undefined : never;

const Id = t.String();
const Time = t.String({ format: "date-time", description: "ISO 8601, UTC." });
/** With whatever in it. */
export const anyObject = (options: SchemaOptions = {}) => {
  return t.Unsafe<JsonObject>(t.Object({}, { ...options, additionalProperties: t.Unknown() }));
};
const AnyObject = anyObject();

/** Of a query for a list. */
export const Page = {
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 1000 })),
  before: t.Optional(t.String({ description: "Id of the last one of the page before." })),
};

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

export const threadJson = following(ThreadAnswer);

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

const fileFields = following(FileAnswer);

export function fileJson({ isRemoved, ...file }: FileInfo) {
  return fileFields({ ...file, removed: isRemoved ? true : undefined });
}

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

const messageFields = following(MessageAnswer);

export function messageJson({ files, arguments: given, ...message }: Message) {
  const called = given === undefined ? undefined : argumentsJson(given);
  return messageFields({ ...message, files: files?.map(fileJson), arguments: called });
}

export const HitAnswer = t.Object(
  { id: Id, title: t.String(), created: Time, snippet: t.String(), message_id: t.Optional(Id) },
  { $id: "Hit" },
);

const hitFields = following(HitAnswer);

export function hitJson({ thread, snippet, messageId }: ThreadHit) {
  const plain = snippet.replaceAll("\u0002", "").replaceAll("\u0003", "");
  return hitFields({ ...thread, snippet: plain, messageId });
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

const usageJson = following(UsageAnswer);

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

const turnFields = following(TurnAnswer);

export function turnJson(turn: TurnInfo) {
  return turnFields({ ...turn, turnId: turn.id, usage: turn.usage && usageJson(turn.usage) });
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

export const fileTextJson = following(FileTextAnswer);

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

interface WireEvent {
  readonly event: string;
  readonly data: object;
}

/** A turn's event under its name on the wire, or null for one that is not told. */
export function eventJson({ event, timestamp }: NumberedEvent): WireEvent | null {
  switch (event.type) {
    // As many as there are tokens, so these are written out.
    case "text":
      return { event: "message_tokens", data: { content: event.text, timestamp } };
    case "thinking":
      return { event: "thinking_tokens", data: { content: event.text, timestamp } };
    case "notice":
      return { event: "notice", data: { content: event.text, timestamp } };
    case "start":
      return { ...told(event, timestamp), event: "thread_id" };
    case "toolCall":
      return told({ ...event, arguments: argumentsJson(event.arguments) }, timestamp);
    case "file":
      // Its type is that of the file.
      return { event: "file", data: { ...fileJson(event.file), ...inSnakeCase({ callId: event.callId }), timestamp } };
    case "toolUpdate":
    case "toolResult":
    case "approvalAsked":
    case "approvalGiven":
    case "error":
      return told(event, timestamp);
    case "end": {
      const { reason, usage } = event;
      return { event: "stream_end", data: { reason, usage: usage && usageJson(usage), timestamp } };
    }
    case "reset":
      return told(event);
    case "step":
    case "wasThinking":
    case "opaque":
      return null;
  }
}

/** A fact or an event with its fields as they are, under the name that its type has on the wire. */
export function told<Told extends { readonly type: string }>(
  { type, ...fields }: Told,
  timestamp = new Date().toISOString(),
): WireEvent {
  return { event: snakeCase(type).replaceAll("-", "_"), data: { ...inSnakeCase(fields), timestamp } };
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
