/** The parser, loaded when the first text is rendered: the server's start need not wait the 7 ms for it. */

import type { MarkdownIt } from "markdown-it";
import type { Html } from "../../src/protocols";
import { html } from "../html";

let loaded: MarkdownIt | null = null;

export function parser(): MarkdownIt {
  // `require` alone loads at this moment without waiting.
  loaded ??= (require("./parser") as typeof import("./parser")).parser;
  return loaded;
}

/** What is too long to be looked at. */
export function plain(text: string): Html {
  return html`<pre class="as-written">${text}</pre>\n`;
}
