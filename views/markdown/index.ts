/**
 * Markdown of models as markup that is safe to show, whole or while it is being written. Blocks render alike alone and together, but for
 * links and footnotes that one block has and another one uses, so a stream of blocks gives the same page as the whole.
 */

import type { MarkdownIt, Token } from "markdown-it";
import { lazy } from "../../src/basics/once";
import type { Formulas, Html, OpenMarkdown, Words } from "../../src/protocols";
import { html, raw } from "../html";
import { isClosed } from "./code";
import { mend } from "./mend";
import { MAX_BLOCK_LENGTH, plain } from "./plain";

export { plain } from "./plain";

/** Characters of a part; longer ones are shown as plain text. Ordinary text of this length takes about 10 ms. */
const MAX_LENGTH = 300_000;

export function markdown(text: string, words: Words, formulas?: Formulas): Html {
  return text.length > MAX_LENGTH ? plain(text) : raw(parser().render(text, { words, formulas }));
}

export function join(fragments: readonly Html[]): Html {
  return html`${fragments}`;
}

/** Characters of an open text that are looked at. Of more, all is shown as plain text until the end. */
const MAX_OPEN_LENGTH = 150_000;

/**
 * Of one open block other than code. It is rendered at each look, a tenth of the time and nothing else meanwhile, so a longer one,
 * mostly a list or a table, is shown as plain text until it is finished.
 */
const MAX_TAIL_LINES = 600;

/**
 * Markdown that is still being written: which of it is finished, and how the rest is shown meanwhile. A block is finished
 * once another one has begun below it, a blank line has ended it, or it is of a kind that ends by itself.
 */
export function openMarkdown(text: string, words: Words, formulas?: Formulas): OpenMarkdown {
  if (text.length > MAX_OPEN_LENGTH) return { finished: 0, tail: plain(text), openFence: null };
  const { finished, last, formula } = split(text);
  const rest = text.slice(finished, formula ?? text.length);
  const render = (shown: string) => rendered(shown, words, formulas);
  if (last === null || !isOpenCode(last, rest)) {
    return { finished, tail: isLong(rest) ? plain(rest) : render(mend(rest)), openFence: null };
  }
  // One that stands in a list is indented, and what is added to it is not shown as it is.
  const isTopLevel = last.type === "fence" && last.level === 0 && rest.startsWith(last.markup);
  return {
    finished,
    tail: render(withoutEnd(rest, last.markup[0] ?? "")),
    openFence: isTopLevel ? last.markup : null,
  };
}

function isLong(text: string): boolean {
  return text.length > MAX_BLOCK_LENGTH || text.split("\n").length > MAX_TAIL_LINES;
}

interface Split {
  readonly finished: number;
  /** The last token of the open block that holds text. */
  readonly last: Token | null;
  /** Where a formula begins that has not come to its end. Null = there is none. */
  readonly formula: number | null;
}

const UNSPLIT: Split = { finished: 0, last: null, formula: null };

function split(text: string): Split {
  const lines = text.slice(0, text.lastIndexOf("\n") + 1);
  if (lines === "") return UNSPLIT;
  const tokens: Token[] = [];
  parser().block.parse(lines.replace(/\r\n?/g, "\n"), parser(), { isOpen: true }, tokens);
  const blocks = tokens.filter(({ level, nesting, map }) => level === 0 && nesting >= 0 && map);
  const [last, before] = [blocks.at(-1), blocks.at(-2)];
  // What may be a formula may be more lines of what stands above it.
  const isFormula = last?.type === "open_block" && before?.map?.[1] === last.map?.[0];
  const block = isFormula ? before : last;
  const [begin = 0, end = 0] = block?.map ?? [];
  if (!block) return UNSPLIT;
  const start = startOfLine(lines, begin);
  const isEnded = !isFormula && startOfLine(lines, end) < lines.length && !CONTINUES.test(block.type);
  if (isEnded || (!isFormula && endsByItself(block, lines.slice(start)))) return { ...UNSPLIT, finished: lines.length };
  const formula = tokens.findLast(({ type }) => type === "open_block");
  return {
    finished: start,
    last: tokens.slice(tokens.indexOf(block)).findLast(({ type }) => HOLDS_TEXT.test(type)) ?? null,
    formula: formula?.map ? startOfLine(lines, formula.map[0]) : null,
  };
}

/** Below a blank line more of the same may follow. */
const CONTINUES = /^(?:bullet_list_open|ordered_list_open|code_block|footnote_written|open_block|details_open)$/;
const HOLDS_TEXT = /^(?:inline|fence|code_block)$/;

function endsByItself(block: Token, source: string): boolean {
  if (block.type === "fence") return isClosed(block);
  if (block.type === "heading_open") return !source.includes("|");
  if (block.type === "details_open") return (block.meta as { readonly isClosed: boolean }).isClosed;
  return /^(?:hr|formula_block|comment)$/.test(block.type);
}

/** Whether the text ends inside of code, where nothing is syntax. */
function isOpenCode(token: Token, text: string): boolean {
  if (token.type === "fence") return !isClosed(token);
  return token.type === "code_block" && /(?:^|\n)(?: {4}.*|\t.*|)$/.test(text.slice(-1000));
}

/** The last line may become the end of the fence. */
function withoutEnd(text: string, character: string): string {
  const start = text.lastIndexOf("\n") + 1;
  return text.slice(start).trim().replaceAll(character, "") === "" ? text.slice(0, start) : text;
}

function rendered(text: string, words: Words, formulas: Formulas | undefined): Html {
  return raw(text === "" ? "" : parser().render(text, { words, formulas }));
}

function startOfLine(text: string, line: number): number {
  const breaks = /\r\n?|\n/g;
  for (let count = 0; count < line; count++) breaks.exec(text);
  return breaks.lastIndex;
}

/** The server's start need not wait the 7 ms for it. `require` alone loads at this moment without waiting. */
const parser = lazy((): MarkdownIt => (require("./parser") as typeof import("./parser")).parser);
