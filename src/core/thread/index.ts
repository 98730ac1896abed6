/**
 * Default of `thread`, on `store`: one record per thread, one per message. The tree is held by `parentId` alone; a branch
 * is found by walking up from the head.
 */

import { AppError } from "../../basics/errors";
import { publishFact, userTopic } from "../../basics/facts";
import { createQueues } from "../../basics/queues";
import type {
  Core,
  Message,
  NewMessage,
  Thread,
  ThreadFields,
  ThreadProtocol,
  ThreadState,
  ThreadWhere,
} from "../../protocols";
import { forkThread } from "./fork";
import { listTags, listThreads } from "./list";
import { readPath } from "./path";
import { placeOf, placeTags, updatePlaced } from "./place";
import { fromMessage, fromThread, mergeMetadata, toMessage, toNode, toThread } from "./records";
import { searchThreads } from "./search";

export { declareThreadStores } from "./records";

const PAGE_SIZE = 50;

export function createThread(core: Core): ThreadProtocol {
  // One after the other, or each of many would find the room that is left, and all be made.
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

    append: (username, threadId, message) => appendMessage(core, username, threadId, message),

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

async function createRecord(core: Core, username: string, fields: ThreadFields): Promise<Thread> {
  const now = new Date().toISOString();
  const id = Bun.randomUUIDv7();
  const record = {
    title: "",
    model: null,
    system_prompt: null,
    parameters: {},
    head_id: null,
    pinned: false,
    tags: [],
    metadata: {},
    ...fromThread(fields),
    created: now,
    updated: now,
    archived: false,
  };
  const thread = toThread({ ...record, id });
  await core.store.add(username, "threads", { ...record, place: placeOf(thread) }, id);
  await placeTags(core, username, thread);
  await tellChanged(core, username, id);
  return thread;
}

async function appendMessage(core: Core, username: string, threadId: string, message: NewMessage): Promise<Message> {
  if (!(await core.store.get(username, "threads", threadId)))
    throw new AppError("notFound", "There is no such thread.");
  if (message.parentId !== null) await requireMessage(core, username, threadId, message.parentId);
  const complete: Message = {
    ...message,
    threadId,
    id: message.id ?? Bun.randomUUIDv7(),
    timestamp: message.timestamp ?? new Date().toISOString(),
  };
  const known = message.id === undefined ? null : await core.store.get(username, "messages", message.id);
  if (!known) await core.store.add(username, "messages", fromMessage(complete), complete.id);
  // The head moves last: until then a crash leaves a message that no branch shows. Whoever adds one again must not take the
  // head back from what was said since.
  await updatePlaced(core, username, threadId, ({ head_id: head }) =>
    known && head !== known.parent_id ? null : { head_id: complete.id, updated: complete.timestamp },
  );
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
  const given = fromThread(fields);
  if (fields.title !== undefined) given.updated = new Date().toISOString();
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
