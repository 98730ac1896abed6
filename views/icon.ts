/** The icons, drawn with strokes in the colour of the text. They say nothing to a screen reader: the button has a name. */

import type { Html } from "../src/protocols";
import { html } from "./html";

const PATHS = {
  again: "M19 12a7 7 0 1 1-2.3-5.2M19 4v4h-4",
  archive: "M4 7.5h16M5.5 7.5v11h13v-11M4 4.5h16v3H4zM10 11.5h4",
  arrowDown: "M12 5v13.5M6 13l6 6 6-6",
  arrowUp: "M12 19V5.5M6 11l6-6 6 6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chevron: "M9 6l6 6-6 6",
  cross: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  copy: "M9 9h10v11H9zM15 9V4.5H5V15h4",
  file: "M7 3.5h7l4 4v13H7zM14 3.5v4h4",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  fork: "M7 4v16M7 12c0-3 10-1 10-5M17 7V4M15 6l2-2 2 2M5 18l2 2 2-2",
  keyboard: "M3 6.5h18v11H3zM6.5 10h.01M10.2 10h.01M13.8 10h.01M17.5 10h.01M6.5 14h.01M9.5 14h5M17.5 14h.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M5.5 11.6v.8h-.8v-.8zM12.4 11.6v.8h-.8v-.8zM19.3 11.6v.8h-.8v-.8z",
  pin: "M9 4.5h6l-.7 6 3.2 3.5h-11L9.7 10.5zM12 14v6",
  plug: "M9 3.5v5M15 3.5v5M6 8.5h12v3a6 6 0 0 1-12 0zM12 17.5v3.5",
  plus: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 1 0-13 6.5 6.5 0 0 1 0 13zM15.5 15.5L20 20",
  signOut: "M10 4.5H5v15h5M15 8l4 4-4 4M19 12H9.5",
  stop: "M7.5 7.5h9v9h-9z",
  tool: "M14.5 6.5a4 4 0 0 1 5-1l-2.8 2.8 1 1.8 1.8 1L22 8a4 4 0 0 1-5.5 4.2L8 20.7a2 2 0 0 1-2.8-2.8l8.6-8.5a4 4 0 0 1 .7-2.9z",
  warning: "M12 4.5L21 20H3zM12 10v4.5M12 17v.5",
} as const;

export type IconName = keyof typeof PATHS;

/**
 * One of the icons of the page. `text` stands beside it where no style is: a browser of text shows neither the icon nor the name of a button.
 *
 * @example
 * ```ts
 * const button = html`<button>${icon("search", "Search")}</button>`;
 * ```
 */
export function icon(name: IconName, text?: string): Html {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="${PATHS[name]}"/></svg>${text && html`<span class="for-reader">${text}</span>`}`;
}
