/** The parser, loaded when the first text is rendered: the server's start need not wait the 7 ms for it. */

import type { MarkdownIt } from "markdown-it";

let loaded: MarkdownIt | null = null;

export function parser(): MarkdownIt {
  // `require` alone loads at this moment without waiting.
  loaded ??= (require("./parser") as typeof import("./parser")).parser;
  return loaded;
}
