/**
 * Where a thread stands in a list: a text that sorts as the list does, kept with the thread and, for each tag, in a record of
 * its own. So every page of every list is one stretch of one index, however many threads there are beside it.
 */

import type { Core, Json, StoreRecord, Thread } from "../../protocols";
import { toThread } from "./records";

/** The list of one tag, or of all. */
export interface List {
  readonly archived: boolean;
  readonly tag: string | null;
}

type Placed = Pick<Thread, "id" | "archived" | "pinned" | "tags" | "updated">;

const END = "\u{10ffff}"; // Sorts behind every place of a list: the next character is one of ours.

/** What all places of the list begin with: "l" is listed, "a" archived. */
export function beginningOf({ archived, tag }: List): string {
  return (archived ? "a" : "l") + (tag === null ? "" : `\u0001${tag}\u0001`);
}

/** Where the lists of all tags are, of threads that are not archived; a tag may begin with any character, even `END`. */
export const TAGGED = { gt: "l\u0001", lt: "l\u0002" };

/** Pinned ones sort above the others, and of two with the same time the later id: ids sort by time too. */
export function placeIn(list: List, { pinned, updated, id }: Placed): string {
  return `${beginningOf(list)}${pinned ? "p" : "n"}${updated} ${id}`;
}

export function placeOf(thread: Placed): string {
  return placeIn({ archived: thread.archived, tag: null }, thread);
}

/** Places that begin so, below `before` when given. */
export function stretch(beginning: string, before?: string): { readonly gte: string; readonly lt: string } {
  return { gte: beginning, lt: before !== undefined && before < beginning + END ? before : beginning + END };
}

/**
 * Sets fields of the thread and moves it where it then belongs. `changesOf` is given the thread as it is when they are set.
 * Null when there is no thread, or it wants no change.
 */
export async function updatePlaced(
  core: Core,
  username: string,
  threadId: string,
  changesOf: (record: StoreRecord) => Record<string, Json> | null,
): Promise<StoreRecord | null> {
  for (;;) {
    const record = await core.store.get(username, "threads", threadId);
    if (!record) return null;
    const changes = changesOf(record);
    if (!changes) return null;
    const changed = { ...record, ...changes };
    const place = placeOf(toThread(changed));
    const was = record.place ?? null;
    // Another request that moved the thread meanwhile may have changed what its place is made of: look again.
    const isDone = await core.store.update(
      username,
      "threads",
      threadId,
      { ...changes, place },
      { place: was as string | null, title: record.title as string | null },
    );
    if (!isDone) continue;
    if (place !== was || changes.tags !== undefined) await placeTags(core, username, toThread(changed));
    return { ...changed, place };
  }
}

/** After the thread itself: a crash in between leaves a tag's list in an older order until the thread's next change. */
export async function placeTags(core: Core, username: string, thread: Thread): Promise<void> {
  const records = await core.store.find(username, "thread_tags", { where: { thread_id: thread.id } });
  for (const { id, tag } of records) {
    if (!thread.tags.includes(String(tag))) await core.store.delete(username, "thread_tags", id);
  }
  for (const tag of thread.tags) {
    const place = placeIn({ archived: thread.archived, tag }, thread);
    const known = records.find((record) => record.tag === tag);
    if (known) await core.store.update(username, "thread_tags", known.id, { place });
    else await core.store.add(username, "thread_tags", { thread_id: thread.id, tag, place });
  }
}
