/**
 * How threads and messages lie in the store, and in which lists a thread is: newest activity first, of all threads or of one tag.
 * Where it stands in a list is a text that sorts as the list does, kept with the thread and, for each tag, in a record of
 * its own. So every page of every list is one stretch of one index, however many threads there are beside it.
 */

import { AppError } from "../../basics/errors";
import { isTooDeep, LEVELS_MAX } from "../../basics/json";
import { TAG_MAX, TAGS_MAX } from "../../basics/limits";
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
  ThreadPage,
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
  const { store } = core;
  // At once, since the store commits together what comes together.
  await Promise.all([
    store.createStoreIfNotExists("threads", THREADS),
    store.createStoreIfNotExists("thread_tags", THREAD_TAGS),
    store.createStoreIfNotExists("messages", MESSAGES),
  ]);
}

/** Fields of a new thread. */
export const EMPTY = { parameters: {}, metadata: {}, tags: [], pinned: false, archived: false };

export function toThread({ place: _, ...record }: StoreRecord): Thread {
  return fromRecord<Thread>(record, ["model", "systemPrompt", "headId"]);
}

/** As the thread lies in the store. */
export function recordOfThread(thread: Thread): StoreRecord {
  return { ...recordOf(THREADS, thread), id: thread.id, place: placeOf(thread) };
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

/** Null removes a key. */
export function mergeMetadata(before: JsonObject, given: JsonObject): JsonObject {
  const merged = { ...before, ...shallow("metadata", given) };
  const kept = Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null));
  const { length } = JSON.stringify(kept);
  if (length <= METADATA_MAX) return kept;
  throw new AppError("invalid", `The metadata of a thread may have ${METADATA_MAX} characters of JSON, not ${length}.`);
}

function shallow(what: string, value: JsonObject): JsonObject {
  if (!isTooDeep(value)) return value;
  throw new AppError("invalid", `The ${what} nest deeper than ${LEVELS_MAX} levels.`);
}

function checkedTags(given: readonly string[]): string[] {
  const tags = [...new Set(given.map((tag) => tag.replace(/[\s\p{Cc}]+/gu, " ").trim()))].filter((tag) => tag !== "");
  if (tags.length > TAGS_MAX)
    throw new AppError("invalid", `A chat may have ${TAGS_MAX} tags; these are ${tags.length}.`);
  if (tags.every((tag) => [...tag].length <= TAG_MAX && tag.isWellFormed())) return tags;
  throw new AppError("invalid", `A tag may have ${TAG_MAX} characters.`);
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

type ListPage = Omit<ThreadPage, "tag"> & { readonly limit: number; readonly tag?: string | null };

export async function listThreads(
  core: Core,
  username: string,
  { limit, before, archived = false, tag = null, pinnedFirst = false }: ListPage,
): Promise<Thread[]> {
  const list = { archived, tag };
  const cursor = before === undefined ? null : await core.thread.get(username, before);
  if (before !== undefined && !cursor) return [];
  const page = (beginning: string, isPinned?: boolean) => {
    const from = cursor && placeIn(list, { ...cursor, pinned: isPinned ?? cursor.pinned });
    return readStretch(core, username, list, { where: stretch(beginning, from ?? undefined), limit });
  };
  const beginning = beginningOf(list);
  if (pinnedFirst) return page(beginning);
  const [pinned, others] = await Promise.all([page(`${beginning}p`, true), page(`${beginning}n`, false)]);
  return [...pinned, ...others].sort(newestFirst).slice(0, limit);
}

const TAGS_LISTED = 500; // The protocol's bound. Each is a look into the index, and an entry of a menu on every page.
/** Where the lists of all tags are, of threads that are not archived; a tag may begin with any character, even `END`. */
const TAGGED = { gt: "l\u0001", lt: "l\u0002" };

const LOOK = 20; // Threads read at once: most tags have few, and a store that is far away is asked once for all of them.

/** Looks at some threads in the order of their tags, and jumps in the index behind those of the last one's tag. */
export async function listTags(core: Core, username: string): Promise<string[]> {
  const tags = new Set<string>();
  for (let from = TAGGED.gt; tags.size < TAGS_LISTED; ) {
    const where = { place: { ...TAGGED, gt: from } };
    const query = { where, orderBy: "place", limit: LOOK, select: ["tag"] };
    const records = await core.store.find(username, "thread_tags", query);
    for (const { tag } of records) tags.add(String(tag));
    if (records.length < LOOK) break;
    from = stretch(beginningOf({ archived: false, tag: String(records.at(-1)?.tag) })).lt;
  }
  return [...tags].slice(0, TAGS_LISTED);
}

/**
 * Sets fields of the thread and moves it where it then belongs. `changesOf` is given the thread as it is when they are set, and `read` first,
 * when the caller has read it. Null when there is no thread, or it wants no change.
 */
export async function updatePlaced(
  core: Core,
  username: string,
  threadId: string,
  changesOf: (record: StoreRecord) => JsonObject | null,
  read?: StoreRecord,
): Promise<StoreRecord | null> {
  for (let given = read; ; given = undefined) {
    const record = given ?? (await core.store.get(username, "threads", threadId));
    const changes = record && changesOf(record);
    if (!changes) return null;
    const changed = { ...record, ...changes };
    const moved = toThread(changed);
    const place = placeOf(moved);
    const was = { place: (record.place ?? null) as string | null, title: (record.title ?? null) as string | null };
    // Another request that moved the thread meanwhile may have changed what its place is made of: look again.
    if (!(await core.store.update(username, "threads", threadId, { ...changes, place }, was))) continue;
    if (changes.tags !== undefined || (place !== was.place && moved.tags.length > 0))
      await placeTags(core, username, moved);
    return { ...changed, place };
  }
}

/** After the thread itself: a crash in between leaves a tag's list in an older order until the thread's next change. */
export async function placeTags(core: Core, username: string, thread: Thread): Promise<void> {
  const records = await core.store.find(username, "thread_tags", { where: { thread_id: thread.id } });
  const known = new Set(records.map(({ tag }) => String(tag)));
  const added = thread.tags.filter((tag) => !known.has(tag));
  const placed = (tag: string) => ({ tag, place: placeIn({ archived: thread.archived, tag }, thread) });
  await Promise.all([
    ...records.map(({ id, tag }) =>
      thread.tags.includes(String(tag))
        ? core.store.update(username, "thread_tags", id, placed(String(tag)))
        : core.store.delete(username, "thread_tags", id),
    ),
    added.length > 0 &&
      core.store.addMany(
        username,
        "thread_tags",
        added.map((tag) => ({ fields: { thread_id: thread.id, ...placed(tag) } })),
      ),
  ]);
}

type Placed = Pick<Thread, "id" | "archived" | "pinned" | "tags" | "updated">;

/** Behind the id, where it changes no order, stand the tags: so a thread whose place is as it was has the tags that it had. */
export function placeOf(thread: Placed): string {
  const { archived, tags } = thread;
  return placeIn({ archived, tag: null }, thread) + (tags.length > 0 ? ` ${Bun.hash(JSON.stringify(tags))}` : "");
}

/** The list of one tag, or of all. */
interface List {
  readonly archived: boolean;
  readonly tag: string | null;
}

/** Pinned ones sort above the others, and of two with the same time the later id: ids sort by time too. */
function placeIn(list: List, { pinned, updated, id }: Placed): string {
  return `${beginningOf(list)}${pinned ? "p" : "n"}${updated} ${id}`;
}

/** What all places of the list begin with: "l" is listed, "a" archived. */
function beginningOf({ archived, tag }: List): string {
  return (archived ? "a" : "l") + (tag === null ? "" : `\u0001${tag}\u0001`);
}

const END = "\u{10ffff}"; // Sorts behind every place of a list: the next character is one of ours.

/** Places that begin so, below `before` when given. */
function stretch(beginning: string, before?: string): { readonly gte: string; readonly lt: string } {
  return { gte: beginning, lt: before !== undefined && before < beginning + END ? before : beginning + END };
}

interface Stretch {
  readonly where: { readonly gte: string; readonly lt: string };
  readonly limit: number;
}

async function readStretch(core: Core, username: string, list: List, { where, limit }: Stretch): Promise<Thread[]> {
  const query = { where: { place: where }, orderBy: "place", descending: true, limit };
  if (list.tag === null) return (await core.store.find(username, "threads", query)).map(toThread);
  const tagged = await core.store.find(username, "thread_tags", { ...query, select: ["thread_id"] });
  const ids = tagged.map(({ thread_id }) => String(thread_id));
  const threads = await core.store.getMany(username, "threads", ids);
  return threads.flatMap((record) => (record ? toThread(record) : []));
}

function newestFirst(a: Thread, b: Thread): number {
  return a.updated === b.updated ? (a.id < b.id ? 1 : -1) : a.updated < b.updated ? 1 : -1;
}
