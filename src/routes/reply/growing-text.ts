/**
 * A text of Markdown that is being written, and what a page is to change to show it: finished blocks are told once and never
 * touched again; of the open one mostly what was added to it, since most of a reply grows at its end, and to send that alone
 * keeps its cost linear. A page without script is told finished blocks alone.
 */

import type { Core, Html, OpenMarkdown, Words } from "../../protocols";
import { fragment } from "../http/respond";
import { formulasOfText, isSumOfBlocks, keepRendered, renderBlocks, rendered, whenFinished } from "./markup";

export interface GrowingText {
  push(text: string): void;
  /** As it was told last: the markup of its finished blocks, and of what may still change. */
  shown(): { readonly body: Html; readonly tail: Html };
  /**
   * What to change in a page that shows it as it was told last; `tail` is the id of the element that ends it. Null when the page
   * must show it anew, as `shown` then is, because formulas that it shows as they were written have been made.
   */
  takeChanges(tail: string): string | null;
  /** Markup of blocks that have been finished since they were told last; for a page that is shown nothing of the open one. */
  takeBlocks(): string;
  /** The last markup to tell, when no more text comes and `text` is all of it. */
  end(text: string): TextEnd;
}

export interface TextEnd {
  /** Markup that follows the finished blocks. */
  readonly rest: Html;
  /** Null, or markup of the whole, to be shown instead, because the end changed the beginning. */
  readonly whole: Html | null;
}

/** Blocks that were told, all at once. */
interface ToldBlocks {
  readonly source: string;
  markup: Html;
}

const SHORT = 1000; // Characters. For `takeBlocks`, an open block that is longer is looked at only when it has grown by a tenth.

/** `onMade` is called when there is something to take without a push. */
export function createGrowingText(core: Core, words: Words, onMade = () => {}): GrowingText {
  const { views } = core;
  const told: ToldBlocks[] = [];
  /** Markup whose formulas, shown as they were written, have been made meanwhile. */
  const made = new Set<Html>();
  let isEnded = false;
  /** Source from the start of the open block on. */
  let open = "";
  /** As much of it as was told. */
  let toldOpen = "";
  let tail = "";
  let [hasMore, hasLine] = [false, false];
  let waiting = "";
  let fence: OpenFence | null = null;

  const inFence = (id: string): string | null => {
    const more = fence && moreOf(fence, open);
    if (!fence || more === null) return null;
    if (more === "") return "";
    const markup = Bun.escapeHTML(more);
    fence.markup += markup;
    return fragment(id, "beforeend", { markup }, fence.depth);
  };
  const settleFence = (): void => {
    if (fence) tail = fence.markup + fence.end;
    fence = null;
  };
  const finishBlocks = (length: number): Html => {
    const source = open.slice(0, length);
    open = open.slice(length);
    const markup = look(source);
    told.push({ source, markup });
    return markup;
  };
  const look = (source: string): Html => {
    const markup = renderBlocks(core, words, source);
    void whenFinished(markup)?.then(() => {
      made.add(markup);
      if (!isEnded) onMade();
    });
    return markup;
  };
  /** Whether markup that was told is to be told anew. */
  const takeMade = (): boolean => {
    const changed = told.filter(({ markup }) => made.has(markup));
    for (const blocks of changed) blocks.markup = look(blocks.source);
    made.clear();
    return changed.length > 0;
  };
  const openNow = (source: string) => views.openMarkdown(source, words, formulasOfText(core.log));
  const grow = (id: string): string => {
    if (!hasMore) return "";
    hasMore = false;
    const added = inFence(id);
    if (added !== null) {
      toldOpen = open;
      return added;
    }
    settleFence();
    const opened = openNow(open);
    const blocks = opened.finished > 0 ? fragment(id, "beforebegin", finishBlocks(opened.finished)) : "";
    toldOpen = open;
    return blocks + tellTail(id, opened);
  };
  const tellTail = (id: string, opened: OpenMarkdown): string => {
    const before = tail;
    tail = opened.tail.markup;
    if (opened.openFence !== null) fence = openFence(opened.openFence, open, tail);
    if (tail === before) return "";
    const added = before === "" ? null : addedTo(before, tail);
    return added ? fragment(id, "beforeend", added, added.depth) : fragment(id, "innerMorph", opened.tail);
  };

  return {
    push(text) {
      const all = waiting + text;
      // The other half of this line break may be under way.
      waiting = all.endsWith("\r") ? "\r" : "";
      const more = all.includes("\r") ? all.slice(0, all.length - waiting.length).replace(/\r\n?/g, "\n") : all;
      open += more;
      hasMore ||= more !== "";
      hasLine ||= more.includes("\n");
    },
    shown() {
      return { body: views.join(told.map(({ markup }) => markup)), tail: openNow(toldOpen).tail };
    },
    takeChanges(id) {
      const changes = grow(id);
      return takeMade() ? null : changes;
    },
    takeBlocks() {
      if (!hasLine || (open.length > SHORT && open.length < toldOpen.length * 1.1)) return "";
      hasLine = false;
      const { finished } = views.openMarkdown(open, words);
      const markup = finished > 0 ? finishBlocks(finished).markup : "";
      toldOpen = open;
      return markup;
    },
    end(text) {
      settleFence();
      isEnded = true;
      const rest = look(open + waiting);
      const all = [...told.map(({ markup }) => markup), rest];
      const blocks = views.join(all);
      // Some of it may have been made by views that were exchanged since.
      const isWhole = core.views === views && isSumOfBlocks(text);
      if (isWhole && !all.some(whenFinished)) keepRendered(core, words, text, blocks);
      const whole = rendered(core, words, text);
      return { rest, whole: blocks.markup === whole.markup ? null : whole };
    },
  };
}

/** Code that is being written, to which text is added as it comes. */
interface OpenFence {
  readonly mark: string;
  /** Where the line starts that is not complete, and how far the text was told. */
  line: number;
  told: number;
  /** Markup of the tail, up to where text is added; and from there. */
  markup: string;
  readonly end: string;
  readonly depth: number;
}

function openFence(mark: string, open: string, tail: string): OpenFence {
  const ends = endTags(tail);
  const at = ends[0] ?? tail.length;
  const line = open.lastIndexOf("\n") + 1;
  const told = mayEnd(open.slice(line), mark) ? line : open.length;
  return { mark, line, told, markup: tail.slice(0, at), end: tail.slice(at), depth: ends.length };
}

/** Text to add, as long as the code goes on; null when a line has come that may have ended it. */
function moreOf(fence: OpenFence, open: string): string | null {
  for (let end = open.indexOf("\n", fence.line); end !== -1; end = open.indexOf("\n", fence.line)) {
    const line = open.slice(fence.line, end);
    if (line.trim() !== "" && mayEnd(line, fence.mark) && line.includes(fence.mark)) return null;
    fence.line = end + 1;
  }
  const to = mayEnd(open.slice(fence.line), fence.mark) ? fence.line : open.length;
  const more = open.slice(fence.told, Math.max(to, fence.told));
  fence.told += more.length;
  return more;
}

/** Whether a line holds nothing but the mark's character, so far. */
function mayEnd(line: string, mark: string): boolean {
  return line.trim().replaceAll(mark[0] ?? "", "") === "";
}

interface AddedMarkup {
  /** Markup to go to the end of an element that is there. */
  readonly markup: string;
  /** Which one: how many last children down from the element that holds all of it. */
  readonly depth: number;
}

/** Null when `after` is more than `before` with something at the end of one of its elements. */
function addedTo(before: string, after: string): AddedMarkup | null {
  const ends = [...endTags(before)];
  for (let depth = ends.length; depth >= 0; depth--) {
    const at = ends[ends.length - depth] ?? before.length;
    const rest = before.slice(at);
    if (!after.startsWith(before.slice(0, at)) || !after.endsWith(rest) || after.length < before.length) continue;
    const markup = after.slice(at, after.length - rest.length);
    if (isWhole(markup)) return { markup, depth };
  }
  return null;
}

const MAX_ENDS = 2000; // Characters: lists nested deeper than anybody can see.

/** Where the end tags stand that `markup` ends with, outermost last. Tags inside of a formula are no HTML. */
export function endTags(markup: string): number[] {
  const tail = /(?:<\/(?!math)[a-z][a-z0-9]*>\s*)*$/.exec(markup.slice(-MAX_ENDS));
  if (!tail) return [];
  const begin = markup.length - tail[0].length;
  return [...tail[0].matchAll(/</g)].map(({ index }) => begin + index);
}

const VOID = new Set(["br", "hr", "img", "input", "wbr"]);

/** Whether every element that begins in it ends in it, and no other one does. */
function isWhole(markup: string): boolean {
  if (markup.lastIndexOf("<") > markup.lastIndexOf(">")) return false;
  let depth = 0;
  for (const [, slash, name = ""] of markup.matchAll(/<(\/?)([a-z][a-z0-9]*)/g)) {
    if (VOID.has(name)) continue;
    depth += slash ? -1 : 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}
