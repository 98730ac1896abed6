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
  `${PREFIX}(?:[-*+_=~\`#$:\\\\[\\]|]{0,80}[ \\t]{0,9}|\\d{1,9}[.)]?|\\[[ xX]?\\]?[ \\t]{0,4}|(?:\`{3,}|~{3,})[^\`]*|\\|.*)$`,
);

function withoutUndecidedLine(text: string): string {
  const start = text.lastIndexOf("\n") + 1;
  const line = text.slice(start, start + MAX_LOOK);
  return line !== "" && UNDECIDED.test(line) ? text.slice(0, start) : text;
}

/** The first row of a table says nothing of it before the line below it has come. */
function withoutOpenTable(text: string): string {
  const [, before = "", row] = /(?:^|\n)((?:.*\n)?)([ \t>]{0,40}\|.*\n)$/.exec(text.slice(-MAX_LOOK)) ?? [];
  return row === undefined || /^[ \t>]*\|/.test(before) ? text : text.slice(0, -row.length);
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
