/**
 * What a request must pass before any of it is read: an address that can be read and leads here, a body of bounded size, and a person who
 * is signed in, except where the path is for everybody. Elysia reads and checks bodies before it asks who sends them.
 */

import { hostname } from "node:os";
import { boundBody, checkLength, isForm } from "../basics/body";
import { AppError } from "../basics/errors";
import type { Config, Core } from "../protocols";
import { lastOf, requireSameOrigin, requireUser } from "./session";
import { urlOf } from "./url";

const KIB = 1024;
/** The largest file and some fields around it. */
export const BODY_MAX_BYTES = 64 * KIB * KIB;

/** For everybody; those of plugins and the live channel look at the session themselves. */
const PUBLIC = /^\/(?:health|login|logout|setup|live|openapi(?:\/json)?|static\/.*|_plugin\/.*)?$/;

/** Bytes of a body, by the first path that fits; those who are not signed in reach the three small ones alone, and pages of plugins. */
const BODY_LIMITS: readonly (readonly [path: RegExp, json: number, form: number])[] = [
  [/^\/api\/v1\/message$/, 2 * KIB * KIB, BODY_MAX_BYTES],
  [/^(?:\/api\/v1)?\/files$/, 0, BODY_MAX_BYTES],
  [/^\/t(?:\/[^/]+\/messages)?$/, 0, BODY_MAX_BYTES],
  [/^\/t\/[^/]+\/edit$/, 0, KIB * KIB], // The longest message, in any script, encoded as a form.
  [/^\/(?:login|logout|setup)$/, 16 * KIB, 16 * KIB],
  [/^/, 64 * KIB, 64 * KIB],
];

/** Of JSON; what is meant has some hundred. */
export const PARTS_MAX = 20_000;

export function isPublic(path: string): boolean {
  return PUBLIC.test(path);
}

/** Throws AppError: "invalid", "forbidden", "tooLarge", "unauthenticated". */
export async function passGate(core: Core, request: Request): Promise<void> {
  const url = urlOf(request);
  if (!url) throw new AppError("invalid", "The Host header or the address of the request cannot be read.");
  requireOwnHost(core, request);
  await requireSameOrigin(core, request);
  if (!isPublic(url.pathname)) await requireUser(core, request);
  // What a page of a plugin may be sent depends on who sends it, and is decided there.
  if (!url.pathname.startsWith("/_plugin/"))
    boundBody(request, { bytes: limitOf(request, url.pathname), parts: PARTS_MAX });
  checkLength(request);
}

/**
 * In ephemeral mode anybody may sign in, and so may the page of another site that has its own name lead to this machine: its browser
 * then takes the server for that site. So only names are answered that nobody else can have. Throws AppError("misdirected").
 */
function requireOwnHost({ config }: Core, request: Request): void {
  if (config.mode !== "ephemeral") return;
  const forwarded = config.trustProxy ? lastOf(request.headers.get("x-forwarded-host")) : null;
  // HTTP/1.0 knows no Host, and no browser speaks it.
  const hosts = [request.headers.get("host"), forwarded].filter((host) => host !== null);
  if (!hosts.every((host) => isOwnHost(config, host)))
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

function limitOf(request: Request, path: string): number {
  const [, json, form] = BODY_LIMITS.find(([pattern]) => pattern.test(path)) ?? [null, 0, 0];
  const type = request.headers.get("content-type") ?? "";
  return isForm(type) ? form : json;
}
