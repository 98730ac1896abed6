/**
 * Smaller answers for clients that can unpack them: our pages as they go out, and public files, once. What others answer with
 * is left as it is, since it may be a stream.
 */

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { isPage } from "./respond";

const WORTH_BYTES = 1024; // Below it the headers weigh more than what is saved.
const packInThread = promisify(gzip);

export function takesGzip(request: Request): boolean {
  const wishes = request.headers.get("accept-encoding") ?? "";
  return /(?:^|,)\s*(?:x-)?gzip\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(wishes);
}

/** The same page, packed when that is worth it; null for all that is to be sent as it is. */
export async function packedPage(request: Request, response: unknown): Promise<Response | null> {
  if (!(response instanceof Response) || !isPage(response) || !takesGzip(request)) return null;
  const bytes = await response.clone().bytes();
  if (bytes.length < WORTH_BYTES) return null;
  const headers = new Headers(response.headers);
  headers.set("content-encoding", "gzip");
  headers.append("vary", "accept-encoding");
  // Not in the event loop: a long page takes some milliseconds.
  return new Response(await packInThread(bytes), { status: response.status, headers });
}
