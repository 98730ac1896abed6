/**
 * The parser of Markdown with what this page renders in its own way: HTML is text, links lead only where `isSafeUrl`
 * allows, and an image is a link that shows its address, since loading it would tell a stranger what was said here.
 */

import MarkdownIt from "markdown-it";
import type { Words } from "../../src/protocols";
import { escapeHtml, html, isSafeUrl } from "../html";
import { code } from "./code";
import { footnotes } from "./footnotes";
import { formulas } from "./formula-syntax";

/** Characters of one paragraph or cell: a few pages. Nothing else is served while it is read. */
const MAX_INLINE_LENGTH = 20_000;

/** Characters in one that may be syntax: each costs up to 3 µs, and ordinary text has one in twenty. */
const MAX_MARKS = 2000;
const MARK = /[\\*_~`<&$\n"]/g;

/** Colons in one. Each may be of an address that becomes a link by itself, which costs up to 30 µs. */
const MAX_COLONS = 200;

/** Opening brackets in one. Each may begin a link, and is looked at with all that follows. */
const MAX_BRACKETS = 400;

/** The page's texts, which a text is rendered with. */
function wordsOf(env: object | undefined): Words["markdown"] {
  return (env as { readonly words: Words }).words.markdown;
}

export const parser = new MarkdownIt({ html: false, linkify: true, typographer: false });

// Only addresses with a scheme become links by themselves: "notes.md" and "example.py" are files more often than sites.
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
parser.validateLink = isSafeUrl;

formulas(parser);
footnotes(parser);

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

parser.core.ruler.at("inline", (state) => {
  for (const token of state.tokens) {
    if (token.type !== "inline") continue;
    if (isBounded(token.content)) state.md.inline.parse(token.content, state.md, state.env, token.children ?? []);
    else token.children = [Object.assign(new state.Token("unread", "", 0), { content: token.content })];
  }
});

// No "text", which would be searched for addresses.
rules.unread = (tokens, index) => escapeHtml(tokens[index]?.content ?? "");

function isBounded(text: string): boolean {
  if (text.length <= MAX_COLONS) return true;
  if (text.length > MAX_INLINE_LENGTH || text.split("[").length > MAX_BRACKETS) return false;
  return text.split(":").length <= MAX_COLONS && (text.match(MARK)?.length ?? 0) <= MAX_MARKS;
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
rules.table_open = () => `<div class="table" tabindex="0"><table>\n`;
rules.table_close = () => `</table></div>\n`;

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
