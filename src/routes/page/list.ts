/**
 * The list of chats: what it shows, a page of it grouped by the reader's days or what a search found; its fragments; and what is done
 * to its entries. A form's answer is the list made anew, so that it shows the effect at once.
 */

import { Elysia, t } from "elysia";
import { AppError } from "../../basics/errors";
import { remembered } from "../../basics/recent";
import type {
  Core,
  Thread,
  ThreadFields,
  ThreadFilter,
  ThreadGroup,
  ThreadListData,
  ThreadState,
} from "../../protocols";
import { factJournals } from "../api/live-events";
import { TITLE_MAX } from "../api/threads";
import { insidePath, ownPath } from "../http/address";
import { fragment, htmlResponse, seeOther } from "../http/respond";
import { type Reader, session } from "../session/session";
import { done, type Form, form, goTo, Id, isFromHtmx, noChat, readForm } from "./form";

/** What the address of a page, a fragment or a form says of the list. */
export const ListQuery = {
  q: t.Optional(t.String({ maxLength: 500 })),
  archived: t.Optional(t.String()),
  tag: t.Optional(t.String()),
  change: t.Optional(t.String({ description: "The chat that is being edited." })),
  list: t.Optional(
    t.String({ description: "What comes below this entry, instead of the newest: the `before` of a list." }),
  ),
  shown: t.Optional(
    t.String({ pattern: "^\\d{0,6}$", description: "How many are shown: above `list`, or to be made anew." }),
  ),
};

const FragmentQuery = t.Object({ ...ListQuery, current: t.Optional(t.String()) });

export type ListFields = { readonly [name in keyof typeof ListQuery]?: string | undefined };

/** With the chat that the page shows. */
type ListRequest = ListFields & { readonly current?: string | null | undefined };

export function listRoutes(core: Core) {
  const listFor = keptLists(core);
  const one = { ...form, params: Id } as const;
  const changing = (fields: (field: Form) => ThreadFields & ThreadState, otherwise?: string) => {
    return ({ reader, request, params: { id } }: FormRequest) => change(core, reader, request, id, fields, otherwise);
  };
  return new Elysia()
    .use(session(core))
    .get(
      "/threads",
      async ({ reader, query }) => {
        const { page, isNextPage } = await listFor(reader, query);
        const isInstead = query.list !== undefined && !isNextPage;
        const headers = { "hx-retarget": "#threads", "hx-reswap": "outerMorph" };
        return htmlResponse(page, 200, isInstead ? headers : {});
      },
      { reader: true, query: FragmentQuery },
    )
    .get("/threads/:id", ({ reader, params: { id }, query }) => editForm(core, reader, id, query), {
      reader: true,
      params: Id,
      query: FragmentQuery,
    })
    .post(
      "/t/:id/details",
      changing((field) => ({
        title: titleOf(field("title")),
        tags: field("tags").split(","),
        pinned: field("pinned") !== "",
      })),
      one,
    )
    .post(
      "/t/:id/archive",
      changing(() => ({ archived: true }), "/"),
      one,
    )
    .post(
      "/t/:id/restore",
      changing(() => ({ archived: false })),
      one,
    )
    .post(
      "/t/:id/title",
      async ({ user, request, params: { id } }) => {
        const title = titleOf((await readForm(request))("title"));
        if (!(await core.thread.update(user.username, id, { title }))) throw noChat();
        return done(request, `/t/${id}`);
      },
      one,
    );
}

interface FormRequest {
  readonly reader: Reader;
  readonly request: Request;
  readonly params: { readonly id: string };
}

const KEPT_MS = 1000; // Windows fetch their lists within half a second.

/** All windows of a reader fetch the same list after a change: it is read once for all of them, and made once for each chat that they show. */
function keptLists(core: Core) {
  const kept = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, make: () => Promise<T>): Promise<T> => {
    const begin = () => {
      const made = make();
      const forget = () => kept.delete(key);
      setTimeout(forget, KEPT_MS).unref();
      made.catch(forget);
      return made;
    };
    return kept.getOrInsertComputed(key, begin) as Promise<T>;
  };
  return async (reader: Reader, { current, ...query }: ListRequest) => {
    const { user, words, zone } = reader;
    const change = await factJournals(core).position(user.username);
    const key = JSON.stringify([user, words.language, zone, query, change]);
    const list = await once(key, () => loadThreadList(core, reader, query));
    return once(`${key} ${current}`, async () => {
      const { threadItems, threadList } = core.views;
      const shown = { ...list, currentId: current || null };
      return { page: (list.isNextPage ? threadItems : threadList)(shown, words), isNextPage: list.isNextPage };
    });
  };
}

/** `otherwise` is where a page without script goes when the form does not say; default: the thread. */
async function change(
  core: Core,
  reader: Reader,
  request: Request,
  id: string,
  fieldsOf: (field: Form) => ThreadFields & ThreadState,
  otherwise = `/t/${id}`,
): Promise<Response> {
  const field = await readForm(request);
  const fields = fieldsOf(field);
  if (!(await core.thread.update(reader.user.username, id, fields))) throw noChat();
  if (!isFromHtmx(request))
    return seeOther(field("change") === "" ? otherwise : pageBehind(core, request, field("back")));
  const [q, archived, tag, shown, current] = ["q", "archived", "tag", "shown", "current"].map((name) => field(name));
  // What is open and was archived or restored looks different all over.
  if (fields.archived !== undefined && current === id) return goTo(otherwise);
  const list = await loadThreadList(core, reader, { q, archived, tag, shown, current });
  return htmlResponse({ markup: fragment("threads", "outerMorph", core.views.threadList(list, reader.words)) });
}

/** The page on which the form was, with the list as it was. */
function pageBehind({ config }: Core, request: Request, back: string): string {
  const path = insidePath(config, URL.parse(request.headers.get("referer") ?? "")?.pathname ?? "/");
  return ownPath(/^\/(?:t\/[^/]+)?$/.test(path) ? path + back : "/");
}

async function editForm(core: Core, { user, words }: Reader, id: string, asked: ListRequest): Promise<Response> {
  const thread = await core.thread.get(user.username, id);
  if (!thread) throw noChat();
  const { q: query = "", current } = asked;
  const hit = query === "" ? null : { thread, snippet: "" };
  const item = { thread, isCurrent: current === id, isRunning: false, filter: filterOf(asked), hit, query };
  return htmlResponse(core.views.threadForm(item, words));
}

function filterOf({ archived, tag }: ListFields): ThreadFilter {
  return { archived: archived === "true", tag: tag || null };
}

function titleOf(text: string): string {
  const title = text.trim().slice(0, TITLE_MAX);
  if (title === "") throw new AppError("invalid", "A chat needs a title.", { reason: "noTitle" });
  return title;
}

const THREADS_PER_PAGE = 50;
const SHOWN_AT_MOST = 1000; // A list that was scrolled further is made anew up to here.

interface LoadedList extends ThreadListData {
  /** True when it goes on below `list`. False, if that was asked for: what stood there has moved, and this is the list as a whole. */
  readonly isNextPage: boolean;
}

export async function loadThreadList(core: Core, reader: Reader, asked: ListRequest): Promise<LoadedList> {
  const { user } = reader;
  const query = (asked.q ?? "").trim();
  const filter = filterOf(asked);
  const [runningIds, tags] = await Promise.all([core.turns.running(user), core.thread.tags(user.username)]);
  const [currentId, editedId] = [asked.current || null, asked.change || null];
  const common = { query, filter, tags, currentId, runningIds, editedId };
  if (query !== "") {
    const hits = await core.thread.search(user.username, query);
    return { ...common, groups: [], hits, before: null, shown: 0, isNextPage: false };
  }
  const shown = Number(asked.shown || 0);
  const next = asked.list ? await loadNextPage(core, reader, filter, asked.list) : null;
  const wanted = asked.list ? shown + THREADS_PER_PAGE : shown;
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
  const dayOf = daysOf(zone);
  const today = dayOf(Date.now());
  const idOf = ({ pinned, updated }: Thread) => (pinned ? "pinned" : groupOf(dayOf(Date.parse(updated)), today));
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

/** On which day something was, in the calendar of whoever reads it. */

const DAY_MS = 24 * 60 * 60_000;
const ZONES_KEPT = 500; // To make what knows a zone takes ten times as long as to ask it; there are some hundred.

/** Gives the number of the day on which a moment falls in the zone, from 1970 on; days of any zone count alike. No moment is on the first. */
export const daysOf = remembered(ZONES_KEPT, (zone: string): ((ms: number) => number) => {
  const parts = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, calendar: "gregory", ...parts });
  return (ms) => {
    if (Number.isNaN(ms)) return 0;
    const numbers = format.formatToParts(ms).map(({ type, value }) => [type, Number(value)] as const);
    const { year = 0, month = 0, day = 0 } = Object.fromEntries(numbers);
    return Date.UTC(year, month - 1, day) / DAY_MS;
  };
});

/** The group of a day in a list that is read on the day `today`: `today`, `yesterday`, `week` (the rest of this one, from Monday), or its month. */
export function groupOf(day: number, today: number): string {
  // A clock that went ahead makes days to come; for the reader they are now.
  if (day >= today) return "today";
  if (day === today - 1) return "yesterday";
  const monday = today - ((today + 3) % 7);
  return day >= monday ? "week" : new Date(day * DAY_MS).toISOString().slice(0, 7);
}
