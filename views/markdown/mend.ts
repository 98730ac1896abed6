/**
 * The end of Markdown that is still being written, made such that nothing which is shown is taken back when more comes:
 * what may become syntax is left out until it is decided, and emphasis or code that is open is closed. Only how it looks
 * meanwhile depends on it, so the rules of Markdown are followed roughly, and only at the end of the text.
 */

import { endOfEnvironment, endOfFormula } from "./formula";
import { BEGUN_TAG, TAG } from "./tags";

/** Characters of the end that are looked at. */
const MAX_LOOK = 5000;

export function mend(text: string): string {
  const kept = withoutOpenTable(withoutUndecidedLine(text));
  const start = startOfSegment(kept);
  return kept.slice(0, start) + mendLine(kept.slice(start));
}

const PREFIX = "^[ \\t>]{0,40}(?:(?:[-*+]|\\d{1,9}[.)])[ \\t]{1,4}){0,5}";
/** A line that may become a list, a heading, a rule, a fence, a table or a task, and is not yet. */
const UNDECIDED = new RegExp(
  `${PREFIX}(?:[-*+_=~\`#$:\\\\[\\]|]{0,80}[ \\t]{0,9}|\\\\b[a-z]{0,5}(?:\\{.*)?|\\d{1,9}[.)]?|\\[[ xX]?\\]?[ \\t]{0,4}|(?:\`{3,}|~{3,})[^\`]*|\\|.*)$`,
);

function withoutUndecidedLine(text: string): string {
  const start = text.lastIndexOf("\n") + 1;
  const line = text.slice(start, start + MAX_LOOK);
  return line !== "" && UNDECIDED.test(line) ? text.slice(0, start) : text;
}

/** The first row of a table says nothing of it before the line below it has come. */
function withoutOpenTable(text: string): string {
  const end = text.endsWith("\n") ? text.length - 1 : text.length;
  const start = text.lastIndexOf("\n", end - 1) + 1;
  if (end === 0 || !isRow(text.slice(start, end))) return text;
  const before = text.slice(text.lastIndexOf("\n", start - 2) + 1, Math.max(0, start - 1));
  return start > 0 && isRow(before) ? text : text.slice(0, start);
}

const ROW = new RegExp(`${PREFIX}\\||[^\\s\\\\][ \\t]+\\|(?:[ \\t]|$)`);

/** Whether a line may be one of a table: what is in code does not count. */
function isRow(line: string): boolean {
  return line.includes("|") && line.length <= MAX_LOOK && ROW.test(line.replace(/`[^`]*`/g, "``"));
}

/** Where the paragraph, item or cell begins that the text ends in. */
function startOfSegment(text: string): number {
  const floor = Math.max(0, text.length - MAX_LOOK);
  let start = text.length;
  while (start > floor) {
    const previous = text.lastIndexOf("\n", start - 2) + 1;
    const line = text.slice(previous, start);
    if (line.trim() === "") return start;
    start = Math.max(previous, floor);
    if (/^[ \t]*(?:[-*+>|#]|\d{1,9}[.)])/.test(line)) return start;
  }
  return start;
}

const MAX_HIDDEN = 1000; // Characters of what may become a formula or a comment, and is not shown meanwhile.

const MAX_LABEL = 300; // Characters of a link's words, and of its address: brackets that are further apart are none.
const MAX_ADDRESS = 2000;

interface Mark {
  /** Of emphasis; of an element, its end tag. */
  readonly character: string;
  length: number;
  /** Where it stands. */
  readonly at: number;
}

/** What to do at a position: go on at another one, leave out all from here, or close code that is open and stop. */
type Step = number | "cut" | "code";

/** What is done inside of a paragraph, an item or a cell: emphasis, code, links, formulas and entities that are open. */
function mendLine(text: string): string {
  const open: Mark[] = [];
  let at = 0;
  while (at < text.length) {
    const step = stepAt(text, at, open);
    if (step === "cut") return closed(text.slice(0, at), open);
    if (step === "code") {
      const mark = /^`+/.exec(text.slice(at))?.[0] ?? "`";
      return closed(text.replace(/`+$/, "") + mark, open);
    }
    at = step;
  }
  return closed(text, open);
}

function stepAt(text: string, at: number, open: Mark[]): Step {
  switch (text[at]) {
    case "\\":
      return backslash(text, at);
    case "`":
      return backticks(text, at);
    case "$":
      return dollar(text, at);
    case "*":
    case "_":
    case "~":
      return emphasis(text, at, open);
    case "[":
      return bracket(text, at);
    case "!":
      if (at === text.length - 1) return /\s|^$/.test(text[at - 1] ?? "") ? "cut" : at + 1;
      return text[at + 1] === "[" && bracket(text, at + 1) === "cut" ? "cut" : at + 1;
    case "<":
      return angle(text, at, open);
    case "&":
      return /^&#?\w{0,31}$/.test(text.slice(at, at + 40)) ? "cut" : at + 1;
    default:
      return at + 1;
  }
}

function backslash(text: string, at: number): Step {
  const next = text[at + 1];
  if (next === undefined) return "cut";
  if (text.startsWith("\\begin{", at)) {
    const end = endOfEnvironment(text, at);
    return end !== -1 ? end : text.length - at > MAX_HIDDEN ? at + 2 : "cut";
  }
  return next === "(" || next === "[" ? formulaAt(text, at, `\\${next}`, next === "(" ? "\\)" : "\\]") : at + 2;
}

function angle(text: string, at: number, open: Mark[]): Step {
  const rest = text.slice(at, at + MAX_ADDRESS);
  if (/^<[a-z][a-z0-9+.-]{0,31}(?::[^\s<>]{0,2000})?$/i.test(rest) || BEGUN_TAG.test(rest)) return "cut";
  if (rest.startsWith("<!--")) {
    const end = text.indexOf("-->", at + 4);
    if (end !== -1) return end + 3;
    return text.length - at > MAX_HIDDEN ? at + 1 : "cut";
  }
  const [tag = "", slash, name = ""] = TAG.exec(rest) ?? [];
  if (tag === "") return at + 1;
  const character = `</${name.toLowerCase()}>`;
  const begun = open.findLastIndex((mark) => mark.character === character);
  if (!slash) open.push({ character, length: 1, at: at + tag.length - 1 });
  else if (begun !== -1) open.splice(begun);
  return at + tag.length;
}

function backticks(text: string, at: number): Step {
  const mark = /^`+/.exec(text.slice(at, at + 100))?.[0] ?? "`";
  let end = at + mark.length;
  for (;;) {
    end = text.indexOf("`", end);
    if (end === -1) break;
    const run = /^`+/.exec(text.slice(end, end + 100))?.[0].length ?? 1;
    if (run === mark.length) return end + run;
    end += run;
  }
  return text.slice(at).replaceAll("`", "").trim() === "" ? "cut" : "code";
}

function dollar(text: string, at: number): Step {
  if (text.startsWith("$$", at)) return formulaAt(text, at, "$$", "$$");
  const end = endOfFormula(text, at, "$", "$");
  if (end !== -1) return end + 1;
  const rest = text.slice(at + 1, at + 202);
  const isPrice = /^\s*\d|^\s+\D?$|^\s.*[A-Za-z]{3}/.test(rest) || /\w/.test(text[at - 1] ?? " ");
  const isProse = rest.length > 200 || /\n|\$|(?:^|\s)[A-Za-z]{2,}\s+[A-Za-z]{2,}/.test(rest);
  return isPrice || isProse ? at + 1 : "cut";
}

function formulaAt(text: string, at: number, open: string, close: string): Step {
  const end = endOfFormula(text, at, open, close);
  if (end !== -1) return end + close.length;
  return text.length - at > MAX_HIDDEN ? at + open.length : "cut";
}

function emphasis(text: string, at: number, open: Mark[]): Step {
  const character = text[at] ?? "*";
  let end = at;
  while (text[end] === character) end++;
  const [before = " ", after] = [text[at - 1], text[end]];
  const last = open.at(-1);
  const isOwn = last?.character === character && !/\s/.test(before);
  let length = end - at;
  if (after === undefined) {
    if (!isOwn || length !== last.length) return "cut";
  } else if (character === "~" && length !== 2) return end;
  if (character === "_" && /\w/.test(before) && /\w/.test(after ?? " ")) return end;
  if (isOwn) {
    const used = Math.min(last.length, length);
    length -= used;
    last.length -= used;
    if (last.length === 0) open.pop();
  }
  if (length > 0 && !/\s/.test(after ?? " ")) open.push({ character, length, at: end - length });
  return end;
}

/** A link or image is shown when it is whole; brackets that are none, when that is certain. */
function bracket(text: string, at: number): Step {
  const end = partner(text, at, "[", "]", MAX_LABEL);
  if (end === -1) return text.length - at > MAX_LABEL ? at + 1 : "cut";
  const next = text[end + 1];
  if (next === undefined) return "cut";
  if (next === ":" && (at === 0 || text[at - 1] === "\n")) return text.indexOf("\n", end) === -1 ? "cut" : at + 1;
  if (next !== "(" && next !== "[") return at + 1;
  const close = partner(text, end + 1, next, next === "(" ? ")" : "]", MAX_ADDRESS);
  if (close !== -1) return close + 1;
  const isLine = text.indexOf("\n", end) !== -1;
  return isLine || text.length - end > MAX_ADDRESS ? at + 1 : "cut";
}

function partner(text: string, at: number, open: string, close: string, limit: number): number {
  let depth = 0;
  for (let index = at; index < Math.min(text.length, at + limit); index++) {
    if (text[index] === "\\") index++;
    else if (text[index] === open) depth++;
    else if (text[index] === close && --depth === 0) return index;
  }
  return -1;
}

/** With the ends of emphasis that is open; a mark with nothing after it is left out. */
function closed(text: string, open: readonly Mark[]): string {
  let kept = open.length > 0 ? text.trimEnd() : text;
  const marks = [...open];
  for (let last = marks.at(-1); last && kept.length <= last.at + last.length; last = marks.at(-1)) {
    kept = kept.slice(0, last.at).trimEnd();
    marks.pop();
  }
  return (
    kept +
    marks
      .reverse()
      .map(({ character, length }) => character.repeat(length))
      .join("")
  );
}
