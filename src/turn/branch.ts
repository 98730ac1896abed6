/** Shows the branch of a thread that a message is on, down to its newest end. */

import { AppError } from "../basics/errors";
import { newestEnd } from "../basics/messages";
import type { Core, Thread, User } from "../protocols";
import { busy } from "./plan";

/** Throws AppError: "notFound" (thread or message), "conflict" while a turn runs in the thread, which would move the head back. */
export async function showBranch(core: Core, user: User, threadId: string, messageId: string): Promise<Thread> {
  const nodes = await core.thread.tree(user.username, threadId);
  if (!nodes.some(({ id }) => id === messageId))
    throw new AppError("notFound", "There is no such message in this thread.", { reason: "noMessage" });
  if (await core.turns.live(user, threadId)) throw busy();
  const thread = await core.thread.update(user.username, threadId, { headId: newestEnd(nodes, messageId) });
  if (!thread) throw new AppError("notFound", "There is no such thread.", { reason: "noChat" });
  return thread;
}
