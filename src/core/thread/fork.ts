/** A new thread that begins as a copy of another's branch. The copies are messages of their own; nothing is shared. */

import { AppError } from "../../errors";
import type { Core, Thread } from "../../protocols";

export async function forkThread(core: Core, username: string, threadId: string, messageId: string): Promise<Thread> {
  const thread = await core.thread.get(username, threadId);
  const path = await core.thread.messages(username, threadId, { head: messageId });
  if (!thread || path.length === 0) throw new AppError("notFound", "There is no such message in this thread.");
  const fork = await core.thread.create(username, {
    title: thread.title,
    parameters: thread.parameters,
    metadata: { forked_from: threadId },
    ...(thread.model !== null && { model: thread.model }),
    ...(thread.systemPrompt !== null && { systemPrompt: thread.systemPrompt }),
  });
  let parentId: string | null = null;
  for (const { id: _, threadId: __, ...message } of path) {
    parentId = (await core.thread.append(username, fork.id, { ...message, parentId })).id;
  }
  // The copies carry their old times; the fork itself is the newest activity.
  return (await core.thread.update(username, fork.id, { title: thread.title })) ?? fork;
}
