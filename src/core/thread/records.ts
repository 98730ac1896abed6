/** How threads and messages lie in the store: field names there are snake_case, absent parts are null. */

import { AppError } from "../../basics/errors";
import { isTooDeep, LEVELS_MAX } from "../../basics/json";
import { fromRecord, inSnakeCase } from "../../basics/names";
import type {
  Core,
  JsonObject,
  Message,
  MessageNode,
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

/** What a thread has from its beginning, and one from before there were these fields. */
export const EMPTY = { parameters: {}, metadata: {}, tags: [], pinned: false, archived: false };

export function toThread({ place: _, ...record }: StoreRecord): Thread {
  return { ...EMPTY, ...fromRecord<Thread>(record, ["model", "systemPrompt", "headId"]) };
}

/** The fields that are given. Throws AppError("invalid") for what is too long, too much or too deep. */
export function fromThread({ parameters, metadata, tags, ...plain }: ThreadFields & ThreadState): JsonObject {
  return {
    ...recordOf(THREADS, plain),
    ...(parameters && { parameters: shallow("parameters", parameters) }),
    ...(metadata && { metadata: mergeMetadata({}, metadata) }),
    ...(tags && { tags: checkedTags(tags) }),
  };
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
  return fromRecord<MessageNode>(record, ["parentId"]);
}

export function toMessage(record: StoreRecord): Message {
  return fromRecord<Message>(record, ["parentId"]);
}

export function fromMessage(message: Message): JsonObject {
  return recordOf(MESSAGES, message);
}

/** Whatever else an object has is not kept. */
function recordOf(store: StoreFields, fields: object): JsonObject {
  const named = Object.entries(inSnakeCase(fields));
  return Object.fromEntries(named.filter(([name]) => Object.hasOwn(store, name)));
}
