/**
 * A response that streams Server-Sent Events out of an async iterable of messages. It stops when the client goes away,
 * keeps quiet connections alive, reads on only as fast as the client does, and ends in order when the server does.
 */

import type { Core } from "../protocols";
import { encodeRetry, HEARTBEAT, HEARTBEAT_MS, SSE_HEADERS } from "../sse";

export interface StreamOptions {
  readonly core: Core;
  readonly request: Request;
  /** Where the server is asked not to cut the connection when it is idle; null in tests without one. */
  readonly server: IdleTimer | null;
  /** Encoded messages. Is handed a signal that aborts when the client is gone. */
  readonly messages: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Asked with each heartbeat: false ends the stream, because the session did. */
  readonly isAllowed?: () => Promise<boolean>;
  /** What is streamed; absent = Server-Sent Events. */
  readonly format?: StreamFormat;
}

export interface StreamFormat {
  readonly headers: Readonly<Record<string, string>>;
  /** Says nothing, and keeps the connection open. */
  readonly heartbeat: Uint8Array;
  /** The last of a stream that the server ends early. */
  readonly goodbye: () => Uint8Array;
}

const SSE: StreamFormat = { headers: SSE_HEADERS, heartbeat: HEARTBEAT, goodbye: encodeRetry };

export interface IdleTimer {
  timeout(request: Request, seconds: number): void;
}

const BUFFER_BYTES = 64 * 1024; // Ahead of a slow reader; what waits beyond it is bounded where it is made.

/** Those that are open, of each server of this process. */
const open = new WeakMap<Core, Set<() => void>>();

/** Ends every stream of the server, asking its client to connect again in a moment. */
export function closeStreams(core: Core): void {
  for (const close of [...(open.get(core) ?? [])]) close();
}

export function streamResponse(options: StreamOptions): Response {
  const { core, request, server, messages, isAllowed, format = SSE } = options;
  if (request.method === "HEAD") return new Response(null, { headers: format.headers });
  server?.timeout(request, 0);
  const gone = new AbortController();
  const iterator = messages(gone.signal)[Symbol.asyncIterator]();
  const streams = open.get(core) ?? new Set();
  open.set(core, streams);
  let close = () => {};
  let heartbeat: Timer | null = null;
  const end = () => {
    if (heartbeat) clearInterval(heartbeat);
    request.signal.removeEventListener("abort", end);
    streams.delete(close);
    gone.abort();
    // A generator that nobody reads on would wait at its last message for ever, subscribed to what it follows.
    iterator.return?.().catch(() => {});
  };
  request.signal.addEventListener("abort", end, { once: true });
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        // The first bytes carry the headers to a client that waits for them.
        controller.enqueue(format.heartbeat);
        close = () => {
          if (gone.signal.aborted) return;
          end();
          controller.enqueue(format.goodbye());
          controller.close();
        };
        streams.add(close);
        heartbeat = setInterval(async () => {
          if (isAllowed && !(await isAllowed())) close();
          else if (!gone.signal.aborted && (controller.desiredSize ?? 0) > 0) controller.enqueue(format.heartbeat);
        }, HEARTBEAT_MS);
      },
      async pull(controller) {
        try {
          const next = await iterator.next();
          if (gone.signal.aborted) return;
          if (!next.done) return controller.enqueue(next.value);
          end();
          controller.close();
        } catch (error) {
          end();
          // After the first byte there is no status to change: the cut connection is the answer.
          if (!request.signal.aborted) core.log.error("A stream failed", { error: error as Error });
          controller.error(error);
        }
      },
      cancel: end,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_BYTES }),
  );
  return new Response(body, { headers: format.headers });
}
