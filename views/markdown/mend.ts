/**
 * The end of Markdown that is still being written, made such that nothing which is shown is taken back when more comes:
 * what may become syntax is left out until it is decided, and emphasis or code that is open is closed. Only how it looks
 * meanwhile depends on it, so the rules of Markdown are followed roughly, and only at the end of the text.
 */

import { mendLine } from "./mend-line";

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
