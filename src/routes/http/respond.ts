/**
 * Kinds of answers that several routes give: pages and fragments of them, with the headers that keep a page harmless even if something
 * hostile slipped into it: no script but ours, no style or image from elsewhere, no frame, and markup made by one named policy alone.
 */

import { promisify } from "node:util";
import type { Core, Html } from "../../protocols";
import { outsideMarkup } from "./address";

/** Of every response. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Of our own pages, and of those that a plugin makes with `look.page`. Files of plugins/html decide for themselves. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "manifest-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types htmx",
].join("; ");

/** Of whatever else a plugin answers: no other site may frame it, with buttons under a person's finger that they do not see. */
export const FOREIGN_POLICY = "frame-ancestors 'none'";

export const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  vary: "accept-language",
  "content-security-policy": PAGE_POLICY,
};

export function htmlResponse(page: Html, status = 200, headers: Record<string, string> = {}): Response {
  const response = new Response(page.markup, { status, headers: { ...PAGE_HEADERS, ...headers } });
  ours.set(response, page);
  return response;
}

/** What `htmlResponse` made each of; other responses may be streams. */
const ours = new WeakMap<Response, Html>();

/** After a form: the browser gets the page that shows the outcome. */
export function seeOther(location: string, headers: Record<string, string> = {}): Response {
  return new Response(null, { status: 303, headers: { location, ...headers } });
}

/** Whether a browser asks, and not a program. */
export function wantsPage(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") ?? false;
}

type Swap = "innerHTML" | "outerHTML" | "innerMorph" | "outerMorph" | "beforebegin" | "beforeend" | "delete";

/**
 * A fragment that names its place in the page: what htmx swaps out of a response or a live message. `target` is the id of an element;
 * with `depth` it is that many last children down from there. One that is not in the page is passed over in silence.
 */
export function fragment(target: string, swap: Swap, content: Html, depth = 0): string {
  const selector = /^[a-z][\w-]*$/i.test(target)
    ? `#${target}`
    : Bun.escapeHTML(`[id="${target.replace(/["\\]/g, "")}"]`);
  const place = selector + "&gt;:last-child".repeat(depth);
  return `<hx-partial hx-target="${place}" hx-swap="${swap}">${content.markup}</hx-partial>`;
}

const WORTH_BYTES = 1024; // Below it the headers weigh more than what is saved.
/** Of what is sent to many windows, with the markup that was packed: that of other servers, or of a view that used its object again, is another. */
const packed = new WeakMap<Html, { readonly markup: string; readonly packing: Promise<Buffer> }>();

/** Not in the event loop: a long page takes some milliseconds. The module is loaded with the first page. */
async function packInThread(bytes: Buffer): Promise<Buffer> {
  const { gzip } = await import("node:zlib");
  return promisify(gzip)(bytes);
}

export function takesGzip(request: Request): boolean {
  const wishes = request.headers.get("accept-encoding") ?? "";
  return /(?:^|,)\s*(?:x-)?gzip\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(wishes);
}

/** One of our pages as it is sent: with addresses as browsers see them, and packed when that is worth it; null for all that is to be sent as it is. */
export async function sentPage({ config }: Core, request: Request, response: unknown): Promise<Response | null> {
  const page = response instanceof Response && ours.get(response);
  if (!page) return null;
  const { markup } = outsideMarkup(config, page);
  const init = { status: response.status, headers: new Headers(response.headers) };
  if (!takesGzip(request) || Buffer.byteLength(markup) < WORTH_BYTES) {
    return markup === page.markup ? null : new Response(markup, init);
  }
  init.headers.set("content-encoding", "gzip");
  init.headers.append("vary", "accept-encoding");
  const known = packed.get(page);
  const packing = known?.markup === markup ? known.packing : packInThread(Buffer.from(markup));
  packed.set(page, { markup, packing });
  return new Response(await packing, init);
}
