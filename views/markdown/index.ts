/**
 * Markdown of models as markup that is safe to show. Blocks render alike alone and together, but for links and footnotes
 * that one block has and another one uses, so a stream of blocks gives the same page as the whole.
 */

import type { Formulas, Html, Words } from "../../src/protocols";
import { html, raw } from "../html";
import { parser } from "./load";
import { plain } from "./plain";

export { openMarkdown } from "./open";
export { plain } from "./plain";

/** Characters of a part; longer ones are shown as plain text. Ordinary text of this length takes about 10 ms. */
const MAX_LENGTH = 300_000;

export function markdown(text: string, words: Words, formulas?: Formulas): Html {
  return text.length > MAX_LENGTH ? plain(text) : raw(parser().render(text, { words, formulas }));
}

export function join(fragments: readonly Html[]): Html {
  return html`${fragments}`;
}
