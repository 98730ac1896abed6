/**
 * Default of `thread`, on `store`: one record per thread, one per message. The tree is held by `parentId` alone; a branch
 * is found by walking up from the head.
 */

import { requireRoom } from "../../basics/allowed";
import { AppError } from "../../basics/errors";
import { publishFact, userTopic } from "../../basics/facts";
import { pathTo } from "../../basics/messages";
import { createQueues } from "../../basics/queues";
import { addIfAbsent } from "../../basics/records";
import type {
  Core,
  Message,
  MessagePath,
  NewMessage,
  StoreRecord,
  Thread,
  ThreadFields,
  ThreadProtocol,
  ThreadState,
  ThreadWhere,
} from "../../protocols";
import {
  EMPTY,
  fromMessage,
  fromThread,
  listTags,
  listThreads,
  mergeMetadata,
  placeOf,
  placeTags,
  recordOfThread,
  toMessage,
  toNode,
  toThread,
  updatePlaced,
} from "./records";
import { searchThreads } from "./search";

export { declareThreadStores } from "./records";

const PAGE_SIZE = 50;

export function createThread(core: Core): ThreadProtocol {
  // Forks of a user are made one after the other, or each of many would find the room that is left.
  const forks = createQueues();
  return {
    create: (username, fields) => createRecord(core, username, fields),

    list: (username, page = {}) => listThreads(core, username, { limit: PAGE_SIZE, ...page }),

    tags: (username) => listTags(core, username),

    async get(username, threadId) {
      const record = await core.store.get(username, "threads", threadId);
      return record && toThread(record);
    },

    messages: (username, threadId, path = {}) => readPath(core, username, threadId, path),

    async tree(username, threadId) {
      const select = ["parent_id", "role", "turn_id"];
      const records = await core.store.find(username, "messages", { where: { thread_id: threadId }, select });
      return records.map(toNode);
    },

    append: (username, threadId, message, thread) => appendMessage(core, username, threadId, message, thread),

    update: (username, threadId, fields, where) => updateRecord(core, username, threadId, fields, where),

    fork: (username, threadId, messageId) => forks.run(username, () => forkThread(core, username, threadId, messageId)),

    async size(username) {
      const sizes = await Promise.all(["threads", "messages"].map((name) => core.store.size(username, name)));
      return sizes.reduce((sum, size) => sum + size, 0);
    },

    async archive(username, threadId) {
      return (await updateRecord(core, username, threadId, { archived: true })) !== null;
    },

    search: (username, text, limit = PAGE_SIZE) => searchThreads(core, username, text, limit),
  };
}

const WHOLE = 1000; // Messages. Reading more in one query would hold up the event loop.

/**
 * The branch from the root to a head. A thread of up to WHOLE messages is read in one query. Of a longer one, and where a part of a branch is
 * asked for, the tree of ids and parents is read first, and then the messages of the branch alone.
 */
async function readPath(core: Core, username: string, threadId: string, path: MessagePath): Promise<Message[]> {
  const isWhole = path.limit === undefined && path.before === undefined;
  const [head, records, tree] = await Promise.all([
    path.head ?? core.thread.get(username, threadId).then((thread) => thread?.headId),
    isWhole ? core.store.find(username, "messages", { where: { thread_id: threadId }, limit: WHOLE + 1 }) : null,
    isWhole ? null : (path.tree ?? readParents(core, username, threadId)),
  ]);
  if (!head) return [];
  if (records && records.length <= WHOLE) return pathTo(records.map(toMessage), head);
  const nodes = pathTo(tree ?? (await readParents(core, username, threadId)), head);
  const end = path.before === undefined ? nodes.length : nodes.findIndex(({ id }) => id === path.before);
  const start = path.limit === undefined ? 0 : Math.max(0, end - path.limit);
  const ids = end < 0 ? [] : nodes.slice(start, end).map(({ id }) => id);
  const byId = new Map(records?.map((record) => [record.id, record]));
  const others = ids.filter((id) => !byId.has(id));
  for (const record of await core.store.getMany(username, "messages", others)) if (record) byId.set(record.id, record);
  return ids.flatMap((id) => {
    const record = byId.get(id);
    return record ? toMessage(record) : [];
  });
}

async function readParents(core: Core, username: string, threadId: string) {
  const query = { where: { thread_id: threadId }, select: ["parent_id"] };
  const records = await core.store.find(username, "messages", query);
  return records.map(({ id, parent_id }) => ({ id, parentId: parent_id as string | null }));
}

async function createRecord(core: Core, username: string, fields: ThreadFields): Promise<Thread> {
  const now = new Date().toISOString();
  const id = Bun.randomUUIDv7();
  const record = { title: "", ...EMPTY, ...fromThread(fields), created: now, updated: now, archived: false };
  const thread = toThread({ ...record, id });
  await core.store.add(username, "threads", { ...record, place: placeOf(thread) }, id);
  if (thread.tags.length > 0) await placeTags(core, username, thread);
  await tellChanged(core, username, id);
  return thread;
}

async function appendMessage(
  core: Core,
  username: string,
  threadId: string,
  message: NewMessage,
  thread?: Thread,
): Promise<Message> {
  const record = thread ? recordOfThread(thread) : await core.store.get(username, "threads", threadId);
  if (!record) throw new AppError("notFound", "There is no such thread.");
  // A head is a message of its thread.
  const { parentId } = message;
  if (parentId !== null && parentId !== record.head_id) await requireMessage(core, username, threadId, parentId);
  const complete: Message = {
    ...message,
    threadId,
    id: message.id ?? Bun.randomUUIDv7(),
    timestamp: message.timestamp ?? new Date().toISOString(),
  };
  const isAdded = await addIfAbsent(core.store, username, "messages", fromMessage(complete), complete.id);
  const known = isAdded ? null : await core.store.get(username, "messages", complete.id);
  // The head moves last: until then a crash leaves a message that no branch shows. Whoever adds one again must not take the
  // head back from what was said since.
  const moveHead = ({ head_id: head }: StoreRecord) =>
    known && head !== known.parent_id ? null : { head_id: complete.id, updated: complete.timestamp };
  await updatePlaced(core, username, threadId, moveHead, known ? undefined : record);
  await publishFact(core, userTopic(username), { type: "message-added", threadId, messageId: complete.id });
  return known ? toMessage(known) : complete;
}

async function updateRecord(
  core: Core,
  username: string,
  threadId: string,
  fields: ThreadFields & ThreadState,
  where?: ThreadWhere,
): Promise<Thread | null> {
  if (fields.headId !== undefined && (await core.thread.get(username, threadId)))
    await requireMessage(core, username, threadId, fields.headId);
  const given = { ...fromThread(fields), ...(fields.title !== undefined && { updated: new Date().toISOString() }) };
  const changed = await updatePlaced(core, username, threadId, (record) => {
    if (where && record.title !== where.title) return null;
    if (!fields.metadata) return given;
    return { ...given, metadata: mergeMetadata(toThread(record).metadata, fields.metadata) };
  });
  if (!changed) return null;
  await tellChanged(core, username, threadId);
  return toThread(changed);
}

async function tellChanged(core: Core, username: string, threadId: string): Promise<void> {
  await publishFact(core, userTopic(username), { type: "threads-changed", threadId });
}

async function requireMessage(core: Core, username: string, threadId: string, id: string): Promise<void> {
  const record = await core.store.get(username, "messages", id);
  if (record?.thread_id !== threadId) throw new AppError("notFound", "There is no such message.");
}

const COPIES_AT_ONCE = 100; // They share a transaction; other people's streams go on between two lots.

/** A new thread that begins as a copy of another's branch. The copies are messages of their own; nothing is shared. */
async function forkThread(core: Core, username: string, threadId: string, messageId: string): Promise<Thread> {
  const thread = await core.thread.get(username, threadId);
  const path = await core.thread.messages(username, threadId, { head: messageId });
  if (!thread || path.length === 0) throw new AppError("notFound", "There is no such message in this thread.");
  await requireRoom(core, username, bytesOf(path));
  const fork = await core.thread.create(username, {
    title: thread.title,
    parameters: thread.parameters,
    metadata: { forked_from: threadId },
    ...(thread.model !== null && { model: thread.model }),
    ...(thread.systemPrompt !== null && { systemPrompt: thread.systemPrompt }),
  });
  const copies = copiesOf(path, fork.id);
  for (let from = 0; from < copies.length; from += COPIES_AT_ONCE) {
    const some = copies.slice(from, from + COPIES_AT_ONCE);
    await core.store.addMany(
      username,
      "messages",
      some.map((copy) => ({ id: copy.id, fields: fromMessage(copy) })),
    );
  }
  const headId = copies.at(-1)?.id;
  // The head last: until then a crash leaves copies that no branch shows. They carry their old times; the fork itself is new.
  const shown = { title: thread.title, ...(headId !== undefined && { headId }) };
  return (await core.thread.update(username, fork.id, shown)) ?? fork;
}

/** About what the copies take: what a message has beside its texts is little. */
function bytesOf(path: readonly Message[]): number {
  const texts = path.flatMap(({ content, arguments: args = "", error = "", opaque }) => {
    return [content, args, error, opaque ? JSON.stringify(opaque) : ""];
  });
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** Copies of the messages, each below the one before, as on the path. */
function copiesOf(path: readonly Message[], threadId: string): Message[] {
  let parentId: string | null = null;
  return path.map((message) => {
    const copy: Message = { ...message, id: Bun.randomUUIDv7(), threadId, parentId };
    parentId = copy.id;
    return copy;
  });
}
