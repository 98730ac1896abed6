/**
 * Who sends a request: whoever has the bearer token, whom `auth` identifies, or whose session cookie it is. A request without a
 * bearer token that changes something is refused when it says that it comes from another site; text browsers say nothing
 * and are let through.
 */

import { Elysia } from "elysia";
import { AppError } from "../errors";
import type { Core, User } from "../protocols";
import { type Reader, wordsFor, zoneOf } from "./reader";
import { urlOf } from "./url";

export const SESSION_COOKIE = "skeleton_session";

/**
 * Gives routes the macros `user`, `reader` and `admin`: with one of them, `user` is there and everybody else is refused. `reader`
 * is for pages: it has the words for them, too.
 */
export function session(core: Core) {
  return new Elysia({ name: "session" }).macro({
    user: { resolve: async ({ request }) => ({ user: await requireUser(core, request) }) },
    reader: {
      resolve: async ({ request }) => {
        const reader: Reader = {
          user: await requireUser(core, request),
          words: wordsFor(core, request),
          zone: zoneOf(request),
        };
        return { reader, ...reader };
      },
    },
    admin: {
      resolve: async ({ request }) => {
        const user = await requireUser(core, request);
        if (user.role !== "admin") throw new AppError("forbidden", "Only an administrator may do this.");
        return { user };
      },
    },
  });
}

/** The signed-in user at this moment, or null. */
export async function findUser(core: Core, request: Request): Promise<User | null> {
  const sender = await findSender(core, request);
  // Whoever provides `auth`: what is kept of removed users lies under such names.
  return sender && /\p{Cc}/u.test(sender.username) ? null : sender;
}

async function findSender(core: Core, request: Request): Promise<User | null> {
  const bearer = bearerToken(request);
  if (bearer !== null) return core.auth.verifyToken(bearer);
  if (listedOrigin(core, request) !== null) return null;
  const known = await core.auth.identify?.(request, peers.get(request) ?? null);
  if (known) return known;
  const token = cookieOf(request, SESSION_COOKIE);
  return token === null ? null : core.auth.verifyToken(token);
}

/** The other end of each request's connection. Kept, because it cannot be asked for any more when that has ended. */
const peers = new WeakMap<Request, string>();

/** Must come before `findUser` is asked about the request. */
export function keepPeer(request: Request, server: AddressSource | null): void {
  const address = server?.requestIP(request)?.address;
  if (address !== undefined) peers.set(request, address);
}

/** Refuses a request that a foreign page makes with this browser's cookie. */
export function requireSameOrigin(core: Core, request: Request): void {
  if (["GET", "HEAD", "OPTIONS"].includes(request.method) || bearerToken(request) !== null) return;
  const site = request.headers.get("sec-fetch-site");
  const origin = request.headers.get("origin");
  const isForeign = site ? site !== "same-origin" && site !== "none" : origin !== null && !isOwn(core, request, origin);
  if (isForeign) throw new AppError("forbidden", "This request came from another site and was refused.");
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
  const forwarded = (name: string) => (core.config.trustProxy ? lastOf(request.headers.get(name)) : null);
  const scheme = forwarded("x-forwarded-proto") ?? url?.protocol.slice(0, -1) ?? "http";
  const host = forwarded("x-forwarded-host") ?? request.headers.get("host") ?? url?.host ?? "localhost";
  return `${scheme}://${host}`;
}

/** Where the request comes from; for limits and the log. */
export function addressOf(core: Core, request: Request, server: AddressSource | null): string {
  const forwarded = core.config.trustProxy ? lastOf(request.headers.get("x-forwarded-for")) : null;
  return forwarded ?? server?.requestIP(request)?.address ?? "unknown";
}

export interface AddressSource {
  requestIP(request: Request): { readonly address: string } | null;
}

/** The cookie that keeps a browser signed in, or with null the one that signs it out. */
export function sessionCookie(core: Core, request: Request, token: string | null): string {
  const maxAgeS = token === null ? 0 : core.config.tokenTtlHours * 3600;
  return cookieText(core, request, { name: SESSION_COOKIE, value: token ?? "", path: "/", maxAgeS });
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
export function tokensOf(request: Request): string[] {
  const tokens = [bearerToken(request), cookieOf(request, SESSION_COOKIE)];
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

/** The value of the cookie, or null when there is none or it is empty. */
export function cookieOf(request: Request, wanted: string): string | null {
  for (const cookie of (request.headers.get("cookie") ?? "").split(";")) {
    const [name, value] = cookie.trim().split("=", 2);
    if (name === wanted && value) return value;
  }
  return null;
}

function isOwn(core: Core, request: Request, origin: string): boolean {
  // A proxy that ends TLS may not tell the scheme; the host is what another site cannot forge.
  const host = URL.parse(origin)?.host;
  const own = [ownOrigin(core, request), originAsked(core, request)];
  return host !== undefined && own.some((each) => URL.parse(each)?.host === host);
}

/** The entry that our own proxy added; those before it are the sender's claims. */
export function lastOf(header: string | null): string | null {
  return header?.split(",").at(-1)?.trim() || null;
}
