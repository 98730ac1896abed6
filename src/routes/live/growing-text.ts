/**
 * A text of Markdown that is being written, and what a page is to change to show it: finished blocks are told once and never
 * touched again; of the open one mostly what was added to it.
 */

import type { Core, Html, OpenMarkdown, Words } from "../../protocols";
import { isSumOfBlocks, keepRendered, rendered } from "../page/rendered";
import { partial } from "../partial";
import { addedTo, endTags } from "./append";

export interface GrowingText {
  push(text: string): void;
  /** As it was told last: the markup of its finished blocks, and of what may still change. */
  shown(): { readonly body: Html; readonly tail: Html };
  /** What to change in a page that shows it as it was told last; `tail` is the id of the element that ends it. */
  takeChanges(tail: string): string;
  /** The same once nothing more comes and `text` is all. Null when the page must show the whole anew, because the end changed the beginning. */
  takeEnd(tail: string, text: string): string | null;
}

export function createGrowingText(core: Core, words: Words): GrowingText {
  const { views } = core;
  const told: Html[] = [];
  /** Source from the start of the open block on. */
  let open = "";
  /** As much of it as was told. */
  let toldOpen = "";
  let tail = "";
  let hasMore = false;
  let waiting = "";
  let fence: OpenFence | null = null;

  const inFence = (id: string): string | null => {
    const more = fence && moreOf(fence, open);
    if (!fence || more === null) return null;
    if (more === "") return "";
    const markup = Bun.escapeHTML(more);
    fence.markup += markup;
    return partial(id, "beforeend", { markup }, fence.depth);
  };
  const settleFence = (): void => {
    if (fence) tail = fence.markup + fence.end;
    fence = null;
  };
  const tellBlocks = (id: string, length: number): string => {
    const source = open.slice(0, length);
    open = open.slice(length);
    const blocks = views.markdown(source, words);
    told.push(blocks);
    return partial(id, "beforebegin", blocks);
  };
  const tellTail = (id: string, opened: OpenMarkdown): string => {
    const before = tail;
    tail = opened.tail.markup;
    if (opened.openFence !== null) fence = openFence(opened.openFence, open, tail);
    if (tail === before) return "";
    const added = before === "" ? null : addedTo(before, tail);
    return added ? partial(id, "beforeend", added, added.depth) : partial(id, "innerMorph", opened.tail);
  };

  return {
    push(text) {
      const all = waiting + text;
      // The other half of this line break may be under way.
      waiting = all.endsWith("\r") ? "\r" : "";
      const more = all.includes("\r") ? all.slice(0, all.length - waiting.length).replace(/\r\n?/g, "\n") : all;
      open += more;
      hasMore ||= more !== "";
    },
    shown() {
      return { body: views.join(told), tail: views.openMarkdown(toldOpen, words).tail };
    },
    takeChanges(id) {
      if (!hasMore) return "";
      hasMore = false;
      const added = inFence(id);
      if (added !== null) {
        toldOpen = open;
        return added;
      }
      settleFence();
      const opened = views.openMarkdown(open, words);
      const blocks = opened.finished > 0 ? tellBlocks(id, opened.finished) : "";
      toldOpen = open;
      return blocks + tellTail(id, opened);
    },
    takeEnd(id, text) {
      settleFence();
      const rest = views.markdown(open + waiting, words);
      const blocks = views.join([...told, rest]);
      if (isSumOfBlocks(text)) keepRendered(core, words, text, blocks);
      const { markup } = rendered(core, words, text);
      return blocks.markup === markup ? partial(id, "outerHTML", rest) : null;
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
