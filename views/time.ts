/** A moment: readable as it is, and shown by the page's script in the zone and the way of the person's browser. */

import type { Html, Words } from "../src/protocols";
import { html } from "./html";

export function time(iso: string, words: Words): Html {
  return html`<time datetime="${iso}">${words.moment(iso)}</time>`;
}
