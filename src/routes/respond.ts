/** Kinds of answers that several routes give. */

import type { Html } from "../protocols";
import { PAGE_POLICY } from "./security-headers";

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

const ours = new WeakMap<Response, Html>();

/** What `htmlResponse` made the response of, all of it at once; null for other responses. */
export function pageOf(response: Response): Html | null {
  return ours.get(response) ?? null;
}

/** After a form: the browser gets the page that shows the outcome. */
export function seeOther(location: string, headers: Record<string, string> = {}): Response {
  return new Response(null, { status: 303, headers: { location, ...headers } });
}

/** The same response, which sets these cookies too. */
export function withCookies(response: Response, cookies: readonly string[]): Response {
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  return response;
}

/** Whether a browser asks, and not a program. */
export function wantsPage(request: Request): boolean {
  return request.headers.get("accept")?.includes("text/html") ?? false;
}

const HERE = "http://here.invalid";

/**
 * The path of an address that a request gave, when it stays on this server, else the front page: for every redirect to such an address.
 * It is looked at as it was parsed, because parsing drops tabs, line breaks and dots: `/.//other.example` is `//other.example`.
 */
export function ownPath(address: string | undefined): string {
  const url = address?.startsWith("/") ? URL.parse(address, HERE) : null;
  if (url?.origin !== HERE || /^\/[/\\]/.test(url.pathname)) return "/";
  return url.pathname + url.search;
}
