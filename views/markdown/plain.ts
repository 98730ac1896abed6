/** Markdown as it was written: what is too long to be looked at, or cannot be shown otherwise. */

import type { Html } from "../../src/protocols";
import { html } from "../html";

/**
 * Characters of one block other than code, which can only be rendered in one go. A longer one, a list or a table of many pages, is
 * shown as it was written.
 */
export const MAX_BLOCK_LENGTH = 40_000;

export function plain(text: string): Html {
  return html`<pre class="as-written">${text}</pre>\n`;
}
