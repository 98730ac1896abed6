/**
 * Who sends a request: whoever has the bearer token, whom `auth` identifies, or whose session cookie it is. A bearer token that is
 * not ours counts for nothing, since a proxy in front may pass on its own. A request without one of ours that changes something is
 * refused when it says that it comes from another site; text browsers say nothing and are let through. Of whoever reads a page it also
 * says in which language (the one that the browser wants most of those there are) and in which time zone.
 */

import { Elysia } from "elysia";
import { AppError } from "../../basics/errors";
import { lazy } from "../../basics/once";
import { remembered } from "../../basics/recent";
import type { Core, User, Words } from "../../protocols";
import { publicPath, urlOf } from "../http/address";

/** The name that the cookie had in earlier versions, and has where `auth` does not tell one installation from another. */
export const BARE_COOKIE = "skeleton_session";

/** Cookies know no ports: two servers of one host take each other's away unless their names differ. */
export function sessionCookieName({ auth }: Core): string {
  return auth.installation === undefined ? BARE_COOKIE : `${BARE_COOKIE}_${auth.installation}`;
}

/** What a route says of itself. One that says nothing is for whoever is signed in, and takes a small body. The gate holds every request to it. */
export interface RouteAccess {
  /** For everybody. Such a route looks at the session itself where it has to know who asks. */
  readonly public?: true;
  /** Null = the route bounds it itself. */
  readonly bodyMax?: BodyMax | null;
}

/** In bytes: of a form, and of what is read as JSON. Absent = 0. */
export interface BodyMax {
  readonly json?: number;
  readonly form?: number;
}

/**
 * Gives routes the options of RouteAccess, and the macros `user` and `reader`: with one of them, `user` is there and everybody else is refused.
 * `reader` is for pages: it has the words for them, too.
 */
export function session(core: Core) {
  return new Elysia({ name: "session" }).macro({
    public: (_: RouteAccess["public"]) => ({}),
    bodyMax: (_: RouteAccess["bodyMax"]) => ({}),
    user: { resolve: async ({ request }) => ({ user: await requireUser(core, request) }) },
    reader: {
      resolve: async ({ request }) => {
        const reader = readerOf(core, request, await requireUser(core, request));
        return { reader, ...reader };
      },
    },
  });
}

/** The signed-in user at this moment, or null. */
export async function findUser(core: Core, request: Request): Promise<User | null> {
  const sender = (await findByToken(core, request)) ?? (await findByBrowser(core, request));
  // Also when a plugin provides `auth`: the data of removed users lies under names with control characters.
  return sender && /\p{Cc}/u.test(sender.username) ? null : sender;
}

async function findByToken(core: Core, request: Request): Promise<User | null> {
  const bearer = bearerToken(request);
  return bearer === null ? null : core.auth.verifyToken(bearer);
}

/** Whom the browser speaks for, whichever page makes it send the request. */
async function findByBrowser(core: Core, request: Request): Promise<User | null> {
  if (listedOrigin(core, request) !== null) return null;
  const known = await core.auth.identify?.(request, peers.get(request) ?? null);
  if (known) return known;
  for (const token of sessionTokens(core, request)) {
    const user = await core.auth.verifyToken(token);
    if (user) return user;
  }
  return null;
}

const TOKENS_MAX = 8; // A browser has as many as there are paths at which a session was opened.

/** The values of the session's cookies, in the order in which they came. */
function sessionTokens(core: Core, request: Request): string[] {
  const own = cookiesOf(request, sessionCookieName(core));
  return (own.length > 0 ? own : cookiesOf(request, BARE_COOKIE)).slice(0, TOKENS_MAX);
}

/** The other end of each request's connection. Kept, because it cannot be asked for any more when that has ended. */
const peers = new WeakMap<Request, string>();

/** Must come before `findUser` is asked about the request. */
export function keepPeer(request: Request, server: AddressSource | null): void {
  const address = server?.requestIP(request)?.address;
  if (address !== undefined) peers.set(request, address);
}

/** Refuses a request that a foreign page makes with this browser's cookie. Throws AppError("forbidden"). */
export async function requireSameOrigin(core: Core, request: Request): Promise<void> {
  if (["GET", "HEAD", "OPTIONS"].includes(request.method) || !isForeign(core, request)) return;
  if (await findByToken(core, request)) return;
  // A token of somebody else's making proves nothing, as a proxy may add it to what any page has the browser send; but where nobody is
  // known by the browser it may be the key of a plugin's page, and there is nothing to abuse.
  if (bearerToken(request) !== null && !(await findByBrowser(core, request))) return;
  throw new AppError("forbidden", "This request came from another site and was refused.");
}

function isForeign(core: Core, request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  return site ? site !== "same-origin" && site !== "none" : origin !== null && !isOwn(core, request, origin);
}

/** The other site whose page sends the request, when `CORS_ORIGINS` names it. It speaks for itself: who is signed in in that browser is nobody here. */
export function listedOrigin(core: Core, request: Request): string | null {
  const origin = request.headers.get("origin");
  if (origin === null || !core.config.corsOrigins?.includes(origin)) return null;
  return isOwn(core, request, origin) ? null : origin;
}

/** Scheme and host at which people reach the server: what the owner says, or else what the person's browser sees. */
export function ownOrigin(core: Core, request: Request): string {
  const { publicUrl } = core.config;
  return (publicUrl !== null && URL.parse(publicUrl)?.origin) || originAsked(core, request);
}

function originAsked(core: Core, request: Request): string {
  const url = urlOf(request);
  const scheme = forwarded(core, request, "proto") ?? url?.protocol.slice(0, -1) ?? "http";
  const host = forwarded(core, request, "host") ?? request.headers.get("host") ?? url?.host ?? "localhost";
  return `${scheme}://${host}`;
}

/** Where the request comes from; for limits and the log. */
export function addressOf(core: Core, request: Request, server: AddressSource | null): string {
  return forwarded(core, request, "for") ?? server?.requestIP(request)?.address ?? "unknown";
}

export interface AddressSource {
  requestIP(request: Request): { readonly address: string } | null;
}

/** The cookie that keeps a browser signed in. */
export function sessionCookie(core: Core, request: Request, token: string): string {
  const maxAgeS = core.config.tokenTtlHours * 3600;
  return cookieText(core, request, {
    name: sessionCookieName(core),
    value: token,
    path: publicPath(core.config) || "/",
    maxAgeS,
  });
}

/** The cookies that sign a browser out. A cookie named as in earlier versions is ended where it counted; elsewhere it may be another server's. */
export function endedCookies(core: Core, request: Request): string[] {
  const name = sessionCookieName(core);
  const isBare = cookiesOf(request, name).length === 0 && cookiesOf(request, BARE_COOKIE).length > 0;
  const ended = [{ name, path: publicPath(core.config) || "/" }, ...(isBare ? [{ name: BARE_COOKIE, path: "/" }] : [])];
  return ended.map((cookie) => cookieText(core, request, { ...cookie, value: "", maxAgeS: 0 }));
}

export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  readonly maxAgeS: number;
}

/** As a response sets it: out of reach of scripts and of other sites' requests. */
export function cookieText(core: Core, request: Request, { name, value, path, maxAgeS }: Cookie): string {
  const secure = ownOrigin(core, request).startsWith("https:") ? "; Secure" : "";
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeS}; HttpOnly; SameSite=Lax${secure}`;
}

/** The tokens that came with the request, good or not, each once. */
export function tokensOf(core: Core, request: Request): string[] {
  const tokens = [bearerToken(request), ...sessionTokens(core, request)];
  return [...new Set(tokens.filter((token) => token !== null))];
}

const knownUsers = new WeakMap<Request, User>();

/** The user who sends the request; looked up once. Throws AppError("unauthenticated") when there is none. */
export async function requireUser(core: Core, request: Request): Promise<User> {
  const user = knownUsers.get(request) ?? (await findUser(core, request));
  if (!user) throw new AppError("unauthenticated", "Sign in first.", { reason: "signedOut" });
  knownUsers.set(request, user);
  return user;
}

function bearerToken(request: Request): string | null {
  return /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? null;
}

/** The values of the cookies of that name, each once and none of them empty: a browser sends one for each path that it has one for. */
export function cookiesOf(request: Request, wanted: string): string[] {
  const cookies = (request.headers.get("cookie") ?? "").split(";").map((cookie) => cookie.trim().split("=", 2));
  return [...new Set(cookies.flatMap(([name, value]) => (name === wanted && value ? [value] : [])))];
}

function isOwn(core: Core, request: Request, origin: string): boolean {
  // A proxy that ends TLS may not tell the scheme; the host is what another site cannot forge.
  const host = URL.parse(origin)?.host;
  const own = [ownOrigin(core, request), originAsked(core, request)];
  return host !== undefined && own.some((each) => URL.parse(each)?.host === host);
}

/** What our own proxy says of a request, null without one. It adds the last entry; those before it are the sender's claims. */
export function forwarded({ config }: Core, request: Request, name: "for" | "host" | "proto"): string | null {
  const header = config.trustProxy ? request.headers.get(`x-forwarded-${name}`) : null;
  return header?.split(",").at(-1)?.trim() || null;
}

/** Who looks at a page, the words for it, and whose days. */
export interface Reader {
  readonly user: User;
  readonly words: Words;
  /** Time zone whose days the page speaks of. */
  readonly zone: string;
}

export function readerOf(core: Core, request: Request, user: User): Reader {
  return { user, words: wordsFor(core, request), zone: zoneOf(request) };
}

/** As the page's script has put it into a cookie. A browser without script has the days of the server. */
export function zoneOf(request: Request): string {
  const zone = /(?:^|;\s*)zone=([\w+/-]{1,64})(?:;|$)/.exec(request.headers.get("cookie") ?? "")?.[1];
  return zone !== undefined && isZone(zone) ? zone : serverZone();
}

/** It takes some milliseconds. */
const serverZone = lazy(() => Intl.DateTimeFormat().resolvedOptions().timeZone);

const ZONES_KEPT = 500; // There are some hundred, and to try one takes longer than all else of a reader.

const isZone = remembered(ZONES_KEPT, (zone) => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false; // It throws, and has no other way to say no.
  }
});

export function wordsFor(core: Core, request: Request): Words {
  return chooseWords(core.views.languages, request.headers.get("accept-language"));
}

/** `header` is an Accept-Language as anybody may write it; null = none. What cannot be read in it is passed over. */
export function chooseWords(languages: readonly Words[], header: string | null): Words {
  const [fallback] = languages;
  if (!fallback) throw new Error("`views.languages` is empty: there must be one catalogue of words at least.");
  const wishes = (header ?? "").slice(0, HEADER_MAX).split(",").map(toWish);
  for (const { tag } of wishes.filter(({ weight }) => weight > 0).sort((one, other) => other.weight - one.weight)) {
    const found = tag === "*" ? fallback : (languages.find(isExactly(tag)) ?? languages.find(isKindOf(tag)));
    if (found) return found;
  }
  return fallback;
}

const HEADER_MAX = 500; // Characters. Browsers send fewer than 100.

/** What does not have the form of a wish weighs nothing. */
function toWish(text: string): { readonly tag: string; readonly weight: number } {
  const [, tag = "", weight] =
    /^\s*(\*|[a-z]{1,8}(?:-[a-z\d]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i.exec(text) ?? [];
  return { tag: tag.toLowerCase(), weight: tag === "" ? 0 : Number(weight ?? 1) };
}

const isExactly = (tag: string) => (words: Words) => words.language.toLowerCase() === tag;

/** `de` and `de-AT` are both German: a person who asks for one of them can read the other. */
const isKindOf = (tag: string) => (words: Words) =>
  words.language.toLowerCase().split("-", 1)[0] === tag.split("-", 1)[0];
