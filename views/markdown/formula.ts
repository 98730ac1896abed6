/**
 * A formula of TeX as MathML with the TeX inside, which is what a click on it copies. Those that take long are looked up; one that is
 * not made yet, or cannot be drawn, is shown as it was written.
 *
 * Where a formula stands: $…$ and \(…\) in a line, $$…$$ and \[…\] in a line or as blocks of their own, and the environments
 * that are formulas by themselves, and code in the language `math`. A block may hold blank lines, but no paragraphs.
 * "$5 and $10" are prices.
 */

import type { MarkdownIt, StateBlock, StateCore, StateInline } from "markdown-it";
import { remembered } from "../../src/basics/recent";
import { drawFormula, isQuick, MAX_FORMULA_LENGTH } from "../../src/formulas/draw";
import type { Formulas } from "../../src/protocols";
import { escapeHtml } from "../html";
import { isClosed } from "./code";

const MAX_BLOCK_LINES = 300;
const MAX_DOLLARS = 2000; // Characters between single dollars.
/** Characters of formulas in one text, of those that are drawn at once and of the others; further ones are shown as they were written. */
const MAX_IN_TEXT = { quick: 30_000, slow: 200_000 };

export function formulas(parser: MarkdownIt): void {
  // Before `escape`, for which "\(" is a bracket.
  parser.inline.ruler.before("escape", "formula", inline);
  parser.block.ruler.before("fence", "formula_block", block, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  parser.core.ruler.after("block", "formula_fence", fences);
  const madeIn = (env: object | undefined) => (env as { readonly formulas?: Formulas }).formulas;
  parser.renderer.rules.formula = (tokens, index, _options, env) => {
    const token = tokens[index];
    return token ? formula(token.content, token.markup !== "$" && token.markup !== "\\(", madeIn(env)) : "";
  };
  parser.renderer.rules.formula_block = (tokens, index, _options, env) =>
    `${formula(tokens[index]?.content ?? "", true, madeIn(env))}\n`;
}

const PAIRS = [
  ["$$", "$$"],
  ["$", "$"],
  ["\\(", "\\)"],
  ["\\[", "\\]"],
] as const;

function inline(state: StateInline, isSilent: boolean): boolean {
  const first = state.src.charCodeAt(state.pos);
  if (first !== 0x24 && first !== 0x5c) return false;
  if (state.src.startsWith("\\begin{", state.pos)) return inlineEnvironment(state, isSilent);
  const pair = PAIRS.find(([open]) => state.src.startsWith(open, state.pos));
  if (!pair) return false;
  const [open, close] = pair;
  const end = endOfFormula(state.src, state.pos, open, close);
  if (end === -1 || end + close.length > state.posMax) return false;
  const content = state.src.slice(state.pos + open.length, end);
  if (!takeBudget(state.env, content, isSilent)) return false;
  if (!isSilent) Object.assign(state.push("formula", "math", 0), { content: content.trim(), markup: open });
  state.pos = end + close.length;
  return true;
}

function inlineEnvironment(state: StateInline, isSilent: boolean): boolean {
  const end = endOfEnvironment(state.src, state.pos);
  if (end === -1 || end > state.posMax) return false;
  const content = state.src.slice(state.pos, end);
  if (!takeBudget(state.env, content, isSilent)) return false;
  if (!isSilent) Object.assign(state.push("formula", "math", 0), { content, markup: "$$" });
  state.pos = end;
  return true;
}

/** Where an environment ends that begins at `start`, or -1 when what stands there is none. */
export function endOfEnvironment(source: string, start: number): number {
  const name = ENVIRONMENT.exec(source.slice(start, start + 40))?.[1];
  if (name === undefined) return -1;
  const close = `\\end{${name}}`;
  const end = source.slice(start, start + MAX_FORMULA_LENGTH).indexOf(close);
  return end === -1 ? -1 : start + end + close.length;
}

/** Position of the closing mark, or -1 when what follows `start` is no formula. */
export function endOfFormula(source: string, start: number, open: string, close: string): number {
  const from = start + open.length;
  if (open === "$") return endOfDollars(source, start);
  const end = source.slice(from, from + MAX_FORMULA_LENGTH + close.length).indexOf(close);
  const content = source.slice(from, from + end);
  return end <= 0 || content.trim() === "" || (open === "$$" && isProse(content)) ? -1 : from + end;
}

/** What may follow a formula that is part of a word: the $n$th of the $k$s. */
const SUFFIX = /^(?:th|st|nd|rd|e?s|d)(?!\w)/;

/** The marks touch the formula, or both stand apart from it; nothing but punctuation touches them; what begins with a number holds no words. */
function endOfDollars(source: string, start: number): number {
  if (/[\w$\\]/.test(source[start - 1] ?? " ") || /[$\n]|^$/.test(source[start + 1] ?? "")) return -1;
  const isApart = /\s/.test(source[start + 1] ?? "");
  const limit = Math.min(source.length, start + MAX_DOLLARS);
  for (let at = start + 1; at < limit; at++) {
    const character = source[at];
    if (character === "\\") at++;
    else if (character === "$") {
      const content = source.slice(start + 1, at);
      if (isApart !== /\s$/.test(content) || (isApart && !isFormulaApart(content))) return -1;
      if (/[\w$]/.test(source[at + 1] ?? " ") && !isPartOfWord(content, source.slice(at + 1, at + 5))) return -1;
      return /^\d[^\\{}]*\s[a-z]{2,}/i.test(content) ? -1 : at;
    }
  }
  return -1;
}

function isPartOfWord(content: string, after: string): boolean {
  return SUFFIX.test(after) && /^(?!\d)[\s\S]*[\w)}\]']$/.test(content);
}

/** Between dollars that stand apart, as those of prices do: a letter alone, or what an operator or a command is in and no word. */
function isFormulaApart(content: string): boolean {
  const bare = withoutCommands(content).trim();
  if (content.includes("\n") || /[A-Za-z]{3,}|(?:^|\s)[A-Za-z]{2}(?:\s|$)|[-+*/=<>,]$/.test(bare)) return false;
  if (/^\d/.test(bare)) return /[\\=^_<>]/.test(content);
  return /[\\=^_<>+\-*/|]/.test(content) || /^[A-Za-z](?:\([A-Za-z]\)|'*)$/.test(bare);
}

function isProse(content: string): boolean {
  return /[A-Za-z]{2,}[.,;:]?\s+[A-Za-z]{2,}/.test(withoutCommands(content));
}

/** Without commands, and without the words that the first of their arguments may hold. */
function withoutCommands(content: string): string {
  return content.replace(/\\[A-Za-z]+\*?(?:\{[^{}\\]{0,500}(?:\}|$))?/g, " ~ ");
}

const ENVIRONMENT =
  /^\\begin\{((?:equation|align|alignat|gather|multline|eqnarray|aligned|gathered|split|cases|[pbvBV]?matrix|smallmatrix|array|CD)\*?)\}/;

interface Opening {
  /** Characters of the mark, which is no part of the formula. */
  readonly length: number;
  readonly close: string;
  readonly isEnvironment: boolean;
}

function openingOf(line: string): Opening | null {
  const name = line.startsWith("\\begin") ? ENVIRONMENT.exec(line)?.[1] : undefined;
  if (name !== undefined) return { length: 0, close: `\\end{${name}}`, isEnvironment: true };
  const close = line.startsWith("$$") ? "$$" : line.startsWith("\\[") ? "\\]" : null;
  return close === null ? null : { length: 2, close, isEnvironment: false };
}

function block(state: StateBlock, startLine: number, endLine: number, isSilent: boolean): boolean {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
  const first = lineOf(state, startLine);
  const opening = openingOf(first);
  if (!opening) return false;
  const { length, close } = opening;
  const line = isEnd(first.slice(length), close) ? startLine : endOfBlock(state, startLine + 1, close);
  const isOpen = line >= endLine;
  const last = isOpen ? endLine - 1 : line;
  if (last - startLine > MAX_BLOCK_LINES || (isOpen && !state.env.isOpen)) return false;
  let blank = 0;
  for (let inside = startLine + 1; inside <= last; inside++) {
    if (state.isEmpty(inside)) blank++;
    else if ((state.sCount[inside] ?? 0) < state.blkIndent) return false;
  }
  const lines = Array.from({ length: last - startLine }, (_, at) => lineOf(state, startLine + 1 + at));
  const text = [first.slice(length), ...lines].join("\n").trimEnd();
  const content = (length === 0 || isOpen ? text : text.slice(0, -2)).trim();
  // Paragraphs between two marks are no formula.
  if (blank > 0 && !opening.isEnvironment && isProse(content)) return false;
  if (content.length > MAX_FORMULA_LENGTH || content.includes("$$") || (content === "" && !isOpen)) return false;
  if (isSilent) return true;
  const isAllowed = isOpen || takeBudget(state.env, content, false);
  const token = state.push(isOpen ? "open_block" : isAllowed ? "formula_block" : "code_block", "math", 0);
  Object.assign(token, { content, map: [startLine, last + 1], markup: close });
  state.line = last + 1;
  return true;
}

/** As long as its last line has not come it is code. */
function fences({ tokens, env }: StateCore): void {
  for (const token of tokens) {
    if (token.type !== "fence" || token.info.trim().toLowerCase() !== "math" || !isClosed(token)) continue;
    const content = token.content.trim();
    if (content === "" || content.length > MAX_FORMULA_LENGTH || !takeBudget(env, content, false)) continue;
    Object.assign(token, { type: "formula_block", content, markup: "$$" });
  }
}

/** The next line that ends as a formula does, wherever. Found once for all the lines in front of it, each of which may be a beginning. */
function endOfBlock(state: StateBlock, from: number, close: string): number {
  state.env.formulaEnds ??= new WeakMap();
  const all = state.env.formulaEnds as WeakMap<object, Record<string, { readonly from: number; readonly to: number }>>;
  // What stands in a block of another text has lines of its own.
  const ends = all.getOrInsertComputed(state.bMarks, () => ({}));
  const known = ends[close];
  if (known && known.from <= from && from <= known.to) return known.to;
  let to = from;
  while (to < state.eMarks.length && !isEnd(lineOf(state, to), close)) to++;
  ends[close] = { from, to };
  return to;
}

function isEnd(line: string, close: string): boolean {
  return line.trimEnd().endsWith(close);
}

function lineOf(state: StateBlock, line: number): string {
  return state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line]);
}

function takeBudget(env: Record<string, unknown>, content: string, isSilent: boolean): boolean {
  const kind = isQuick(content) ? "quick" : "slow";
  const used = Number(env[kind] ?? 0) + content.length;
  if (!isSilent) env[kind] = used;
  return used <= MAX_IN_TEXT[kind];
}

const MAX_KEPT = 2000; // Quick formulas; a paragraph that is being written is rendered again and again.

const quick = {
  inline: remembered(MAX_KEPT, (source) => shown(source, false, drawFormula(source, false))),
  display: remembered(MAX_KEPT, (source) => shown(source, true, drawFormula(source, true))),
};

/** `source` is what stands between the marks. */
function formula(source: string, isDisplay: boolean, formulas: Formulas | undefined): string {
  if (isQuick(source)) return quick[isDisplay ? "display" : "inline"](source);
  return shown(source, isDisplay, formulas?.find(source, isDisplay)?.markup ?? null);
}

function shown(source: string, isDisplay: boolean, math: string | null): string {
  if (math === null) return `<code class="formula">${escapeHtml(source)}</code>`;
  return isDisplay ? `<div class="formula" tabindex="0">${math}</div>` : math;
}
