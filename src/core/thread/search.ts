/**
 * Search in titles and in what was said. A thread whose title matches comes before one that only mentions the words; within
 * each, newest first, because ranking by word statistics would cost seconds on a common word (SQLite's bm25 reads every
 * match) while nobody reads past the first few. Each hit has a short piece of the text around the words.
 */

import { foldedInPlace, foldedWords } from "../../basics/fold";
import type { Core, ThreadHit } from "../../protocols";
import { toThread } from "./records";

const TEXTS_AT_ONCE = 50; // Each may be 100 kB; as many as a page of hits has.
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
  const threads = await core.store.getMany(username, "threads", [...found.keys()]);
  const listed = [...found.values()].flatMap((messageId, index) => {
    const record = threads[index];
    return record && !record.archived ? [{ thread: toThread(record), messageId }] : [];
  });
  const hits: ThreadHit[] = [];
  for (let from = 0; from < Math.min(listed.length, limit); from += TEXTS_AT_ONCE) {
    const some = listed.slice(from, Math.min(from + TEXTS_AT_ONCE, limit));
    const messages = await core.store.getMany(
      username,
      "messages",
      some.map(({ messageId }) => messageId ?? ""),
    );
    for (const [index, { thread }] of some.entries()) {
      const message = messages[index];
      const snippet = snippetOf(message ? String(message.content) : thread.title, text);
      hits.push({ thread, snippet, ...(message && { messageId: message.id }) });
      // A snippet of a long text takes a millisecond or two, and there may be many.
      await new Promise(setImmediate);
    }
  }
  return hits;
}

const BEFORE = 40; // Characters; a list shows two short lines.
const LENGTH = 160;
const FOLDED_AT_MOST = 10_000; // Folding costs far more than looking; a hit further on is shown by the text's beginning.
const WORDS = 32; // As many as `fullTextSearch` looks for: each is looked for at each place of the text.
const START = "\u0002";
const END = "\u0003";
const NOT_SHOWN = /[\s\p{Cc}]/gu;

/** `text` on one line, cut around the first word of `query` found in it, with the words found between U+0002 and U+0003. */
export function snippetOf(text: string, query: string): string {
  const words = foldedWords(query)
    .slice(0, WORDS)
    .map((word) => foldedInPlace(word).text)
    .filter((word) => word !== "");
  const start = Math.max(0, firstMatch(text, words) - BEFORE);
  const piece = text.slice(start, start + LENGTH).replace(NOT_SHOWN, " ");
  return `${start > 0 ? "…" : ""}${mark(piece, words)}${start + LENGTH < text.length ? "…" : ""}`;
}

function firstMatch(text: string, words: readonly string[]): number {
  if (words.length === 0) return 0;
  const asWritten = text.search(new RegExp(words.join("|"), "iu"));
  if (asWritten >= 0) return asWritten;
  const { text: folded, origin } = foldedInPlace(text.slice(0, FOLDED_AT_MOST));
  const found = words.map((word) => folded.indexOf(word)).filter((at) => at >= 0);
  return found.length === 0 ? 0 : (origin[Math.min(...found)] ?? 0);
}

function mark(piece: string, words: readonly string[]): string {
  const { text: folded, origin } = foldedInPlace(piece);
  const ranges: [number, number][] = [];
  for (const word of words) {
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) {
      let after = at + word.length;
      // Some characters are several letters.
      while (origin[after] !== undefined && origin[after] === origin[after - 1]) after++;
      ranges.push([origin[at] ?? 0, origin[after] ?? piece.length]);
    }
  }
  ranges.sort(([a], [b]) => a - b);
  let marked = "";
  let end = 0;
  for (const [from, to] of ranges) {
    if (from < end) continue;
    marked += piece.slice(end, from) + START + piece.slice(from, to) + END;
    end = to;
  }
  return marked + piece.slice(end);
}
