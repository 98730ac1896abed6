/**
 * Search in titles and in what was said. A thread whose title matches comes before one that only mentions the words; within
 * each, newest first, because ranking by word statistics would cost seconds on a common word (SQLite's bm25 reads every
 * match) while nobody reads past the first few.
 */

import type { Core, StoreRecord, Thread, ThreadHit } from "../../protocols";
import { snippetOf } from "./snippet";

const CANDIDATES_PER_HIT = 4; // Several messages of one thread are one hit.

export async function searchThreads(core: Core, username: string, text: string, limit: number): Promise<ThreadHit[]> {
  const said = { role: { in: ["user", "assistant"] } };
  const [titles, messages] = await Promise.all([
    core.store.fullTextSearch(username, "threads", text, { where: { archived: false }, limit }),
    core.store.fullTextSearch(username, "messages", text, { where: said, limit: limit * CANDIDATES_PER_HIT }),
  ]);
  const found = new Map<string, StoreRecord | null>(titles.map(({ id }) => [id, null]));
  for (const message of messages) {
    const threadId = String(message.thread_id);
    // A title's hit also leads to the newest message that says the words.
    if (!found.get(threadId)) found.set(threadId, message);
  }
  const hits: ThreadHit[] = [];
  for (const [threadId, message] of found) {
    if (hits.length === limit) break;
    const thread = await core.thread.get(username, threadId);
    if (thread && !thread.archived) hits.push(toHit(thread, message, text));
  }
  return hits;
}

function toHit(thread: Thread, message: StoreRecord | null, text: string): ThreadHit {
  const snippet = snippetOf(message ? String(message.content) : thread.title, text);
  return message ? { thread, snippet, messageId: message.id } : { thread, snippet };
}
