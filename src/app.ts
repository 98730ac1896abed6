/** The HTTP side of a core: routes, headers, and the one catcher of requests' errors. Never listens. */

import { Elysia } from "elysia";
import { isProduction } from "elysia/error";
import { lazy } from "./basics/once";
import type { Core } from "./protocols";
import { fileRoutes } from "./routes/api/files";
import { healthRoutes } from "./routes/api/health";
import { liveEventRoutes } from "./routes/api/live-events";
import { messageRoutes } from "./routes/api/message";
import { openapiRoutes } from "./routes/api/openapi";
import { catalogueRoutes, searchRoutes, threadRoutes } from "./routes/api/threads";
import { turnRoutes } from "./routes/api/turns";
import { comeIn, goOut, pathOf, publicPath } from "./routes/http/address";
import { assetRoutes } from "./routes/http/assets";
import { failureOf, failureResponse, wrongMethod } from "./routes/http/failure";
import { pluginPageRoutes } from "./routes/http/plugin-pages";
import { SECURITY_HEADERS, sentPage } from "./routes/http/respond";
import { liveRoutes } from "./routes/live";
import { pageRoutes } from "./routes/page";
import {
  corsHeaders,
  createRouteTable,
  passGate,
  preflight,
  type RouteTable,
  requireBounded,
} from "./routes/session/gate";
import { loginRoutes, setupRoutes, signInAgain } from "./routes/session/login";
import { keepPeer } from "./routes/session/session";

export { closeStreams } from "./routes/http/stream";
export { BODY_MAX_BYTES } from "./routes/session/gate";

/** `setupToken` opens /setup; null = there is nothing to set up. */
export function createApp(core: Core, setupToken: string | null = null) {
  if (!isProduction) throw new Error("Elysia was imported before src/production.ts.");
  // The default of `normalize` makes an object of whatever stands where one belongs ("warm" → {"0":"w",…}) before it is
  // checked; this one only takes away fields that are not in the schema.
  // Elysia looks for the path behind as many characters as a scheme and a host have at least. An address such as http://nas/… is
  // shorter than it expects of one, and with https its other choice is within the scheme.
  const hasTls = core.config.tlsCertFile !== null;
  const app = new Elysia({ normalize: "typebox", handler: { standardHostname: hasTls } });
  if (hasTls || publicPath(core.config) !== "") {
    // Around all the rest: Elysia finds the route before it calls any hook. Its type of what is wrapped is not that of a handler.
    app.wrap((inner) => {
      const answer = inner as unknown as (request: Request) => Promise<Response>;
      return async (request: Request) => goOut(core.config, await answer(comeIn(core.config, request)));
    });
  }
  const routes = lazy(() => createRouteTable(app.routes));
  const whole = app
    .use(boundary(core, routes))
    .use(assetRoutes(core))
    .use(openapiRoutes(core, () => app.routes))
    .use(healthRoutes(core))
    .use(loginRoutes(core))
    .use(setupRoutes(core, setupToken))
    .use(catalogueRoutes(core))
    .use(threadRoutes(core))
    .use(searchRoutes(core))
    .use(messageRoutes(core))
    .use(turnRoutes(core))
    .use(liveEventRoutes(core))
    .use(fileRoutes(core))
    .use(liveRoutes(core))
    .use(pluginPageRoutes(core))
    .use(pageRoutes(core));
  requireBounded(whole.routes);
  return whole;
}

/** What every request passes: an id, the gate, the log, and the catcher of errors. */
function boundary(core: Core, routes: () => RouteTable) {
  const started = new WeakMap<Request, { readonly id: string; readonly atMs: number }>();
  return new Elysia({ name: "boundary" })
    .onRequest(async ({ request, set, server }) => {
      const id = crypto.randomUUID();
      started.set(request, { id, atMs: performance.now() });
      Object.assign(set.headers, SECURITY_HEADERS, { "x-request-id": id });
      keepPeer(request, server);
      const answer = preflight(core, request);
      if (answer) return answer;
      Object.assign(set.headers, corsHeaders(core, request));
      await passGate(core, request, routes());
      return undefined;
    })
    .onError({ as: "global" }, async ({ error, code, request, set }) => {
      const methods = code === "NOT_FOUND" ? routes().methods(pathOf(request)) : null;
      if (methods) {
        set.headers.allow = methods.join(", ");
        if (request.method === "OPTIONS") return new Response(null, { status: 204 });
      }
      const failure = methods ? wrongMethod(request, methods) : failureOf(error, code);
      set.status = failure.status;
      if (failure.cause) {
        core.log.error("A request failed", { request: started.get(request)?.id, error: failure.cause });
      }
      const form = failure.status === 401 ? await signInAgain(core, request) : null;
      const response = form ?? failureResponse(core, request, failure);
      // What maps responses is not asked about those of errors.
      return (await sentPage(core, request, response)) ?? response;
    })
    .mapResponse({ as: "global" }, async ({ request, responseValue }) => {
      return (await sentPage(core, request, responseValue)) ?? undefined;
    })
    .onAfterResponse({ as: "global" }, ({ request, set, responseValue }) => {
      const begun = started.get(request);
      const pathname = pathOf(request);
      if (!begun || pathname.startsWith("/static/") || pathname === "/health") return;
      const status = responseValue instanceof Response ? responseValue.status : Number(set.status ?? 200);
      // Never the query: it holds what people search for.
      const ms = Math.round(performance.now() - begun.atMs);
      // What a page fetches by itself, such as its list whenever a chat changes in any window, says nothing of what somebody did.
      const isFetched = request.method === "GET" && request.headers.has("hx-request");
      const write = isFetched ? core.log.debug : core.log.info;
      write(`${request.method} ${pathname}`, { status, ms, request: begun.id });
    });
}
