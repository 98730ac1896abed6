/** Pages of the thread list: newest activity first, of all threads or of one tag. */

import type { Core, StoreRecord, Thread, ThreadPage } from "../../protocols";
import { beginningOf, type List, placeIn, stretch, TAGGED, updatePlaced } from "./place";
import { toThread } from "./records";

export async function listThreads(
  core: Core,
  username: string,
  { limit, before, archived = false, tag = null, pinnedFirst = false }: ListPage,
): Promise<Thread[]> {
  await placeOld(core, username);
  const list = { archived, tag };
  const cursor = before === undefined ? null : await core.thread.get(username, before);
  if (before !== undefined && !cursor) return [];
  const page = (beginning: string, isPinned?: boolean) => {
    const from = cursor && placeIn(list, { ...cursor, pinned: isPinned ?? cursor.pinned });
    return readStretch(core, username, list, { where: stretch(beginning, from ?? undefined), limit });
  };
  const beginning = beginningOf(list);
  if (pinnedFirst) return page(beginning);
  const [pinned, others] = await Promise.all([page(`${beginning}p`, true), page(`${beginning}n`, false)]);
  return [...pinned, ...others].sort(newestFirst).slice(0, limit);
}

export type ListPage = Omit<ThreadPage, "tag"> & { readonly limit: number; readonly tag?: string | null };

const TAGS = 500; // The protocol's bound. Each is a look into the index, and an entry of a menu on every page.

/** Jumps in the index from the first thread of one tag to the first of the next. */
export async function listTags(core: Core, username: string): Promise<string[]> {
  const tags: string[] = [];
  for (let from = TAGGED.gt; tags.length < TAGS; ) {
    const where = { place: { ...TAGGED, gt: from } };
    const query = { where, orderBy: "place", limit: 1, select: ["tag"] };
    const [record] = await core.store.find(username, "thread_tags", query);
    if (!record) break;
    tags.push(String(record.tag));
    from = stretch(beginningOf({ archived: false, tag: String(record.tag) })).lt;
  }
  return tags;
}

interface Stretch {
  readonly where: { readonly gte: string; readonly lt: string };
  readonly limit: number;
}

async function readStretch(core: Core, username: string, list: List, { where, limit }: Stretch): Promise<Thread[]> {
  const query = { where: { place: where }, orderBy: "place", descending: true, limit };
  if (list.tag === null) return (await core.store.find(username, "threads", query)).map(toThread);
  const tagged = await core.store.find(username, "thread_tags", { ...query, select: ["thread_id"] });
  const ids = tagged.map(({ thread_id }) => String(thread_id));
  const records = ids.length === 0 ? [] : await core.store.find(username, "threads", { where: { id: { in: ids } } });
  const byId = new Map(records.map((record) => [record.id, record]));
  return ids.flatMap((id) => byId.get(id) ?? []).map(toThread);
}

function newestFirst(a: Thread, b: Thread): number {
  return a.updated === b.updated ? (a.id < b.id ? 1 : -1) : a.updated < b.updated ? 1 : -1;
}

/** Threads that were kept before there were places. */
async function placeOld(core: Core, username: string): Promise<void> {
  let records: StoreRecord[];
  do {
    records = await core.store.find(username, "threads", { where: { place: null }, select: [], limit: 500 });
    await Promise.all(records.map(({ id }) => updatePlaced(core, username, id, () => ({}))));
  } while (records.length > 0);
}
