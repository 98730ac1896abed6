/**
 * The HTML that models write because Markdown has nothing for it: a closed list of elements, which are made anew, without
 * attributes and each with its end. Comments are left out. Whatever else looks like HTML is text.
 */

import type { MarkdownIt, StateBlock, StateInline, Token } from "markdown-it";

const NAMES = "sub|sup|kbd|mark|u|ins|del";
const LINE_BREAK = /^<\/?br(?:\s[^<>]{0,200})?\s?\/?>/i;
const OPEN = new RegExp(`^<(${NAMES})(?:\\s[^<>]{0,200})?>`, "i");
const MAX_CONTENT = 300; // Characters between a tag and its end: a few words. Each tag is looked at with as many.
const MAX_COMMENT = 5000;

/** What is no tag yet, and may become one of these or a comment. */
export const BEGUN_TAG = new RegExp(
  `^<(?:/?[a-z]{0,7}|/?(?:br|details|summary|${NAMES})(?:\\s[^<>]{0,200})?/?|!-{0,2})$`,
  "i",
);
export const TAG = new RegExp(`^<(/?)(${NAMES})(?:\\s[^<>]{0,200})?>`, "i");

export function tags(parser: MarkdownIt): void {
  parser.inline.ruler.before("autolink", "tag", inline);
  parser.block.ruler.before("paragraph", "comment", comment, { alt: ["paragraph", "reference", "blockquote"] });
  parser.block.ruler.before("paragraph", "details", details, { alt: ["paragraph", "reference", "blockquote", "list"] });
  parser.renderer.rules.comment = () => "";
  parser.renderer.rules.tag_break = () => "<br>";
}

function inline(state: StateInline, isSilent: boolean): boolean {
  if (state.src.charCodeAt(state.pos) !== 0x3c) return false;
  const text = state.src.slice(state.pos, Math.min(state.posMax, state.pos + 220));
  const lineBreak = LINE_BREAK.exec(text)?.[0];
  if (lineBreak !== undefined) {
    if (!isSilent) state.push("tag_break", "br", 0);
    state.pos += lineBreak.length;
    return true;
  }
  return text.startsWith("<!--") ? inlineComment(state) : element(state, OPEN.exec(text), isSilent);
}

function inlineComment(state: StateInline): boolean {
  const end = state.src.slice(state.pos, Math.min(state.posMax, state.pos + MAX_COMMENT)).indexOf("-->", 4);
  if (end === -1) return false;
  state.pos += end + 3;
  return true;
}

function element(state: StateInline, open: RegExpExecArray | null, isSilent: boolean): boolean {
  const name = open?.[1]?.toLowerCase();
  if (!open || name === undefined) return false;
  const start = state.pos + open[0].length;
  const end = endOfElement(state.src.slice(start, Math.min(state.posMax, start + MAX_CONTENT)), name);
  if (end === null) return false;
  if (!isSilent) {
    const { posMax } = state;
    state.push("tag_open", name, 1);
    state.pos = start;
    state.posMax = start + end.at;
    state.md.inline.tokenize(state);
    state.push("tag_close", name, -1);
    state.posMax = posMax;
  }
  state.pos = start + end.at + end.length;
  return true;
}

/** Where the end tag stands that belongs to what is before the text. */
function endOfElement(text: string, name: string): { readonly at: number; readonly length: number } | null {
  let depth = 1;
  for (const { 0: tag, index } of text.matchAll(new RegExp(`</?${name}(?:\\s[^<>]{0,200})?>`, "gi"))) {
    depth += tag[1] === "/" ? -1 : 1;
    if (depth === 0) return { at: index, length: tag.length };
  }
  return null;
}

const MAX_COMMENT_LINES = 50;

/** One that begins and ends a block. While it is written it is open. */
function comment(state: StateBlock, startLine: number, endLine: number, isSilent: boolean): boolean {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4 || !lineOf(state, startLine).startsWith("<!--"))
    return false;
  let line = startLine;
  while (line < endLine && !lineOf(state, line).includes("-->", line === startLine ? 4 : 0)) {
    line++;
    if (line - startLine > MAX_COMMENT_LINES) return false;
    if (line < endLine && !state.isEmpty(line) && (state.sCount[line] ?? 0) < state.blkIndent) return false;
  }
  const isOpen = line >= endLine;
  if (isOpen ? !state.env.isOpen : !lineOf(state, line).trimEnd().endsWith("-->")) return false;
  if (isSilent) return true;
  state.line = isOpen ? endLine : line + 1;
  state.push(isOpen ? "open_block" : "comment", "", 0).map = [startLine, state.line];
  return true;
}

const DETAILS = /^<details(?:\s[^<>]{0,200})?>/i;
const DETAILS_TAG = /<(\/?)details(?:\s[^<>]{0,200})?>/gi;
const SUMMARY = /^\s*<summary(?:\s[^<>]{0,200})?>(.{0,1000}?)(?:<\/summary>|$)/im;
const MAX_DEPTH = 3;

/** Goes on to its end tag, or to the end of what it stands in. */
function details(state: StateBlock, startLine: number, endLine: number, isSilent: boolean): boolean {
  if ((state.sCount[startLine] ?? 0) - state.blkIndent >= 4) return false;
  const open = DETAILS.exec(lineOf(state, startLine))?.[0];
  const depth = Number(state.env.details ?? 0);
  if (open === undefined || depth >= MAX_DEPTH) return false;
  if (isSilent) return true;
  const { line, isClosed } = endOfDetails(state, startLine, endLine);
  const text = state
    .getLines(startLine, line + 1, state.blkIndent, false)
    .trimStart()
    .slice(open.length);
  const inside = isClosed ? text.slice(0, text.toLowerCase().lastIndexOf("</details")) : text;
  const summary = SUMMARY.exec(inside);
  const isFirst = summary?.index === 0 && summary[0].trimStart().startsWith("<");
  const tokens: Token[] = [];
  const { isOpen } = state.env;
  // Lines in there are counted from its own beginning.
  Object.assign(state.env, { details: depth + 1, isOpen: false });
  state.md.block.parse(isFirst ? inside.slice(summary[0].length) : inside, state.md, state.env, tokens);
  Object.assign(state.env, { details: depth, isOpen });
  Object.assign(state.push("details_open", "details", 1), { map: [startLine, line + 1], meta: { isClosed } });
  if (isFirst) {
    state.push("summary_open", "summary", 1);
    Object.assign(state.push("inline", "", 0), { content: (summary[1] ?? "").trim(), children: [] });
    state.push("summary_close", "summary", -1);
  }
  for (const token of tokens) token.level += state.level;
  state.tokens.push(...tokens);
  state.push("details_close", "details", -1);
  state.line = line + 1;
  return true;
}

function endOfDetails(state: StateBlock, startLine: number, endLine: number) {
  let depth = 0;
  let last = startLine;
  for (let line = startLine; line < endLine; line++) {
    if (line > startLine && !state.isEmpty(line) && (state.sCount[line] ?? 0) < state.blkIndent) break;
    for (const [, slash] of lineOf(state, line).matchAll(DETAILS_TAG)) depth += slash ? -1 : 1;
    last = line;
    if (depth <= 0) return { line, isClosed: true };
  }
  return { line: last, isClosed: false };
}

function lineOf(state: StateBlock, line: number): string {
  return state.src.slice((state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0), state.eMarks[line]);
}
