/**
 * What a request must pass before any of it is read: an address that can be read and leads here, a body of bounded size, and a person who
 * is signed in, except where the route is for everybody. Elysia reads and checks bodies before it asks who sends them, so what routes say of
 * themselves is looked up here. Beside it: pages of other sites that may come in, and how a route reads its fields.
 */

import { hostname } from "node:os";
import type { TObject } from "@sinclair/typebox";
import type { InternalRoute } from "elysia";
import { boundBody, checkLength, isForm, readFields, readJson } from "../../basics/body";
import { AppError } from "../../basics/errors";
import { type InCamelCase, inCamelCase } from "../../basics/names";
import { KIB, MIB } from "../../basics/size";
import type { Config, Core } from "../../protocols";
import { pathOf, urlOf } from "../http/address";
import { type BodyMax, forwarded, listedOrigin, type RouteAccess, requireSameOrigin, requireUser } from "./session";

/** The largest file and some fields around it. */
export const BODY_MAX_BYTES = 64 * MIB;

/** Where a route says nothing of it. */
const BODY_MAX: BodyMax = { json: 64 * KIB, form: 64 * KIB };

/** Commas and opening brackets of JSON; a request that a person or a program means has some hundred. */
export const PARTS_MAX = 20_000;

export interface RouteTable {
  /** What the route of a request says of itself. Of a path that has none of that method, what one of the others says; without any, nothing. */
  find(method: string, pathname: string): RouteAccess;
  /** The methods that can be used at a path, or null where no route is. */
  methods(pathname: string): string[] | null;
}

/** The routes of an app, once all are there; the one that Elysia would take first. */
export function createRouteTable(routes: readonly InternalRoute[]): RouteTable {
  const table = routes
    .map(({ method, path, hooks }) => ({ method, parts: partsOf(path), access: hooks as RouteAccess }))
    .sort((one, other) => rankOf(one.parts).localeCompare(rankOf(other.parts)));
  const at = (pathname: string) => {
    const path = partsOf(pathname);
    return table.filter(({ parts }) => isAt(parts, path));
  };
  return {
    find(method, pathname) {
      const found = at(pathname);
      const wanted = method === "HEAD" ? "GET" : method;
      return (found.find((route) => route.method === wanted || route.method === "ALL") ?? found[0])?.access ?? {};
    },
    methods(pathname) {
      const methods = at(pathname).map(({ method }) => method);
      if (methods.length === 0) return null;
      return [...new Set([...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"])];
    },
  };
}

/** A slash at the end makes no difference; two of them are another path. */
function partsOf(path: string): string[] {
  return path.replace(/(?<=[^/])\/$/, "").split("/");
}

/** Part by part, a name comes before a parameter, and that before whatever follows. */
function rankOf(parts: readonly string[]): string {
  return parts.map((part) => (part === "*" ? "2" : part.startsWith(":") ? "1" : "0")).join("");
}

function isAt(route: readonly string[], path: readonly string[]): boolean {
  const isLong = route.at(-1) === "*" && path.length > route.length;
  return (
    (isLong || path.length === route.length) &&
    route.every((part, at) => part === "*" || part === path[at] || (part.startsWith(":") && path[at] !== ""))
  );
}

/** Throws AppError: "invalid", "forbidden", "tooLarge", "unauthenticated". */
export async function passGate(core: Core, request: Request, routes: RouteTable): Promise<void> {
  const url = urlOf(request);
  if (!url) throw new AppError("invalid", "The Host header or the address of the request cannot be read.");
  requireOwnHost(core, request);
  await requireSameOrigin(core, request);
  const access = routes.find(request.method, url.pathname);
  if (!access.public) await requireUser(core, request);
  const { bodyMax = BODY_MAX } = access;
  if (bodyMax) {
    const kind = isForm(request) ? "form" : "json";
    boundBody(request, { bytes: bodyMax[kind] ?? 0, parts: PARTS_MAX });
  }
  checkLength(request);
}

/**
 * In ephemeral mode anybody may sign in, and so may the page of another site that has its own name lead to this machine: its browser
 * then takes the server for that site. So only names are answered that nobody else can have. Throws AppError("misdirected").
 */
function requireOwnHost(core: Core, request: Request): void {
  if (core.config.mode !== "ephemeral") return;
  // HTTP/1.0 knows no Host, and no browser speaks it.
  const hosts = [request.headers.get("host"), forwarded(core, request, "host")].filter((host) => host !== null);
  if (!hosts.every((host) => isOwnHost(core.config, host)))
    throw new AppError("misdirected", OTHER_HOST, { reason: "otherHost" });
}

const OTHER_HOST =
  "In ephemeral mode, where anybody may sign in, the server answers only to addresses and names of its own network. Set PUBLIC_URL to the address at which people reach it.";

/** Of networks at home and in companies; nobody can register a name below them. */
const PRIVATE_DOMAINS = /\.(?:local|lan|home\.arpa|internal)$/;

export function isOwnHost({ host: listens, publicUrl }: Pick<Config, "host" | "publicUrl">, host: string): boolean {
  const name = nameOf(host);
  if (name === null) return false;
  const isAddress = /^(?:\[.*\]|[\d.]+)$/.test(name);
  if (isAddress || !name.includes(".") || PRIVATE_DOMAINS.test(name)) return true;
  return [hostname(), listens, URL.parse(publicUrl ?? "")?.host].some(
    (own) => own !== undefined && nameOf(own) === name,
  );
}

/** Without port and last dot, and in one spelling; null for what is no host. */
function nameOf(host: string): string | null {
  if (!/^[\w.:[\]-]+$/.test(host)) return null;
  return URL.parse(`http://${host}`)?.hostname.replace(/\.$/, "") || null;
}

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

type Reading = (context: { readonly request: Request }) => Promise<unknown>;

/** Throws, at the start, for a route of ours that leaves its body to Elysia, which reads any depth and any number of parts. */
export function requireBounded(routes: readonly InternalRoute[]): void {
  for (const { method, path, hooks } of routes) {
    if (hooks.body && typeof hooks.parse?.[0]?.fn !== "function")
      throw new Error(
        `${method} ${path} reads its body without bounds: write \`...bounded(Schema)\` for \`body: Schema\`.`,
      );
  }
}

/** For the options of a route with a body, instead of `body`. What it takes is described by the schema, or in `detail` where it takes more. */
export function bounded<Schema extends TObject>(body: Schema, read: Reading = readAny) {
  return { body, parse: [async (context: Parameters<Reading>[0]) => knownFields(body, await read(context))] };
}

/** Elysia takes away fields that the schema does not have, but not `constructor`, `__proto__` and others that any object seems to have. */
function knownFields({ properties }: TObject, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(properties, name)));
}

/** JSON, or the fields of a form. */
async function readAny({ request }: { readonly request: Request }): Promise<unknown> {
  return isForm(request) ? Object.fromEntries(await readFields(request)) : readJson(request);
}

/** What was given of a body or a query, under the names of the code. An empty text gives nothing: a form sends one for each field. */
export function given<Fields extends object>(fields: Fields): InCamelCase<Fields> {
  return inCamelCase(
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "")),
  ) as InCamelCase<Fields>;
}
