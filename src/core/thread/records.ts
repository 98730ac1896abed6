/** How threads and messages lie in the store: field names there are snake_case, absent parts are null. */

import { AppError } from "../../basics/errors";
import { isTooDeep, LEVELS_MAX } from "../../basics/json";
import type {
  Core,
  FileInfo,
  Json,
  JsonObject,
  Message,
  MessageNode,
  Opaque,
  Role,
  StoreFields,
  StoreRecord,
  Thread,
  ThreadFields,
  ThreadState,
} from "../../protocols";

const THREADS: StoreFields = {
  title: { type: "str", search: true, sized: true },
  created: "str",
  updated: "str",
  model: "str",
  system_prompt: "str",
  parameters: { type: "json", sized: true },
  head_id: "str",
  archived: "bool",
  pinned: "bool",
  tags: { type: "json", sized: true },
  metadata: { type: "json", sized: true },
  place: { type: "str", index: true },
};

/** Where a thread stands in the list of each of its tags. */
const THREAD_TAGS: StoreFields = {
  thread_id: { type: "str", index: true },
  tag: "str",
  place: { type: "str", index: true },
};

const MESSAGES: StoreFields = {
  thread_id: { type: "str", index: true },
  parent_id: "str",
  role: "str",
  type: "str",
  content: { type: "str", search: true, sized: true },
  timestamp: "str",
  turn_id: "str",
  step: "int",
  model: "str",
  duration_ms: "int",
  files: { type: "json", sized: true },
  call_id: "str",
  name: "str",
  arguments: { type: "str", sized: true },
  error: { type: "str", sized: true },
  opaque: { type: "json", sized: true },
  approved: "bool",
  cut: "str",
};

export async function declareThreadStores(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists("threads", THREADS);
  await core.store.createStoreIfNotExists("thread_tags", THREAD_TAGS);
  await core.store.createStoreIfNotExists("messages", MESSAGES);
}

export function toThread(record: StoreRecord): Thread {
  return {
    id: record.id,
    title: String(record.title),
    created: String(record.created),
    updated: String(record.updated),
    model: textOrNull(record.model),
    systemPrompt: textOrNull(record.system_prompt),
    parameters: (record.parameters ?? {}) as JsonObject,
    headId: textOrNull(record.head_id),
    archived: record.archived === true,
    pinned: record.pinned === true,
    tags: (record.tags ?? []) as string[],
    metadata: (record.metadata ?? {}) as JsonObject,
  };
}

export function fromThread(fields: ThreadFields & ThreadState): Record<string, Json> {
  const record: Record<string, Json> = {};
  if (fields.title !== undefined) record.title = fields.title;
  if (fields.model !== undefined) record.model = fields.model;
  if (fields.systemPrompt !== undefined) record.system_prompt = fields.systemPrompt;
  if (fields.parameters !== undefined) record.parameters = shallow("parameters", fields.parameters);
  if (fields.metadata !== undefined) record.metadata = mergeMetadata({}, fields.metadata);
  if (fields.pinned !== undefined) record.pinned = fields.pinned;
  if (fields.tags !== undefined) record.tags = checkedTags(fields.tags);
  if (fields.headId !== undefined) record.head_id = fields.headId;
  if (fields.archived !== undefined) record.archived = fields.archived;
  return record;
}

const METADATA_MAX = 16_000; // The protocol's bound. Each list of threads holds all of it.

/** Null removes a key. What was longer before there was a bound stays, and may only become shorter. */
export function mergeMetadata(before: JsonObject, given: JsonObject): JsonObject {
  const merged = { ...before, ...shallow("metadata", given) };
  const kept = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
  const { length } = JSON.stringify(kept);
  if (length <= METADATA_MAX || length <= JSON.stringify(before).length) return kept;
  throw new AppError("invalid", `The metadata of a thread may have ${METADATA_MAX} characters of JSON, not ${length}.`);
}

function shallow(what: string, value: JsonObject): JsonObject {
  if (!isTooDeep(value)) return value;
  throw new AppError("invalid", `The ${what} nest deeper than ${LEVELS_MAX} levels.`);
}

const TAGS = 20; // The protocol's bounds.
const TAG_LENGTH = 50;

function checkedTags(given: readonly string[]): string[] {
  const tags = [...new Set(given.map((tag) => tag.replace(/[\s\p{Cc}]+/gu, " ").trim()))].filter((tag) => tag !== "");
  if (tags.length > TAGS) throw new AppError("invalid", `A chat may have ${TAGS} tags; these are ${tags.length}.`);
  if (tags.every((tag) => [...tag].length <= TAG_LENGTH && tag.isWellFormed())) return tags;
  throw new AppError("invalid", `A tag may have ${TAG_LENGTH} characters.`);
}

export function toNode(record: StoreRecord): MessageNode {
  return {
    id: record.id,
    parentId: textOrNull(record.parent_id),
    role: record.role as Role,
    turnId: String(record.turn_id),
  };
}

export function toMessage(record: StoreRecord): Message {
  return {
    ...toNode(record),
    threadId: String(record.thread_id),
    type: record.type as Message["type"],
    content: String(record.content),
    timestamp: String(record.timestamp),
    step: Number(record.step),
    ...(record.model !== null && { model: String(record.model) }),
    ...(record.duration_ms !== null && { durationMs: Number(record.duration_ms) }),
    ...(record.files !== null && { files: record.files as unknown as readonly FileInfo[] }),
    ...(record.call_id !== null && { callId: String(record.call_id) }),
    ...(record.name !== null && { name: String(record.name) }),
    ...(record.arguments !== null && { arguments: String(record.arguments) }),
    ...(record.error !== null && { error: String(record.error) }),
    ...(record.opaque !== null && { opaque: record.opaque as unknown as Opaque }),
    ...(record.approved !== null && { approved: record.approved === true }),
    ...(record.cut !== null && { cut: record.cut as NonNullable<Message["cut"]> }),
  };
}

export function fromMessage(message: Message): Record<string, Json> {
  return {
    thread_id: message.threadId,
    parent_id: message.parentId,
    role: message.role,
    type: message.type,
    content: message.content,
    timestamp: message.timestamp,
    turn_id: message.turnId,
    step: message.step,
    model: message.model ?? null,
    duration_ms: message.durationMs ?? null,
    files: message.files ? (message.files as unknown as readonly JsonObject[]) : null,
    call_id: message.callId ?? null,
    name: message.name ?? null,
    arguments: message.arguments ?? null,
    error: message.error ?? null,
    opaque: message.opaque ? (message.opaque as unknown as JsonObject) : null,
    approved: message.approved ?? null,
    cut: message.cut ?? null,
  };
}

function textOrNull(value: Json | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
