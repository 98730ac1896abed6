/**
 * Splits Markdown that is still being written into top-level blocks that are finished and a tail that may change. A block
 * is finished once another one has begun below it, or a blank line has ended it: nothing that comes later changes its
 * structure. Only the tail is kept
 * and looked at again, so a reply of many blocks costs in proportion to its length.
 */

import MarkdownIt from "markdown-it";

export interface Blocks {
  push(text: string): void;
  /** Source of the blocks that were finished since it was last asked; often empty. */
  takeFinished(): string;
  tail(): string;
}

export function createBlocks(): Blocks {
  let tail = "";
  let hasNewLine = false;
  return {
    push(text) {
      tail += text;
      hasNewLine ||= text.includes("\n");
    },
    takeFinished() {
      if (!hasNewLine) return "";
      hasNewLine = false;
      const { finished, tail: rest } = splitBlocks(tail);
      tail = rest;
      return finished;
    },
    tail: () => tail,
  };
}

/** `finished + tail` is `text`. */
export function splitBlocks(text: string): { readonly finished: string; readonly tail: string } {
  const lines = text.slice(0, text.lastIndexOf("\n") + 1);
  if (lines === "" || lines.length > MAX_LENGTH) return { finished: "", tail: text };
  const tokens: ReturnType<typeof parser.parse> = [];
  parser.block.parse(lines.replace(/\r\n?/g, "\n"), parser, {}, tokens);
  const last = tokens.findLast(({ level, nesting, map }) => level === 0 && nesting >= 0 && map);
  const [begin = 0, end = 0] = last?.map ?? [];
  const afterLast = startOfLine(lines, end);
  // A blank line ends most blocks. Below a list or indented code, more of the same may follow.
  const isOver = last !== undefined && afterLast < lines.length && !/list_open$|^code_block$/.test(last.type);
  const length = isOver ? lines.length : startOfLine(lines, begin);
  return { finished: text.slice(0, length), tail: text.slice(length) };
}

/** Characters of one open block. A longer one is not looked at again until it ends: each look costs in proportion. */
const MAX_LENGTH = 300_000;

// Only blocks are parsed, whose rules the options below decide; what is shown is rendered by `core.views.markdown`.
const parser = new MarkdownIt({ html: false });

function startOfLine(text: string, line: number): number {
  const breaks = /\r\n?|\n/g;
  for (let count = 0; count < line; count++) breaks.exec(text);
  return breaks.lastIndex;
}
