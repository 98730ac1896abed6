/**
 * For a plugin that speaks an API of others, such as OpenAI's: what its clients are told of a failure, an answer that streams and still has a
 * status when it fails at once, and files that come inside a request. Plugins get these from `skeleton`.
 */

import { type AppError, HTTP_STATUS, isAppError, messageOf } from "../basics/errors";
import type { SseMessage } from "../basics/sse";
import { within } from "../basics/within";
import { eventStream } from "./event-stream";

export interface ApiFailure {
  readonly status: number;
  /** For people. */
  readonly message: string;
  /** For programs, in OpenAI's words where it has one; null when the model's endpoint gave none. */
  readonly code: string | null;
  readonly type?: string | undefined;
  /** The field of the request that is at fault. */
  readonly param?: string | null | undefined;
  readonly retryAfterS?: number | undefined;
}

/** Refusals of an endpoint that are about the request: whoever sent it can mend it, or come again. */
const SENDERS = new Set([400, 404, 408, 409, 413, 422, 429]);
/** About the key, the bill and the network of this server. A client would take them for its own. */
const OWNERS = new Set([401, 402, 403, 407]);

/**
 * What a client is told of an error, so that it repeats what may succeed and nothing else: a refusal by the model's endpoint keeps status, code, type
 * and param when it is about the request; what the owner has to mend is 502. An error that is no AppError is 500, and tells nothing of itself.
 *
 * @example
 * ```ts
 * const answer = (error: unknown) => {
 *   const { status, message, code } = apiFailure(error);
 *   return Response.json({ error: { message, code } }, { status });
 * };
 * ```
 */
export function apiFailure(error: unknown): ApiFailure {
  if (isAppError(error)) return { message: messageOf(error), retryAfterS: error.retryAfterS, ...answerTo(error) };
  return { status: 500, code: "internal", message: "Something went wrong in the server; its log says what." };
}

function answerTo(error: AppError): Omit<ApiFailure, "message"> {
  const { code, type, param, status = 0, isSilent } = error.facts ?? {};
  if (error.reason === "modelGone") return { status: 404, code: "model_not_found", param: "model" };
  if (error.code === "unauthenticated") return { status: 401, code: "invalid_api_key" };
  if (error.code !== "upstream") return { status: HTTP_STATUS[error.code], code: code ?? error.code, param };
  if (SENDERS.has(status)) return { status, code: code ?? null, type, param };
  if (OWNERS.has(status)) return { status: 502, code: "upstream_refused", retryAfterS: undefined };
  if (isSilent) return { status: 504, code: "upstream_silent" };
  // What an endpoint says in the middle of a stream, where it has no status.
  return status === 0 ? { status: 502, code: code ?? "upstream", type, param } : { status: 502, code: "upstream" };
}

const ERROR_MS = 5000; // Until then a failure has a status of its own; after it the client must see that it is connected.

/**
 * A stream of Server-Sent Events whose first message is waited for: what fails before it is thrown, and so can have a status; what fails later is
 * told as a last message. As with `eventStream`, `messages` is asked to return when the client leaves.
 *
 * @example
 * ```ts
 * async function* words() {
 *   for (const word of ["Hel", "lo"]) yield { data: JSON.stringify({ word }) };
 * }
 * const answer = await answerStream(words(), (error) => ({ data: JSON.stringify({ error: apiFailure(error).message }) }));
 * ```
 */
export async function answerStream(
  messages: AsyncGenerator<SseMessage, void>,
  failed: (error: unknown) => SseMessage,
): Promise<Response> {
  let begun: ReturnType<typeof messages.next> | null = messages.next();
  await within(begun, { ms: ERROR_MS }, () => {});
  // No generator: one that was not begun yet would not hear that the client left.
  const told: AsyncIterator<SseMessage> = {
    async next() {
      const coming = begun ?? messages.next();
      begun = null;
      return coming.catch((error) => ({ done: false, value: failed(error) }));
    },
    return: () => messages.return(),
  };
  return eventStream({ [Symbol.asyncIterator]: () => told });
}

const HEAD_MAX = 300; // Characters before the comma. A client can send any number, and the expression goes back and forth in them.

/**
 * The bytes of an address such as `data:image/png;base64,…`; null when it is none, or not in base64.
 *
 * @example
 * ```ts
 * const picture = readDataUrl("data:image/gif;base64,R0lGODlhAQABAAAAACw=");
 * if (picture) await core.file.put(user.username, { name: "dot.gif", type: picture.type, data: picture });
 * ```
 */
export function readDataUrl(url: string): Blob | null {
  const comma = url.slice(0, HEAD_MAX).indexOf(",");
  const type = /^data:([\w.+-]+\/[\w.+-]+)(?:;.*)?;base64$/i.exec(url.slice(0, Math.max(0, comma)))?.[1];
  return type === undefined ? null : new Blob([Buffer.from(url.slice(comma + 1), "base64")], { type });
}
