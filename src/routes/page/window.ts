/**
 * Which messages of a thread one page shows: the end of the branch, what comes before a message, or what is around one. A
 * page begins with a message of the user, so that no reply is cut in two, and holds as many whole replies as it takes.
 */

import { newestEnd, pathTo } from "../../basics/messages";
import type { MessageNode } from "../../protocols";

const PER_PAGE = 100; // Messages at least, where there are as many.
const ABOVE = 20; // Messages shown before the one that was asked for.

/** At most one of them. */
export interface WindowQuery {
  /** What comes before this message. */
  readonly before?: string | undefined;
  /** What is around this message, on whichever branch it is. */
  readonly at?: string | undefined;
  /** What is around this message, which is looked for to be edited. */
  readonly edit?: string | undefined;
}

export interface Window {
  /** Oldest first. */
  readonly shown: readonly MessageNode[];
  /** The oldest one shown; null when none is before it. */
  readonly before: string | null;
  /** The first one after those shown; null when there is none. */
  readonly next: string | null;
  /** The last one of the branch. */
  readonly endId: string | null;
  /** False when the branch is another one than the thread's. */
  readonly isThreadsBranch: boolean;
}

/** A message that is not in the thread is as one that was not asked for. */
export function chooseWindow(
  nodes: readonly MessageNode[],
  headId: string | null,
  { before, at, edit }: WindowQuery,
): Window {
  const around = at ?? edit;
  const asked = around ?? before;
  const threads = headId === null ? [] : pathTo(nodes, headId);
  const other = asked === undefined || isOn(threads, asked) ? [] : pathTo(nodes, newestEnd(nodes, asked));
  const isThreadsBranch = !isOn(other, asked);
  const path = isThreadsBranch ? threads : other;
  const position = path.findIndex(({ id }) => id === asked);
  const [start, end] = rangeOf(path, position, position >= 0 && around === undefined);
  return {
    shown: path.slice(start, end),
    before: start > 0 ? (path[start]?.id ?? null) : null,
    next: path[end]?.id ?? null,
    endId: path.at(-1)?.id ?? null,
    isThreadsBranch,
  };
}

function rangeOf(path: readonly MessageNode[], position: number, isBefore: boolean): [start: number, end: number] {
  if (isBefore) return [turnOf(path, position - PER_PAGE), position];
  const last = turnOf(path, path.length - PER_PAGE);
  if (position < 0 || position >= last) return [last, path.length];
  const start = turnOf(path, position - ABOVE);
  const next = path.findIndex(({ role }, index) => role === "user" && index > position && index >= start + PER_PAGE);
  return [start, next < 0 ? path.length : next];
}

/** Where the message of the user stands that is at the position or above it. */
function turnOf(path: readonly MessageNode[], position: number): number {
  let at = Math.max(0, position);
  while (at > 0 && path[at]?.role !== "user") at--;
  return at;
}

function isOn(path: readonly MessageNode[], id: string | undefined): boolean {
  return path.some((node) => node.id === id);
}
