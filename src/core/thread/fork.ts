/** A new thread that begins as a copy of another's branch. The copies are messages of their own; nothing is shared. */

import { AppError } from "../../basics/errors";
import { requireRoom } from "../../basics/quota";
import type { Core, Message, Thread } from "../../protocols";
import { fromMessage } from "./records";

const COPIES_AT_ONCE = 100; // They share a transaction; other people's streams go on between two lots.

export async function forkThread(core: Core, username: string, threadId: string, messageId: string): Promise<Thread> {
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
    await Promise.all(some.map((copy) => core.store.add(username, "messages", fromMessage(copy), copy.id)));
  }
  const headId = copies.at(-1)?.id ?? null;
  // The head last: until then a crash leaves copies that no branch shows. They carry their old times; the fork itself is new.
  return (
    (await core.thread.update(username, fork.id, { title: thread.title, ...(headId !== null && { headId }) })) ?? fork
  );
}

/** About what the copies take: what a message has beside its texts is little. */
function bytesOf(path: readonly Message[]): number {
  const texts = path.flatMap(({ content, arguments: args = "", error = "", opaque }) => {
    return [content, args, error, opaque ? JSON.stringify(opaque) : ""];
  });
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** One below the other, as the path is. */
function copiesOf(path: readonly Message[], threadId: string): Message[] {
  let parentId: string | null = null;
  return path.map((message) => {
    const copy: Message = { ...message, id: Bun.randomUUIDv7(), threadId, parentId };
    parentId = copy.id;
    return copy;
  });
}
