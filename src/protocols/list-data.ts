/** What the views of the thread list are given. */

import type { Thread, ThreadHit } from "./thread";

export interface ThreadListData {
  readonly groups: readonly ThreadGroup[];
  /** With a query: what was found, instead of `groups`. */
  readonly hits: readonly ThreadHit[];
  readonly query: string;
  readonly filter: ThreadFilter;
  /** What can be filtered by. */
  readonly tags: readonly string[];
  readonly currentId: string | null;
  /** Threads in which a turn runs. */
  readonly runningIds: readonly string[];
  /** The thread whose entry is a form. */
  readonly editedId: string | null;
  /** What to ask for the next page with; null = no more. */
  readonly before: string | null;
  /** How many threads the list shows with those of this page. */
  readonly shown: number;
}

/** Which threads the list shows: without a tag all that are not archived, or all that are. */
export interface ThreadFilter {
  readonly archived: boolean;
  readonly tag: string | null;
}

/** Threads of one time, as the reader's calendar has it. */
export interface ThreadGroup {
  /** `pinned`, `today`, `yesterday`, `week` (the rest of this one), or the month as `2026-01`. */
  readonly id: string;
  readonly threads: readonly Thread[];
  /** True when the page before ended within the group, which then has its heading there. */
  readonly isContinued: boolean;
}

export interface ThreadItemData {
  readonly thread: Thread;
  readonly isCurrent: boolean;
  readonly isRunning: boolean;
  readonly filter: ThreadFilter;
  /** The hit of the search in this thread; null = the list is not of a search. */
  readonly hit: ThreadHit | null;
  readonly query: string;
}
