/** What the list of chats shows, gathered for one reader: a page of it grouped by the reader's days, or what a search found. */

import type { Core, Thread, ThreadFilter, ThreadGroup, ThreadListData } from "../../protocols";
import type { Reader } from "../reader";
import { dayOf, groupOf } from "./calendar";

const THREADS_PER_PAGE = 50;
const SHOWN_AT_MOST = 1000; // A list that was scrolled further is made anew up to here.

export interface ListRequest {
  readonly currentId: string | null;
  readonly query?: string | undefined;
  readonly archived?: boolean | undefined;
  readonly tag?: string | undefined;
  readonly editedId?: string | undefined;
  /** The `before` of a list that was loaded: what comes below it, instead of the newest. */
  readonly before?: string | undefined;
  /** How many the list shows already: above `before`, or to be made anew. */
  readonly shown?: number | undefined;
}

export interface LoadedList extends ThreadListData {
  /** True when it goes on below `before`. False, if that was asked for: what stood there has moved, and this is the list as a whole. */
  readonly isNextPage: boolean;
}

export async function loadThreadList(core: Core, reader: Reader, asked: ListRequest): Promise<LoadedList> {
  const { user } = reader;
  const query = (asked.query ?? "").trim();
  const filter: ThreadFilter = { archived: asked.archived ?? false, tag: asked.tag || null };
  const [runningIds, tags] = await Promise.all([core.turns.running(user), core.thread.tags(user.username)]);
  const { currentId, editedId = null } = asked;
  const common = { query, filter, tags, currentId, runningIds, editedId };
  if (query !== "") {
    const hits = await core.thread.search(user.username, query);
    return { ...common, groups: [], hits, before: null, shown: 0, isNextPage: false };
  }
  const shown = asked.shown ?? 0;
  const next = asked.before ? await loadNextPage(core, reader, filter, asked.before) : null;
  const wanted = asked.before ? shown + THREADS_PER_PAGE : shown;
  const limit = Math.min(Math.max(wanted, THREADS_PER_PAGE), SHOWN_AT_MOST);
  const { groups, before, count } = next ?? (await loadPage(core, reader, filter, limit, null));
  const edited = await missingThread(core, reader, editedId, groups);
  return {
    ...common,
    groups: edited ? [{ id: "edited", threads: [edited], isContinued: true }, ...groups] : groups,
    hits: [],
    before,
    shown: (next ? shown : 0) + count,
    isNextPage: next !== null,
  };
}

/** Null when the thread below which it goes on is not where it was: what follows it now may be shown already, or above it. */
async function loadNextPage(core: Core, reader: Reader, filter: ThreadFilter, before: string) {
  const [id = ""] = before.split(" ");
  const last = await core.thread.get(reader.user.username, id);
  if (!last) return null;
  const page = await loadPage(core, reader, filter, THREADS_PER_PAGE, last);
  // Looked at once more, for it may have moved while the page was read.
  const now = await core.thread.get(reader.user.username, id);
  return now && placeOf(last) === before && placeOf(now) === before ? page : null;
}

/** Differs as soon as the thread stands elsewhere in its list. */
function placeOf({ id, updated, pinned, archived }: Thread): string {
  return [id, updated, pinned ? "pinned" : "", archived ? "archived" : ""].join(" ").trim();
}

async function loadPage(
  core: Core,
  reader: Reader,
  { archived, tag }: ThreadFilter,
  limit: number,
  last: Thread | null,
) {
  const page = {
    limit: limit + 1,
    pinnedFirst: true,
    archived,
    ...(tag !== null && { tag }),
    ...(last && { before: last.id }),
  };
  const threads = await core.thread.list(reader.user.username, page);
  const shown = threads.slice(0, limit);
  const end = shown.at(-1);
  return {
    groups: groupThreads(shown, reader, last),
    before: threads.length > limit && end ? placeOf(end) : null,
    count: shown.length,
  };
}

function groupThreads(threads: readonly Thread[], { zone }: Reader, cursor: Thread | null): ThreadGroup[] {
  const today = dayOf(Date.now(), zone);
  const idOf = ({ pinned, updated }: Thread) => (pinned ? "pinned" : groupOf(updated, today, zone));
  const groups: { id: string; threads: Thread[]; isContinued: boolean }[] = [];
  for (const thread of threads) {
    const id = idOf(thread);
    const last = groups.at(-1);
    if (last?.id === id) last.threads.push(thread);
    else groups.push({ id, threads: [thread], isContinued: !last && cursor !== null && idOf(cursor) === id });
  }
  return groups;
}

/** Without script, a thread of a later page is changed at the top of the first. */
async function missingThread(core: Core, { user }: Reader, id: string | null, groups: readonly ThreadGroup[]) {
  if (id === null || groups.some(({ threads }) => threads.some((thread) => thread.id === id))) return null;
  return core.thread.get(user.username, id);
}
