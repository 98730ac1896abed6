/**
 * Pages of other sites as clients of the API: `CORS_ORIGINS` names them. Their browsers ask before they send a token, and show a page only
 * what is answered with its origin. Nothing else lets them in: neither our cookie nor what a proxy says of the browser (session.ts).
 */

import type { Core } from "../protocols";
import { listedOrigin } from "./session";
import { pathOf } from "./url";

/** The API, and pages of plugins, which are APIs as well. */
const SHARED = /^\/(?:api\/v1|_plugin)\//;
const PREFLIGHT_S = 600; // Browsers keep a yes for that long.

/** What an answer needs to be shown to the page that asks; empty for all others. */
export function corsHeaders(core: Core, request: Request): Record<string, string> {
  if (core.config.corsOrigins === null || !SHARED.test(pathOf(request))) return {};
  const origin = listedOrigin(core, request);
  // Said to everybody, so that no cache gives one page what was answered to another.
  const vary = { vary: "origin" };
  if (origin === null) return vary;
  // Without `allow-credentials`, so that no browser shows a page what was sent with a cookie of ours.
  const exposed = "retry-after, x-request-id";
  return { ...vary, "access-control-allow-origin": origin, "access-control-expose-headers": exposed };
}

/** The answer to a browser that asks whether its page may send a request; null for other requests, and for pages that may not. */
export function preflight(core: Core, request: Request): Response | null {
  const isAsking = request.method === "OPTIONS" && request.headers.has("access-control-request-method");
  const headers = isAsking ? corsHeaders(core, request) : {};
  if (!("access-control-allow-origin" in headers)) return null;
  const allowed = {
    "access-control-allow-methods": "GET, POST, DELETE",
    // Clients add headers of their own, which nothing here reads.
    "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "",
    "access-control-max-age": String(PREFLIGHT_S),
  };
  return new Response(null, { status: 204, headers: { ...headers, ...allowed } });
}
