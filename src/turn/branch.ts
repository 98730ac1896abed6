/** The branches of a thread: the path to a message, and showing the branch that a message is on, down to its newest end. */

import { AppError } from "../basics/errors";
import type { Core, MessageNode, Thread, User } from "../protocols";
import { BUSY } from "./begin";

/** Throws AppError: "notFound" (thread or message), "conflict" while a turn runs in the thread, which would move the head back. */
export async function showBranch(core: Core, user: User, threadId: string, messageId: string): Promise<Thread> {
  const nodes = await core.thread.tree(user.username, threadId);
  if (!nodes.some(({ id }) => id === messageId))
    throw new AppError("notFound", "There is no such message in this thread.", { reason: "noMessage" });
  if (await core.turns.live(user, threadId)) {
    throw new AppError("conflict", BUSY, { reason: "busy" });
  }
  const thread = await core.thread.update(user.username, threadId, { headId: newestEnd(nodes, messageId) });
  if (!thread) throw new AppError("notFound", "There is no such thread.", { reason: "noChat" });
  return thread;
}

/** From the root to the message, oldest first; empty when it is not among the nodes. */
export function pathTo(nodes: readonly MessageNode[], messageId: string): MessageNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const path: MessageNode[] = [];
  for (let node = byId.get(messageId); node; node = node.parentId === null ? undefined : byId.get(node.parentId)) {
    path.push(node);
  }
  return path.reverse();
}

export function newestEnd(nodes: readonly MessageNode[], messageId: string): string {
  // Nodes come in the order they were added, so the last child is the newest.
  const newestChild = new Map(nodes.map(({ id, parentId }) => [parentId, id]));
  let end = messageId;
  for (let child = newestChild.get(end); child !== undefined; child = newestChild.get(end)) end = child;
  return end;
}
