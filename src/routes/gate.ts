/**
 * What a request must pass before any of it is read: an address that can be read, a body of bounded size, and a person who
 * is signed in, except where the path is for everybody. Elysia reads and checks bodies before it asks who sends them.
 */

import { AppError } from "../errors";
import type { Core } from "../protocols";
import { requireSameOrigin, requireUser } from "./session";
import { urlOf } from "./url";

const KIB = 1024;
/** The largest file and some fields around it. */
export const BODY_MAX_BYTES = 64 * KIB * KIB;

/** For everybody; those of plugins and the live channel look at the session themselves. */
const PUBLIC = /^\/(?:health|login|logout|setup|live|openapi(?:\/json)?|static\/.*|_plugin\/.*)?$/;

/** Bytes of a body, by the first path that fits. JSON of hostile shape costs the loop about a second per megabyte. */
const BODY_LIMITS: readonly (readonly [path: RegExp, json: number, form: number])[] = [
  [/^\/api\/v1\/message$/, 2 * KIB * KIB, BODY_MAX_BYTES],
  [/^\/api\/v1\/files$/, 0, BODY_MAX_BYTES],
  [/^\/_plugin\//, BODY_MAX_BYTES, BODY_MAX_BYTES],
  [/^\/t(?:\/[^/]+\/messages)?$/, 0, BODY_MAX_BYTES],
  [/^\/t\/[^/]+\/edit$/, 0, KIB * KIB], // The longest message, in any script, encoded as a form.
  [/^\/login$/, 16 * KIB, KIB * KIB], // It may carry a text that was written before the session ended.
  [/^\/(?:logout|setup)$/, 16 * KIB, 16 * KIB],
  [/^/, 64 * KIB, 64 * KIB],
];

export function isPublic(path: string): boolean {
  return PUBLIC.test(path);
}

/** Throws AppError: "invalid", "forbidden", "tooLarge", "unauthenticated". */
export async function passGate(core: Core, request: Request): Promise<void> {
  const url = urlOf(request);
  if (!url) throw new AppError("invalid", "The Host header or the address of the request cannot be read.");
  requireSameOrigin(core, request);
  if (!isPublic(url.pathname)) await requireUser(core, request);
  checkSize(request, url.pathname);
}

function checkSize(request: Request, path: string): void {
  const [, json, form] = BODY_LIMITS.find(([pattern]) => pattern.test(path)) ?? [null, 0, 0];
  const limit = request.headers.get("content-type")?.startsWith("multipart/")
    ? form
    : Math.max(json, isUrlEncoded(request) ? form : 0);
  if (Number(request.headers.get("content-length") ?? 0) > limit) {
    throw new AppError("tooLarge", `The body of this request may have ${limit / KIB} KiB.`);
  }
  // Without a length it could be anything, up to the server's own limit.
  if (request.headers.has("transfer-encoding") && limit < BODY_MAX_BYTES) {
    throw new AppError("invalid", "Send this request with a Content-Length.");
  }
}

function isUrlEncoded(request: Request): boolean {
  return request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded") ?? false;
}
