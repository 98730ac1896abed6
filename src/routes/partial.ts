/** A fragment that names its place in the page: what htmx swaps out of a response or a live message. */

import type { Html } from "../protocols";

export type Swap = "innerHTML" | "outerHTML" | "innerMorph" | "outerMorph" | "beforebegin" | "beforeend" | "delete";

/**
 * `target` is the id of an element; with `depth` it is that many last children down from there. One that is not in the page
 * when the partial arrives is passed over in silence.
 */
export function partial(target: string, swap: Swap, content: Html, depth = 0): string {
  const selector = /^[a-z][\w-]*$/i.test(target)
    ? `#${target}`
    : Bun.escapeHTML(`[id="${target.replace(/["\\]/g, "")}"]`);
  const place = selector + "&gt;:last-child".repeat(depth);
  return `<hx-partial hx-target="${place}" hx-swap="${swap}">${content.markup}</hx-partial>`;
}
