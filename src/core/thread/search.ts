/**
 * Search in titles and in what was said. A thread whose title matches comes before one that only mentions the words; within
 * each, newest first, because ranking by word statistics would cost seconds on a common word (SQLite's bm25 reads every
 * match) while nobody reads past the first few.
 */

import type { Core, Thread, ThreadHit } from "../../protocols";
import { snippetOf } from "./snippet";

const CANDIDATES_PER_HIT = 4; // Several messages of one thread are one hit.

export async function searchThreads(core: Core, username: string, text: string, limit: number): Promise<ThreadHit[]> {
  const said = { role: { in: ["user", "assistant"] } };
  const [titles, messages] = await Promise.all([
    core.store.fullTextSearch(username, "threads", text, { where: { archived: false }, limit, select: [] }),
    core.store.fullTextSearch(username, "messages", text, {
      where: said,
      limit: limit * CANDIDATES_PER_HIT,
      select: ["thread_id"],
    }),
  ]);
  const found = new Map<string, string | null>(titles.map(({ id }) => [id, null]));
  for (const { id, thread_id } of messages) {
    const threadId = String(thread_id);
    // A title's hit also leads to the newest message that says the words.
    if (!found.get(threadId)) found.set(threadId, id);
  }
  const hits: ThreadHit[] = [];
  for (const [threadId, messageId] of found) {
    if (hits.length === limit) break;
    const thread = await core.thread.get(username, threadId);
    if (!thread || thread.archived) continue;
    hits.push(await toHit(core, username, { thread, messageId, text }));
    // A snippet of a long text takes a millisecond or two, and there may be many.
    await new Promise(setImmediate);
  }
  return hits;
}

interface FoundThread {
  readonly thread: Thread;
  readonly messageId: string | null;
  readonly text: string;
}

async function toHit(core: Core, username: string, { thread, messageId, text }: FoundThread): Promise<ThreadHit> {
  const message = messageId === null ? null : await core.store.get(username, "messages", messageId);
  if (!message) return { thread, snippet: snippetOf(thread.title, text) };
  return { thread, snippet: snippetOf(String(message.content), text), messageId: message.id };
}
