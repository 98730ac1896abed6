/**
 * Smaller answers for clients that can unpack them: our pages as they go out, and public files, once. What others answer with
 * is left as it is, since it may be a stream.
 */

import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Core } from "../protocols";
import { outsideMarkup } from "./public-path";
import { pageOf } from "./respond";

const WORTH_BYTES = 1024; // Below it the headers weigh more than what is saved.
const packInThread = promisify(gzip);

export function takesGzip(request: Request): boolean {
  const wishes = request.headers.get("accept-encoding") ?? "";
  return /(?:^|,)\s*(?:x-)?gzip\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i.test(wishes);
}

/** One of our pages as it is sent: with addresses as browsers see them, and packed when that is worth it; null for all that is to be sent as it is. */
export async function sentPage({ config }: Core, request: Request, response: unknown): Promise<Response | null> {
  const page = response instanceof Response ? pageOf(response) : null;
  if (!(response instanceof Response) || !page) return null;
  const { markup } = outsideMarkup(config, page);
  const init = { status: response.status, headers: new Headers(response.headers) };
  const bytes = Buffer.from(markup);
  if (!takesGzip(request) || bytes.length < WORTH_BYTES) {
    return markup === page.markup ? null : new Response(bytes, init);
  }
  init.headers.set("content-encoding", "gzip");
  init.headers.append("vary", "accept-encoding");
  // Not in the event loop: a long page takes some milliseconds.
  return new Response(await packInThread(bytes), init);
}
