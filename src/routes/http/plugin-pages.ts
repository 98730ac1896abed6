/**
 * /_plugin/<name>/*: pages that plugins serve. One route for all, which looks the page up at each request, because routes that are
 * added to a server that listens are not found. What a page does wrong is told by its name and stays with it.
 */

import { Elysia } from "elysia";
import { releaseSlotOf, takeSlotFor } from "../../basics/allowed";
import { boundBody } from "../../basics/body";
import { AppError, errorOf, isAppError } from "../../basics/errors";
import type { Core, InstalledPage, Look, User } from "../../protocols";
import { watchHeldUp } from "../../tools/hooks";
import { PARTS_MAX } from "../session/gate";
import { findUser, requireUser, session, wordsFor } from "../session/session";
import { outsideMarkup, outsidePath, pathOf, urlOf } from "./address";
import { pageData } from "./assets";
import { failureResponse } from "./failure";
import { FOREIGN_POLICY, PAGE_POLICY } from "./respond";
import { guardedResponse, type IdleTimer } from "./stream";

export function pluginPageRoutes(core: Core) {
  const serve = async ({ params: { name }, request, server, set }: Called): Promise<Response> => {
    const page = core.plugins.page(name);
    if (!page) throw new AppError("notFound", "There is nothing at this address.");
    const { pathname = "", search = "" } = urlOf(request) ?? {};
    // Relative addresses of the page start below its name.
    if (!pathname.slice("/_plugin/".length).includes("/")) {
      return new Response(null, { status: 308, headers: { location: `${pathname}/${search}` } });
    }
    const user = await requireAccess(core, request, page);
    if (!user) boundBody(request, ANONYMOUS);
    // Where the answer says nothing itself.
    set.headers["content-security-policy"] = FOREIGN_POLICY;
    // What a page waits for, and what it streams, may be silent for longer than an idle connection may.
    server?.timeout(request, 0);
    const response = await answer(core, name, page, request, user);
    if (isEventStream(response)) return user ? counted(core, request, page, user, response) : response;
    releaseSlotOf(request);
    server?.timeout(request, SEND_S);
    return response;
  };
  return new Elysia().use(session(core)).all("/_plugin/:name", serve, OPEN).all("/_plugin/:name/*", serve, OPEN);
}

const SEND_S = 30; // For a client to take something of an answer; one that went away must not hold its connection.

/** What `readJson` takes from somebody who is not signed in: two to five milliseconds of work. */
const ANONYMOUS = { bytes: 1024 * 1024, parts: PARTS_MAX };

/** Who may open a page, and what it may be sent, depends on the page and on who asks. */
const OPEN = { public: true, bodyMax: null, parse: "none" } as const;

interface Called {
  readonly params: { readonly name: string };
  readonly request: Request;
  readonly server: IdleTimer | null;
  readonly set: { readonly headers: Record<string, string | number> };
}

/** Who opens the page. Throws AppError: "unauthenticated", "forbidden". */
async function requireAccess(core: Core, request: Request, { access }: InstalledPage): Promise<User | null> {
  if (access === "public") return findUser(core, request);
  const user = await requireUser(core, request);
  if (access === "admin" && user.role !== "admin") {
    throw new AppError("forbidden", "Only an administrator may do this.");
  }
  return user;
}

/** Whether the sender is who they were when the page was opened, and may still open it. */
async function isStill(core: Core, request: Request, { access }: InstalledPage, { username }: User): Promise<boolean> {
  const now = await findUser(core, request);
  return now?.username === username && (access !== "admin" || now.role === "admin");
}

async function answer(
  core: Core,
  name: string,
  page: InstalledPage,
  request: Request,
  user: User | null,
): Promise<Response> {
  try {
    const called = () => page.handle(request, user, lookOf(core, request, user));
    const response: unknown = await watchHeldUp(core.log, () => ({ plugin: name, page: pathOf(request) }), called);
    if (response instanceof Response) return response;
    throw new Error("It did not answer with a Response.");
  } catch (error) {
    releaseSlotOf(request);
    if (isAppError(error)) throw error;
    core.log.error("The page of a plugin failed", { plugin: name, error: errorOf(error) });
    const message = `The page of the plugin ${name} failed; the server's log says why.`;
    return failureResponse(core, request, { status: 500, message, cause: null });
  }
}

function lookOf(core: Core, request: Request, user: User | null): Look {
  const words = wordsFor(core, request);
  return {
    words,
    path: (address) => outsidePath(core.config, address),
    page(content, init = {}) {
      const page = core.views.pluginPage({ ...pageData(core, user), ...content }, words);
      const { markup } = outsideMarkup(core.config, page);
      const response = new Response(markup, init);
      response.headers.set("content-type", "text/html; charset=utf-8");
      if (!response.headers.has("content-security-policy"))
        response.headers.set("content-security-policy", PAGE_POLICY);
      if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-store");
      return response;
    },
  };
}

/** The stream of a page as one of the user's, which ends with their session. A page that is refused a slot is told that its client has left. */
async function counted(core: Core, request: Request, page: InstalledPage, user: User, response: Response) {
  try {
    takeSlotFor(core, request, user.username);
  } catch (error) {
    await response.body?.cancel();
    throw error;
  }
  const isAllowed = () => isStill(core, request, page, user);
  return guardedResponse(core, response, { isAllowed, ended: () => releaseSlotOf(request) });
}

function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}
