/**
 * Footnotes: [^name] where the note is called, [^name]: text where it is written, both anywhere. The notes that are called
 * stand at the end of the text, in the order of their calls. Until the text that calls a note and the note itself are
 * rendered together the call is shown as it was written, and the note not at all.
 */

import type { MarkdownIt, StateBlock, StateCore, StateInline, Token } from "markdown-it";

const NAME = /^\[\^([^\]\s^[]{1,64})\]/;
const MAX_CALLS = 500; // Of one text.

/** Of one text, in `env`. */
interface Notes {
  /** Names that are written, with what they say. */
  readonly written: Map<string, Token[]>;
  /** Names that are called, in order; a note's number is its place. */
  readonly called: string[];
  calls: number;
}

export function footnotes(parser: MarkdownIt): void {
  parser.block.ruler.before("reference", "footnote", block, { alt: ["paragraph", "reference"] });
  parser.core.ruler.after("block", "footnotes", collect);
  parser.inline.ruler.before("link", "footnote_call", inline);
  parser.core.ruler.after("inline", "footnote_list", append);
  const { rules } = parser.renderer;
  rules.footnote_call = (tokens, index) => {
    const { id, number, call } = placeOf(tokens[index]);
    return `<sup class="footnote-call"><a href="#fn-${id}-${number}" id="fc-${id}-${call}">${number}</a></sup>`;
  };
  rules.footnote_list_open = () => `<section class="footnotes">\n<ol>\n`;
  rules.footnote_list_close = () => "</ol>\n</section>\n";
  rules.footnote_open = (tokens, index) => {
    const { id, number } = placeOf(tokens[index]);
    return `<li id="fn-${id}-${number}">`;
  };
  rules.footnote_close = () => "</li>\n";
}

function placeOf(token: Token | undefined): { readonly id: string; readonly number: number; readonly call: number } {
  return { id: "", number: 0, call: 0, ...token?.meta };
}

function notesOf(env: Record<string, unknown>): Notes {
  env.notes ??= { written: new Map(), called: [], calls: 0 } satisfies Notes;
  return env.notes as Notes;
}

/** The note's text, its further lines indented by four, as blocks between two tokens that `append` takes out. */
function block(state: StateBlock, startLine: number, endLine: number, isSilent: boolean): boolean {
  const start = (state.bMarks[startLine] ?? 0) + (state.tShift[startLine] ?? 0);
  const max = state.eMarks[startLine] ?? 0;
  const name = NAME.exec(state.src.slice(start, Math.min(max, start + 70)));
  if (!name || state.src[start + name[0].length] !== ":") return false;
  if (isSilent) return true;
  const before = {
    bMark: state.bMarks[startLine] ?? 0,
    tShift: state.tShift[startLine] ?? 0,
    sCount: state.sCount[startLine] ?? 0,
    parentType: state.parentType,
  };
  const text = start + name[0].length + 1;
  const spaces = state.src.slice(text, max).search(/\S|$/);
  const open = state.push("footnote_written", "", 1);
  Object.assign(open, { meta: { name: name[1] }, map: [startLine, startLine] });
  state.bMarks[startLine] = text;
  state.tShift[startLine] = spaces;
  state.blkIndent += 4;
  // Less than the indent of what it stands in would end the note before its first line, and no line would ever be read.
  state.sCount[startLine] = state.blkIndent;
  state.md.block.tokenize(state, startLine, endLine);
  state.blkIndent -= 4;
  state.bMarks[startLine] = before.bMark;
  state.tShift[startLine] = before.tShift;
  state.sCount[startLine] = before.sCount;
  state.parentType = before.parentType;
  open.map = [startLine, state.line];
  state.push("footnote_written", "", -1);
  return true;
}

/** Before the lines are read, so that a call knows whether its note is there. */
function collect(state: StateCore): void {
  const { written } = notesOf(state.env);
  const open: { readonly name: string; readonly tokens: Token[] }[] = [];
  for (const token of state.tokens) {
    if (token.type !== "footnote_written") open.at(-1)?.tokens.push(token);
    else if (token.nesting > 0) open.push({ name: (token.meta as { name: string }).name, tokens: [] });
    else {
      const note = open.pop();
      if (note && !written.has(note.name)) written.set(note.name, note.tokens);
    }
  }
}

function inline(state: StateInline, isSilent: boolean): boolean {
  if (state.src.charCodeAt(state.pos) !== 0x5b || state.src.charCodeAt(state.pos + 1) !== 0x5e) return false;
  const name = NAME.exec(state.src.slice(state.pos, state.pos + 70));
  const notes = notesOf(state.env);
  const note = name?.[1] === undefined ? undefined : notes.written.get(name[1]);
  if (!name?.[1] || !note || notes.calls >= MAX_CALLS) return false;
  if (!isSilent) {
    if (!notes.called.includes(name[1])) notes.called.push(name[1]);
    const meta = { id: idOf(note), number: notes.called.indexOf(name[1]) + 1, call: ++notes.calls };
    state.push("footnote_call", "", 0).meta = meta;
  }
  state.pos += name[0].length;
  return true;
}

/** Takes the notes from where they are written to the end. */
function append(state: StateCore): void {
  const { called, written } = notesOf(state.env);
  if (written.size === 0) return;
  let depth = 0;
  state.tokens = state.tokens.filter(({ type, nesting }) => {
    if (type === "footnote_written") depth += nesting;
    return depth === 0 && type !== "footnote_written";
  });
  if (called.length === 0) return;
  const token = (type: string, nesting: -1 | 0 | 1, meta: unknown = null) =>
    Object.assign(new state.Token(type, "", nesting), { meta, block: true });
  state.tokens.push(token("footnote_list_open", 1));
  for (const [index, name] of called.entries()) {
    const note = written.get(name) ?? [];
    state.tokens.push(token("footnote_open", 1, { id: idOf(note), number: index + 1 }));
    state.tokens.push(...note, token("footnote_close", -1));
  }
  state.tokens.push(token("footnote_list_close", -1));
}

/** Two replies on one page have notes of the same numbers. */
function idOf(note: readonly Token[]): string {
  return Bun.hash.crc32(note.map(({ content }) => content).join("\n")).toString(36);
}
