/**
 * Keeps one page's list of chats up to date. Facts of one moment are taken together; then the first page of the list is read
 * once, and what they are about is put in its place there, wherever the page had it. Lists that are filtered or found are not
 * known here: they hear that something changed and fetch themselves.
 */

import type { Core, Fact, Thread } from "../../protocols";
import { encodeSse } from "../../sse";
import { dayOf } from "../page/calendar";
import { loadThreadList } from "../page/list-data";
import { partial } from "../partial";
import type { Reader } from "../reader";

export interface FollowedList {
  hear(fact: Fact): void;
  /** Has the page make its list anew. */
  reload(): void;
  leave(): void;
}

export interface ListOptions {
  readonly core: Core;
  readonly reader: Reader;
  /** The thread that the page shows. */
  readonly threadId: string | null;
  readonly put: (message: Uint8Array) => void;
}

const GATHER_MS = 100; // A send makes four facts within it.
const PAUSE_MS = 500; // Between two changes of the list, however many chats are busy.
const DAY_CHECK_MS = 30_000; // How late the groups follow the reader's midnight.

export function followList({ core, reader, threadId, put }: ListOptions): FollowedList {
  let changed = new Map<string, boolean>();
  let shown: readonly Entry[] | null = null;
  let timer: Timer | null = null;
  let restUntilMs = 0;
  let day = dayOf(Date.now(), reader.zone);

  const flush = async (): Promise<void> => {
    const threads = changed;
    changed = new Map();
    const now = await firstPage(core, reader, threadId);
    const markup = difference(core, reader, { shown, now, threads });
    shown = now.entries;
    if (markup === null) put(RELOAD);
    else if (markup !== "") put(encodeSse({ data: markup }));
    put([...threads.values()].includes(true) ? CHANGED : ACTIVE);
  };
  const schedule = (): void => {
    timer ??= setTimeout(
      () => {
        restUntilMs = performance.now() + PAUSE_MS;
        flush()
          .catch((error) => core.log.error("A list could not be brought up to date", { error }))
          .finally(() => {
            timer = null;
            if (changed.size > 0) schedule();
          });
      },
      Math.max(GATHER_MS, restUntilMs - performance.now()),
    );
  };
  const midnight = setInterval(() => {
    const today = dayOf(Date.now(), reader.zone);
    if (today !== day) put(RELOAD);
    day = today;
  }, DAY_CHECK_MS);
  return {
    hear(fact) {
      if (!("threadId" in fact)) return;
      const isMore = fact.type === "threads-changed";
      changed.set(fact.threadId, isMore || changed.get(fact.threadId) === true);
      schedule();
    },
    reload: () => put(RELOAD),
    leave() {
      if (timer) clearTimeout(timer);
      clearInterval(midnight);
    },
  };
}

/** Heard by every list, by all but that of all chats, and by those among them that are not found by a search. */
const RELOAD = encodeSse({ event: "threads-reload", data: "" });
const CHANGED = encodeSse({ event: "threads-changed", data: "" });
const ACTIVE = encodeSse({ event: "threads-active", data: "" });

interface Entry {
  readonly thread: Thread;
  readonly group: string;
}

interface FirstPage {
  readonly entries: readonly Entry[];
  readonly isWhole: boolean;
  readonly runningIds: readonly string[];
  readonly currentId: string | null;
}

async function firstPage(core: Core, reader: Reader, currentId: string | null): Promise<FirstPage> {
  const { groups, before, runningIds } = await loadThreadList(core, reader, { currentId });
  const entries = groups.flatMap(({ id, threads }) => threads.map((thread) => ({ thread, group: id })));
  return { entries, isWhole: before === null, runningIds, currentId };
}

interface Change {
  readonly shown: readonly Entry[] | null;
  readonly now: FirstPage;
  /** By id; true = more than a message or a turn. */
  readonly threads: ReadonlyMap<string, boolean>;
}

/** Partials that put the threads where they now are; null when that cannot be told from the first page. */
function difference(core: Core, reader: Reader, { shown, now, threads }: Change): string | null {
  const { entries } = now;
  let markup = "";
  for (const [id, isMore] of threads) {
    if (entries.some(({ thread }) => thread.id === id)) continue;
    const wasShown = shown?.some(({ thread }) => thread.id === id) ?? true;
    // It left the first page, or it never was there and now has another name or another place.
    if ((isMore || wasShown) && !now.isWhole) return null;
    markup += partial(`c-${id}`, "delete", NOTHING);
  }
  const moved = new Set<Entry>();
  for (const [index, entry] of entries.entries()) {
    if (!threads.has(entry.thread.id)) continue;
    const isKept = isInPlace(shown, entry, { above: entries[index - 1], below: entries[index + 1] });
    if (isKept) markup += partial(`c-${entry.thread.id}`, "outerMorph", itemOf(core, reader, now, entry.thread));
    else moved.add(entry);
  }
  const placed = placeAll(core, reader, now, moved);
  return placed === null ? null : markup + placed;
}

/**
 * Each goes above the next entry that stays where it is, from above: htmx looks up all targets of a message before it swaps,
 * so none can go above one that is itself moved.
 */
function placeAll(core: Core, reader: Reader, now: FirstPage, moved: ReadonlySet<Entry>): string | null {
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
    let content = itemOf(core, reader, now, thread).markup;
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
  readonly above: Entry | undefined;
  readonly below: Entry | undefined;
}

function isInPlace(shown: readonly Entry[] | null, { thread, group }: Entry, { above, below }: Neighbours): boolean {
  const index = shown?.findIndex((entry) => entry.thread.id === thread.id) ?? -1;
  if (!shown || index < 0 || shown[index]?.group !== group) return false;
  return shown[index - 1]?.thread.id === above?.thread.id && shown[index + 1]?.thread.id === below?.thread.id;
}

type Item = ReturnType<Core["views"]["threadItem"]>;

function itemOf(core: Core, { words }: Reader, { runningIds, currentId }: FirstPage, thread: Thread): Item {
  const filter = { archived: false, tag: null };
  const isRunning = runningIds.includes(thread.id);
  const item = { thread, isCurrent: thread.id === currentId, isRunning, filter, hit: null, query: "" };
  return core.views.threadItem(item, words);
}

const NOTHING = { markup: "" };
