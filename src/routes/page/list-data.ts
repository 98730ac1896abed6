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
  /** Threads below this one instead of the newest. */
  readonly before?: string | undefined;
  /** How many the list shows already: above `before`, or to be made anew. */
  readonly shown?: number | undefined;
}

export async function loadThreadList(core: Core, reader: Reader, asked: ListRequest): Promise<ThreadListData> {
  const { user } = reader;
  const query = (asked.query ?? "").trim();
  const filter: ThreadFilter = { archived: asked.archived ?? false, tag: asked.tag || null };
  const [runningIds, tags] = await Promise.all([core.turns.running(user), core.thread.tags(user.username)]);
  const { currentId, editedId = null } = asked;
  const common = { query, filter, tags, currentId, runningIds, editedId };
  if (query !== "") {
    const hits = await core.thread.search(user.username, query);
    return { ...common, groups: [], hits, before: null, shown: 0 };
  }
  const shown = asked.shown ?? 0;
  const limit = asked.before ? THREADS_PER_PAGE : Math.min(Math.max(shown, THREADS_PER_PAGE), SHOWN_AT_MOST);
  const { groups, before, count } = await loadPage(core, reader, filter, { limit, before: asked.before });
  const edited = await missingThread(core, reader, editedId, groups);
  return {
    ...common,
    groups: edited ? [{ id: "edited", threads: [edited], isContinued: true }, ...groups] : groups,
    hits: [],
    before,
    shown: (asked.before ? shown : 0) + count,
  };
}

interface Page {
  readonly limit: number;
  readonly before: string | undefined;
}

async function loadPage(core: Core, reader: Reader, { archived, tag }: ThreadFilter, { limit, before }: Page) {
  const { username } = reader.user;
  const cursor = before ? await core.thread.get(username, before) : null;
  const page = {
    limit: limit + 1,
    pinnedFirst: true,
    archived,
    ...(tag !== null && { tag }),
    ...(before && { before }),
  };
  const threads = await core.thread.list(username, page);
  const shown = threads.slice(0, limit);
  return {
    groups: groupThreads(shown, reader, cursor),
    before: threads.length > limit ? (shown.at(-1)?.id ?? null) : null,
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
