/** A fragment that names its place in the page: what htmx swaps out of a response or a live message. */

import type { Html } from "../protocols";

export type Swap = "innerHTML" | "outerHTML" | "innerMorph" | "outerMorph" | "beforebegin" | "beforeend";

/** `target` is the id of an element. One that is not in the page when the partial arrives is passed over in silence. */
export function partial(target: string, swap: Swap, content: Html): string {
  const selector = /^[a-z][\w-]*$/i.test(target)
    ? `#${target}`
    : Bun.escapeHTML(`[id="${target.replace(/["\\]/g, "")}"]`);
  return `<hx-partial hx-target="${selector}" hx-swap="${swap}">${content.markup}</hx-partial>`;
}
