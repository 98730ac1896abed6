/**
 * Keeps the lists of chats of all pages of one reader up to date. Facts of one moment are taken together; then the first page of
 * the list is read once, and what they are about is put in its place there, wherever the pages had it. Lists that are filtered
 * or found are not known here: they hear that something changed and fetch themselves.
 */

import { encodeNote, encodeSse } from "../../basics/sse";
import type { Core, Fact, Thread } from "../../protocols";
import { dayOf } from "../page/calendar";
import { loadThreadList } from "../page/list-data";
import { partial } from "../partial";
import type { Reader } from "../reader";

/** One page that listens. */
export interface OpenPage {
  /** The thread that it shows; null = none, or an old part of one. */
  readonly threadId: string | null;
  readonly put: (message: Uint8Array) => void;
}

export interface ListFeed {
  hear(fact: Fact): void;
  /** Tells the page, whose list was made before `missed` happened, what to change, until the function returned is called. */
  join(page: OpenPage, missed: readonly Fact[]): () => void;
  end(): void;
}

/** Has a page make its list anew. */
export const RELOAD = encodeSse({ event: "threads-reload", data: "" });

const GATHER_MS = 100; // A send makes four facts within it.
const PAUSE_MS = 500; // Between two changes of the list, however many chats are busy.
const DAY_CHECK_MS = 30_000; // How late the groups follow the reader's midnight.

/** By the ids of threads; true = more than a message or a turn. */
type Changes = ReadonlyMap<string, boolean>;

/** What a page has not been told and others have; null = nothing, and its list is as `shown` says. */
type Missed = Changes | null;

/** `position` gives the id of the last fact of which everything that does not concern the list was told; null = not known. */
export function createListFeed(core: Core, reader: Reader, position: () => string | null): ListFeed {
  const pages = new Map<OpenPage, Missed>();
  let changed: Changes = new Map();
  let shown: readonly ListEntry[] | null = null;
  let timer: Timer | null = null;
  let restUntilMs = 0;
  let day = dayOf(Date.now(), reader.zone);

  const flush = async (): Promise<void> => {
    const asking = [...pages.keys()];
    const before = changed;
    const place = position();
    const note = place === null ? NONE : encodeNote("facts", place);
    changed = new Map();
    const now = await firstPage(core, reader);
    // What is heard while the list is read may be in it already; it comes again after it.
    const threads = together(before, changed);
    const messages = new Map<string, Uint8Array>();
    for (const page of asking) {
      const missed = pages.get(page);
      if (missed === undefined) continue;
      const wanted = { shown: missed ? null : shown, now, threads: together(threads, missed), page };
      if (wanted.threads.size === 0) continue;
      const key = keyOf(wanted);
      const message = messages.get(key) ?? Buffer.concat([messageOf(core, reader, wanted), note]);
      messages.set(key, message);
      page.put(message);
      pages.set(page, null);
    }
    shown = now.entries;
    // A page that came meanwhile may have a list that is older or newer than what was read.
    for (const [page, missed] of pages) if (!asking.includes(page)) pages.set(page, together(missed, threads));
  };
  const isWaiting = (): boolean => changed.size > 0 || [...pages.values()].some((missed) => missed && missed.size > 0);
  const schedule = (): void => {
    timer ??= setTimeout(
      () => {
        restUntilMs = performance.now() + PAUSE_MS;
        flush()
          .catch((error) => core.log.error("Lists could not be brought up to date", { error }))
          .finally(() => {
            timer = null;
            if (isWaiting()) schedule();
          });
      },
      Math.max(GATHER_MS, restUntilMs - performance.now()),
    );
  };
  const midnight = setInterval(() => {
    const today = dayOf(Date.now(), reader.zone);
    if (today !== day) for (const page of pages.keys()) page.put(RELOAD);
    day = today;
  }, DAY_CHECK_MS);
  return {
    hear(fact) {
      changed = together(changed, changesOf(fact));
      if (changed.size > 0) schedule();
    },
    join(page, missed) {
      const changes = missed.map(changesOf).reduce(together, new Map());
      pages.set(page, changes);
      if (changes.size > 0) schedule();
      return () => pages.delete(page);
    },
    end() {
      if (timer) clearTimeout(timer);
      clearInterval(midnight);
    },
  };
}

function changesOf(fact: Fact): Changes {
  return new Map("threadId" in fact ? [[fact.threadId, fact.type === "threads-changed"]] : []);
}

function together(some: Missed, others: Missed): Changes {
  const all = new Map(some ?? []);
  for (const [id, isMore] of others ?? []) all.set(id, isMore || all.get(id) === true);
  return all;
}

/** Heard by all lists but that of all chats, and by those among them that are not found by a search. */
const CHANGED = encodeSse({ event: "threads-changed", data: "" });
const ACTIVE = encodeSse({ event: "threads-active", data: "" });

interface ListEntry {
  readonly thread: Thread;
  readonly group: string;
}

interface FirstPage {
  readonly entries: readonly ListEntry[];
  readonly isWhole: boolean;
  readonly runningIds: readonly string[];
}

async function firstPage(core: Core, reader: Reader): Promise<FirstPage> {
  const { groups, before, runningIds } = await loadThreadList(core, reader, { currentId: null });
  const entries = groups.flatMap(({ id, threads }) => threads.map((thread) => ({ thread, group: id })));
  return { entries, isWhole: before === null, runningIds };
}

interface ListChange {
  readonly shown: readonly ListEntry[] | null;
  readonly now: FirstPage;
  readonly threads: Changes;
  readonly page: OpenPage;
}

/** The same for all pages that are told the same: which thread a page shows matters where its entry is told. */
function keyOf({ shown, threads, page: { threadId } }: ListChange): string {
  const currentId = threadId !== null && threads.has(threadId) ? threadId : null;
  return JSON.stringify([shown !== null, currentId, [...threads]]);
}

function messageOf(core: Core, reader: Reader, change: ListChange): Uint8Array {
  const markup = difference(core, reader, change);
  const told = markup === null ? RELOAD : markup === "" ? NONE : encodeSse({ data: markup });
  return Buffer.concat([told, [...change.threads.values()].includes(true) ? CHANGED : ACTIVE]);
}

const NONE = new Uint8Array();

/** Partials that put the threads where they now are; null when that cannot be told from the first page. */
function difference(core: Core, reader: Reader, change: ListChange): string | null {
  const { shown, now, threads, page } = change;
  const { entries } = now;
  const { threadId } = page;
  let markup = "";
  for (const [id, isMore] of threads) {
    if (entries.some(({ thread }) => thread.id === id)) continue;
    const wasShown = shown?.some(({ thread }) => thread.id === id) ?? true;
    // It left the first page, or it never was there and now has another name or another place.
    if ((isMore || wasShown) && !now.isWhole) return null;
    markup += partial(`c-${id}`, "delete", NOTHING);
  }
  const moved = new Set<ListEntry>();
  for (const [index, entry] of entries.entries()) {
    if (!threads.has(entry.thread.id)) continue;
    const isKept = isInPlace(shown, entry, { above: entries[index - 1], below: entries[index + 1] });
    if (isKept)
      markup += partial(`c-${entry.thread.id}`, "outerMorph", itemOf(core, reader, now, entry.thread, threadId));
    else moved.add(entry);
  }
  const placed = placeAll(core, reader, change, moved);
  return placed === null ? null : markup + placed;
}

/**
 * Each goes above the next entry that stays where it is, from above: htmx looks up all targets of a message before it swaps,
 * so none can go above one that is itself moved.
 */
function placeAll(core: Core, reader: Reader, { now, page }: ListChange, moved: ReadonlySet<ListEntry>): string | null {
  const { entries } = now;
  const groups = new Set(entries.filter((entry) => !moved.has(entry)).map(({ group }) => group));
  let taken = "";
  let put = "";
  for (const [index, entry] of entries.entries()) {
    if (!moved.has(entry)) continue;
    const { thread, group } = entry;
    const below = entries.slice(index + 1).find((other) => !moved.has(other));
    if (!below && !now.isWhole) return null;
    taken += partial(`c-${thread.id}`, "delete", NOTHING);
    let content = itemOf(core, reader, now, thread, page.threadId).markup;
    if (!groups.has(group)) {
      taken += partial(`g-${group}`, "delete", NOTHING);
      content = core.views.threadGroup(group, reader.words).markup + content;
      groups.add(group);
    }
    const target = !below ? "list-end" : below.group === group ? `c-${below.thread.id}` : `g-${below.group}`;
    put += partial(target, "beforebegin", { markup: content });
  }
  return taken + put;
}

interface Neighbours {
  readonly above: ListEntry | undefined;
  readonly below: ListEntry | undefined;
}

function isInPlace(
  shown: readonly ListEntry[] | null,
  { thread, group }: ListEntry,
  { above, below }: Neighbours,
): boolean {
  const index = shown?.findIndex((entry) => entry.thread.id === thread.id) ?? -1;
  if (!shown || index < 0 || shown[index]?.group !== group) return false;
  return shown[index - 1]?.thread.id === above?.thread.id && shown[index + 1]?.thread.id === below?.thread.id;
}

type Item = ReturnType<Core["views"]["threadItem"]>;

function itemOf(
  core: Core,
  { words }: Reader,
  { runningIds }: FirstPage,
  thread: Thread,
  currentId: string | null,
): Item {
  const filter = { archived: false, tag: null };
  const isRunning = runningIds.includes(thread.id);
  const item = { thread, isCurrent: thread.id === currentId, isRunning, filter, hit: null, query: "" };
  return core.views.threadItem(item, words);
}

const NOTHING = { markup: "" };
