/**
 * Default of `context`, on `store` and `thread`: the path to the head as a model reads it, with edits laid over it. Each
 * edit is a record tied to a message of the thread, so that every branch has its own, growth costs nothing, and a thread
 * that nobody edited has no records at all.
 */

import { AppError } from "../basics/errors";
import { applyEdit, type ContextEdit, toContext } from "../basics/messages";
import { addIfAbsent } from "../basics/records";
import type {
  ContextMessage,
  ContextProtocol,
  ContextReplace,
  Core,
  JsonObject,
  NewContextMessage,
  StoreRecord,
} from "../protocols";

const EDITS = "context_edits";
const COUNTS = "context_counts"; // One record per thread that was ever edited.

export async function declareContextStores(core: Core): Promise<void> {
  const edits = core.store.createStoreIfNotExists(EDITS, {
    thread_id: { type: "str", index: true },
    /** The context message that it changes or follows. */
    target: "str",
    /** `text`, `remove`, `add` or `replace`. */
    kind: "str",
    messages: "json",
  });
  await Promise.all([edits, core.store.createStoreIfNotExists(COUNTS, { mutations: "int" })]);
}

export function createContext(core: Core): ContextProtocol {
  const context: ContextProtocol = {
    async get(username, threadId, head) {
      const [path, edits] = await Promise.all([
        core.thread.messages(username, threadId, head === undefined ? {} : { head }),
        readEdits(core, username, threadId),
      ]);
      return edits.map(toEdit).reduce(applyEdit, toContext(path));
    },

    async getMessage(username, threadId, id) {
      return (await context.get(username, threadId)).find((message) => message.id === id) ?? null;
    },

    async add(username, threadId, message) {
      const target = await lastId(core, username, threadId);
      const id = Bun.randomUUIDv7();
      await addEdit(core, username, threadId, { target, kind: "add", messages: [{ ...message, id }] });
      return id;
    },

    async updateMessage(username, threadId, id, content) {
      const message = await context.getMessage(username, threadId, id);
      if (!message) return false;
      await mutate(core, username, threadId);
      await addEdit(core, username, threadId, { target: id, kind: "text", messages: [{ ...message, content }] });
      return true;
    },

    async removeMessage(username, threadId, id) {
      if (!(await context.getMessage(username, threadId, id))) return false;
      await mutate(core, username, threadId);
      await addEdit(core, username, threadId, { target: id, kind: "remove", messages: [] });
      return true;
    },

    replace: (username, threadId, messages, options) => replace(core, username, threadId, messages, options),

    async regenerate(username, threadId) {
      await mutate(core, username, threadId);
      const edits = await readEdits(core, username, threadId);
      await Promise.all(edits.map(({ id }) => core.store.delete(username, EDITS, id)));
    },

    async mutationCount(username, threadId) {
      const record = await core.store.get(username, COUNTS, threadId);
      return Number(record?.mutations ?? 0);
    },
  };
  return context;
}

async function replace(
  core: Core,
  username: string,
  threadId: string,
  messages: readonly NewContextMessage[],
  options: ContextReplace = {},
): Promise<boolean> {
  const current = await core.context.get(username, threadId);
  const target = options.upTo ?? current.at(-1)?.id;
  if (target === undefined || !current.some(({ id }) => id === target)) {
    throw new AppError("notFound", "There is no such message in the context.");
  }
  if (!(await mutate(core, username, threadId, options.mutationCount))) return false;
  const withIds = messages.map((message) => ({ ...message, id: Bun.randomUUIDv7() }));
  await addEdit(core, username, threadId, { target, kind: "replace", messages: withIds });
  return true;
}

async function lastId(core: Core, username: string, threadId: string): Promise<string> {
  const last = (await core.context.get(username, threadId)).at(-1);
  if (last) return last.id;
  if (!(await core.thread.get(username, threadId))) throw new AppError("notFound", "There is no such thread.");
  return "";
}

/** In the order they were made. */
function readEdits(core: Core, username: string, threadId: string): Promise<StoreRecord[]> {
  return core.store.find(username, EDITS, { where: { thread_id: threadId } });
}

function toEdit({ target, kind, messages }: StoreRecord): ContextEdit {
  return {
    target: String(target),
    kind: kind as ContextEdit["kind"],
    messages: (messages ?? []) as unknown as readonly ContextMessage[],
  };
}

async function addEdit(core: Core, username: string, threadId: string, edit: ContextEdit): Promise<void> {
  const messages = edit.messages as unknown as readonly JsonObject[];
  await core.store.add(username, EDITS, { ...edit, thread_id: threadId, messages });
}

/** Counts an edit. With `expected`: false, and nothing counted, when the count is another. */
async function mutate({ store }: Core, username: string, threadId: string, expected?: number): Promise<boolean> {
  if (expected === undefined) {
    await store.increment(username, COUNTS, threadId, { mutations: 1 });
    return true;
  }
  if (expected === 0) return addIfAbsent(store, username, COUNTS, { mutations: 1 }, threadId);
  return store.update(username, COUNTS, threadId, { mutations: expected + 1 }, { mutations: expected });
}
