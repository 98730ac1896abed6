/**
 * Where a formula stands: $…$ and \(…\) in a line, $$…$$ and \[…\] in a line or as blocks of their own. A block's end must
 * come before a blank line. "$5 and $10" are prices.
 */

import type { MarkdownIt, StateBlock, StateInline } from "markdown-it";
import { formula, MAX_FORMULA_LENGTH } from "./formula";

const MAX_BLOCK_LINES = 100;
/** Characters of formulas in one text; further ones are shown as they were written. */
const MAX_IN_TEXT = 30_000;

export function formulas(parser: MarkdownIt): void {
  // Before `escape`, for which "\(" is a bracket.
  parser.inline.ruler.before("escape", "formula", inline);
  parser.block.ruler.before("fence", "formula_block", block, {
    alt: ["paragraph", "reference", "blockquote", "list"],
  });
  parser.renderer.rules.formula = (tokens, index) => {
    const token = tokens[index];
    return token ? formula(token.content, token.markup !== "$" && token.markup !== "\\(") : "";
  };
  parser.renderer.rules.formula_block = (tokens, index) => `${formula(tokens[index]?.content ?? "", true)}\n`;
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
  const pair = PAIRS.find(([open]) => state.src.startsWith(open, state.pos));
  if (!pair) return false;
  const [open, close] = pair;
  const end = endOfFormula(state.src, state.pos, open, close);
  if (end === -1) return false;
  const content = state.src.slice(state.pos + open.length, end);
  if (!takeBudget(state.env, content, isSilent)) return false;
  if (!isSilent) Object.assign(state.push("formula", "math", 0), { content: content.trim(), markup: open });
  state.pos = end + close.length;
  return true;
}

/** Position of the closing mark, or -1 when what follows `start` is no formula. */
export function endOfFormula(source: string, start: number, open: string, close: string): number {
  const from = start + open.length;
  if (open === "$") return endOfDollars(source, start);
  const end = source.slice(from, from + MAX_FORMULA_LENGTH + close.length).indexOf(close);
  return end <= 0 || source.slice(from, from + end).trim() === "" ? -1 : from + end;
}

/** The marks touch the formula, nothing but punctuation touches them, and what begins with a number holds no words. */
function endOfDollars(source: string, start: number): number {
  if (/[\w$\\]/.test(source[start - 1] ?? " ") || /[\s$]|^$/.test(source[start + 1] ?? "")) return -1;
  const limit = Math.min(source.length, start + MAX_FORMULA_LENGTH);
  for (let at = start + 1; at < limit; at++) {
    const character = source[at];
    if (character === "\\") at++;
    else if (character === "$") {
      if (/\s/.test(source[at - 1] ?? "") || /[\w$]/.test(source[at + 1] ?? " ")) return -1;
      return /^\d[^\\{}]*\s[a-z]{2,}/i.test(source.slice(start + 1, at)) ? -1 : at;
    }
  }
  return -1;
}

function block(state: StateBlock, startLine: number, endLine: number, isSilent: boolean): boolean {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
  const first = lineOf(state, startLine);
  const close = first.startsWith("$$") ? "$$" : first.startsWith("\\[") ? "\\]" : null;
  if (close === null) return false;
  const line = isEnd(first.slice(2), close) ? startLine : endOfBlock(state, startLine + 1, close);
  if (line >= endLine || line - startLine > MAX_BLOCK_LINES) return false;
  for (let inside = startLine + 1; inside <= line; inside++) {
    if (state.isEmpty(inside) || (state.sCount[inside] ?? 0) < state.blkIndent) return false;
  }
  const lines = Array.from({ length: line - startLine }, (_, at) => lineOf(state, startLine + 1 + at));
  const content = [first.slice(2), ...lines].join("\n").trimEnd().slice(0, -2).trim();
  if (content === "" || content.includes("$$")) return false;
  if (isSilent) return true;
  const isAllowed = takeBudget(state.env, content, false);
  const token = state.push(isAllowed ? "formula_block" : "code_block", "math", 0);
  Object.assign(token, { content, map: [startLine, line + 1], markup: close });
  state.line = line + 1;
  return true;
}

/** The next line that ends as a formula does, wherever. Found once for all the lines in front of it, each of which may be a beginning. */
function endOfBlock(state: StateBlock, from: number, close: string): number {
  state.env.formulaEnds ??= {};
  const ends = state.env.formulaEnds as Record<string, { readonly from: number; readonly to: number }>;
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
  const used = Number(env.formulaLength ?? 0) + content.length;
  if (!isSilent) env.formulaLength = used;
  return used <= MAX_IN_TEXT;
}
