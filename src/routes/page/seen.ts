/**
 * Which chats have a reply that their user has not seen: a page that shows a thread's end notes that in the thread's metadata,
 * as `seen`. A thread that no page ever showed counts as seen, since programs have threads, too.
 */

import type { Core, Thread } from "../../protocols";

/** To be called by whatever shows the end of the thread to its user. */
export async function noteSeen(core: Core, username: string, { id, headId, metadata }: Thread): Promise<void> {
  if (headId === null || metadata.seen === headId) return;
  try {
    await core.thread.update(username, id, { metadata: { seen: headId } });
  } catch (error) {
    // What is shown is shown all the same.
    core.log.error("What was seen could not be noted", { thread: id, error: error as Error });
  }
}
