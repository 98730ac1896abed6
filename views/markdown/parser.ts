/**
 * The parser of Markdown with what this page renders in its own way: HTML is text but for a few elements without attributes, a line ends where it
 * was ended, as in addresses and verses, links lead only where `isSafeUrl` allows, an image is a link that shows its address, since loading it
 * would tell a stranger what was said here, and emphasis works beside scripts that put no spaces between words.
 */

import MarkdownIt, { type Token } from "markdown-it";
import type { Words } from "../../src/protocols";
import { escapeHtml, html, isSafeUrl } from "../html";
import { code } from "./code";
import { footnotes } from "./footnotes";
import { formulas } from "./formula";
import { MAX_BLOCK_LENGTH, plain } from "./plain";
import { tags } from "./tags";

/** Characters of one paragraph or cell: a few pages. Nothing else is served while it is read. */
const MAX_INLINE_LENGTH = 20_000;

/** Characters in one that may be syntax, of which ordinary text has one in twenty. */
const MAX_MARKS = 2000;
const MARK = /[\\*_~`<&$\n"]/g;

/** Colons in one. Each may be of an address that becomes a link by itself. */
const MAX_COLONS = 200;

/** Opening brackets in one. Each may begin a link, and is looked at with all that follows. */
const MAX_BRACKETS = 400;

/**
 * Microseconds that the paragraphs and cells of one text may cost, estimated: a mark costs up to 3, an address 30, and a bracket as
 * much as there are characters to look at. What comes after is shown as it was written. Ordinary text of 100,000 characters has 20,000.
 */
const MAX_COST = 50_000;
const ADDRESS = /\/\/|mailto:/gi;

/** Levels of blocks in blocks, of which a list has two. What is further in is shown as it was written. */
const MAX_LEVELS = 20;

/** Of one block other than code. */
const MAX_BLOCK_LINES = 2000;

/** The page's texts, which a text is rendered with. */
function wordsOf(env: object | undefined): Words["markdown"] {
  return (env as { readonly words: Words }).words.markdown;
}

export const parser = new MarkdownIt({ html: false, linkify: true, typographer: false, breaks: true });

/** Characters of an address that becomes a link by itself. Of more, the engine gives up its compiled expression, and takes a hundred times as long. */
const MAX_ADDRESS_LENGTH = 2000;

// Only addresses with a scheme become links by themselves: "notes.md" and "example.py" are files more often than sites.
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false, maxLength: MAX_ADDRESS_LENGTH }).add("//");
parser.validateLink = isSafeUrl;

formulas(parser);
footnotes(parser);
tags(parser);
emphasisBesideUnspaced(parser);

const rules = parser.renderer.rules;

rules.fence = (tokens, index, _options, env) => code(tokens[index], wordsOf(env));
rules.code_block = (tokens, index, _options, env) => code(tokens[index], wordsOf(env));

rules.image = (tokens, index, _options, env) => {
  const token = tokens[index];
  const address = String(token?.attrGet("src") ?? "");
  const text = token?.content ? `${token.content}: ${address}` : address;
  return html`<a class="image-link" href="${address}" target="_blank" rel="noopener noreferrer nofollow">${wordsOf(env).image(text)}</a>`
    .markup;
};

rules.link_open = (tokens, index, options, _env, self) => {
  const token = tokens[index];
  if (/^https?:/i.test(String(token?.attrGet("href") ?? ""))) {
    token?.attrSet("target", "_blank");
    token?.attrSet("rel", "noopener noreferrer nofollow");
  }
  return self.renderToken(tokens, index, options);
};

parser.block.ruler.before("table", "too_deep", (state, startLine, endLine, isSilent) => {
  if (state.level < MAX_LEVELS || isSilent) return false;
  let line = startLine + 1;
  while (line < endLine && (state.isEmpty(line) || (state.sCount[line] ?? 0) >= state.blkIndent)) line++;
  const content = state.getLines(startLine, line, state.blkIndent, false);
  Object.assign(state.push("unread_block", "", 0), { content, map: [startLine, line] });
  state.line = line;
  return true;
});

/** Whether a table begins that goes on for so many lines: to take it apart costs more than to show it. */
parser.block.ruler.before("table", "long_table", (state, startLine, endLine, isSilent) => {
  if (isSilent || state.level > 0 || endLine - startLine <= MAX_BLOCK_LINES) return false;
  if (!RULE_OF_TABLE.test(state.src.slice(state.bMarks[startLine + 1], state.eMarks[startLine + 1]))) return false;
  let line = startLine;
  while (line < endLine && !state.isEmpty(line)) line++;
  if (line - startLine <= MAX_BLOCK_LINES) return false;
  const content = state.getLines(startLine, line, 0, false);
  Object.assign(state.push("unread_block", "", 0), { content, map: [startLine, line] });
  state.line = line;
  return true;
});

const RULE_OF_TABLE = /^[ |:]*-[-|: ]*$/;

parser.core.ruler.after("block", "too_long", (state) => {
  if (state.src.length <= MAX_BLOCK_LENGTH && state.tokens.length <= MAX_BLOCK_LINES) return;
  const lines = state.src.split("\n");
  const kept: Token[] = [];
  let start = 0;
  for (const [at, { level, nesting }] of state.tokens.entries()) {
    if (level > 0 || nesting > 0) continue;
    const block = state.tokens.slice(start, at + 1);
    start = at + 1;
    const content = tooLong(block[0], lines);
    kept.push(...(content === null ? block : [Object.assign(new state.Token("unread_block", "", 0), { content })]));
  }
  state.tokens = kept;
});

/** The source of a block that is too long; else null. */
function tooLong(block: Token | undefined, lines: readonly string[]): string | null {
  if (!block?.map || block.type === "fence" || block.type === "code_block") return null;
  const own = lines.slice(...block.map);
  const content = own.join("\n");
  return own.length > MAX_BLOCK_LINES || content.length > MAX_BLOCK_LENGTH ? content : null;
}

rules.unread_block = (tokens, index) => plain(tokens[index]?.content.replace(/\n$/, "") ?? "").markup;

parser.core.ruler.at("inline", (state) => {
  for (const token of state.tokens) {
    if (token.type !== "inline") continue;
    if (isBounded(token.content, state.env))
      state.md.inline.parse(token.content, state.md, state.env, token.children ?? []);
    else token.children = [Object.assign(new state.Token("unread", "", 0), { content: token.content })];
  }
});

// No "text", which would be searched for addresses.
rules.unread = (tokens, index) => escapeHtml(tokens[index]?.content ?? "");

function isBounded(text: string, env: Record<string, unknown>): boolean {
  const brackets = text.split("[").length;
  const marks = text.match(MARK)?.length ?? 0;
  if (text.length > MAX_INLINE_LENGTH || brackets > MAX_BRACKETS || marks > MAX_MARKS) return false;
  if (text.length > MAX_COLONS && text.split(":").length > MAX_COLONS) return false;
  const cost = 3 * marks + 30 * (text.match(ADDRESS)?.length ?? 0) + ((brackets - 1) * text.length) / 40;
  const used = Number(env.inlineCost ?? 0) + cost;
  env.inlineCost = used;
  return used <= MAX_COST;
}

// The policy of the page refuses inline styles, so the alignment of a column is a class.
for (const name of ["th_open", "td_open"]) {
  rules[name] = (tokens, index) => {
    const token = tokens[index];
    const align = /(right|center)/.exec(String(token?.attrGet("style") ?? ""))?.[1];
    return align ? `<${token?.tag} class="${align}">` : `<${token?.tag}>`;
  };
}

// A wide table scrolls inside its frame, by keyboard too.
rules.table_open = (tokens, index) =>
  `<div class="table" tabindex="0"${tokens[index]?.level === 0 ? ' dir="auto"' : ""}><table>\n`;
rules.table_close = () => `</table></div>\n`;

// Bullets, bars and columns stand on the side where the text of a list, a quote or a table begins. One in another goes its way.
parser.core.ruler.push("directions", (state) => {
  for (const token of state.tokens) if (token.level === 0 && DIRECTED.has(token.type)) token.attrSet("dir", "auto");
});

const DIRECTED: ReadonlySet<string> = new Set([
  "bullet_list_open",
  "ordered_list_open",
  "blockquote_open",
  "details_open",
]);

// The page has h1, a message h2: its own headings start below.
parser.core.ruler.push("headings", (state) => {
  for (const token of state.tokens) {
    if (token.type === "heading_open" || token.type === "heading_close")
      token.tag = `h${Math.min(6, Number(token.tag[1]) + 2)}`;
  }
});

const TASK = /^\[([ xX])\] /;

parser.core.ruler.after("block", "tasks", (state) => {
  for (const [index, token] of state.tokens.entries()) {
    const item = state.tokens[index - 2];
    if (token.type !== "inline" || item?.type !== "list_item_open") continue;
    const box = TASK.exec(token.content)?.[1];
    if (box === undefined) continue;
    item.attrJoin("class", box === " " ? "task" : "task done");
    token.content = token.content.replace(TASK, "");
  }
});

/** Scripts that put no spaces between words, as Chinese, Japanese, Korean, Thai and Khmer; and the spaces without width that some put between words. */
const UNSPACED =
  /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Javanese}\p{Script=Balinese}\u200b\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\u3000-\u303f\u30fb\u30fc\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

/**
 * A character of such a script beside a mark is a boundary, and its punctuation is as a letter. Nothing else is other than in
 * CommonMark, and nothing with "_".
 */
function emphasisBesideUnspaced({ inline }: typeof parser): void {
  inline.State = class extends inline.State {
    override scanDelims(start: number, canSplitWord: boolean) {
      const scanned = super.scanDelims(start, canSplitWord);
      if (!canSplitWord) return scanned;
      const before = characterBefore(this.src, start);
      const end = start + scanned.length;
      const after = end < this.posMax ? String.fromCodePoint(this.src.codePointAt(end) ?? 32) : " ";
      if (!UNSPACED.test(before) && !UNSPACED.test(after)) return scanned;
      return { ...scanned, can_open: mayBegin(before, after), can_close: mayBegin(after, before) };
    }
  };
}

/** Whether what stands between `outside` and `inside` may begin emphasis on the side of `inside`; to end it is the same from the other side. */
function mayBegin(outside: string, inside: string): boolean {
  if (/\s/.test(inside)) return false;
  return !isPunctuation(inside) || /\s/.test(outside) || UNSPACED.test(outside) || isPunctuation(outside);
}

function isPunctuation(character: string): boolean {
  return PUNCTUATION.test(character) && !UNSPACED.test(character);
}

/** White space where the text begins. */
function characterBefore(text: string, at: number): string {
  if (at === 0) return " ";
  const low = text.charCodeAt(at - 1);
  const start = at > 1 && (low & 0xfc00) === 0xdc00 ? at - 2 : at - 1;
  return text.slice(start, at);
}
