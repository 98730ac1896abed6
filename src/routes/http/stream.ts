/**
 * A response that streams messages, Server-Sent Events as a rule, to a client for as long as either wants. What the client has not read waits in
 * the response itself, bounded: one that does not read is let go and may come back. Quiet connections are kept alive, and
 * all end in order when the server does.
 */

import type { StreamSlot } from "../../basics/allowed";
import { errorOf } from "../../basics/errors";
import { perServer } from "../../basics/once";
import { encodeRetry, HEARTBEAT, HEARTBEAT_MS, SSE_HEADERS } from "../../basics/sse";
import type { Core } from "../../protocols";

export interface StreamOptions {
  readonly core: Core;
  /** Under which name of `core.counts` it is counted while it is open. */
  readonly counted: "streams_page" | "streams_turn" | "streams_live";
  readonly request: Request;
  /** The user's, given back when the stream ends, however it does; absent for somebody who is not signed in. */
  readonly slot?: StreamSlot;
  /** Where the server is asked not to cut the connection when it is idle; null in tests without one. */
  readonly server: IdleTimer | null;
  /** Called once. Resolves with what is called when the client is gone or was let go. */
  readonly begin: (client: StreamClient) => Promise<() => void>;
  /** Asked twice a second: false ends the stream, because the session did. */
  readonly isAllowed?: () => Promise<boolean>;
  /** The last of a stream whose session has ended; absent = as of one that the server ends. */
  readonly signedOut?: () => Uint8Array;
  /** Default HEARTBEAT_MS. */
  readonly heartbeatMs?: number;
  /** Seconds without progress after which the rest of an ended stream is given up. Default REST_S. */
  readonly restS?: number;
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

export interface StreamClient {
  /** Sends encoded messages. Nothing happens once the client is gone. */
  send(messages: Uint8Array): void;
  /** Ends the response after what was sent; with an error it is cut, which is all the answer there is after the first byte. */
  end(error?: Error): void;
}

export interface IdleTimer {
  timeout(request: Request, seconds: number): void;
}

const REST_S = 60; // Else a client that reads nothing more would hold its connection, and what waits in it, for ever.
const UNREAD_BYTES = 2 * 1024 * 1024; // Many minutes of a fast model.

/** A chunk's size is its bytes. None are asked for ahead, because Bun would reserve memory for that in each connection. */
const BY_BYTES: QueuingStrategy<Uint8Array> = { highWaterMark: 0, size: (bytes) => bytes?.byteLength ?? 0 };

/** A `begin` that sends what an iterable gives, and then ends. */
export function sendAll(messages: (signal: AbortSignal) => AsyncIterable<Uint8Array>): StreamOptions["begin"] {
  return async ({ send, end }) => {
    const gone = new AbortController();
    const all = async () => {
      for await (const message of messages(gone.signal)) send(message);
    };
    all().then(
      () => end(),
      (error) => end(errorOf(error)),
    );
    return () => gone.abort();
  };
}

/** Ends every stream of the server, asking its client to connect again in a moment. */
export function closeStreams(core: Core): void {
  for (const stream of [...streamsOf(core).open]) stream.close();
}

export interface GuardedStream {
  /** Asked twice a second: false cuts the stream. */
  readonly isAllowed: () => Promise<boolean>;
  /** Called once, when the stream has ended in whichever way. */
  readonly ended: () => void;
}

/** The same response, a stream that somebody else makes and that ends here. When the server ends, so does whoever makes it. */
export function guardedResponse(core: Core, response: Response, { isAllowed, ended }: GuardedStream): Response {
  const reader = response.body?.getReader();
  if (!reader) {
    ended();
    return response;
  }
  let refuse = (): void => {};
  const stream: OpenStream = { dueMs: 0, look: sessionCheck(core, isAllowed, () => refuse()), close() {} };
  const open = keepLooking(core, stream, LOOK_MS);
  /** False when it has ended already. */
  const end = (): boolean => {
    const isFirst = open.delete(stream);
    if (isFirst) ended();
    return isFirst;
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        refuse = () => {
          if (!end()) return;
          controller.error(new Error("The session has ended."));
          reader.cancel().catch(() => {}); // Nobody hears of it any more.
        };
      },
      async pull(controller) {
        const next = await reader.read().catch((error: unknown) => {
          end();
          throw error;
        });
        if (!open.has(stream)) return;
        if (!next.done) return controller.enqueue(next.value);
        end();
        controller.close();
      },
      cancel() {
        end();
        return reader.cancel();
      },
    },
    BY_BYTES,
  );
  return new Response(body, response);
}

export function streamResponse(options: StreamOptions): Response {
  const { request, server, slot, format = SSE } = options;
  if (request.method === "HEAD") {
    slot?.release();
    return new Response(null, { headers: format.headers });
  }
  server?.timeout(request, 0);
  let leave = (): void => {};
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        leave = openStream(options, controller);
      },
      cancel: () => leave(),
    },
    BY_BYTES,
  );
  return new Response(body, { headers: format.headers });
}

/** Returns what is called when the client is gone. */
function openStream(options: StreamOptions, controller: ReadableStreamDefaultController<Uint8Array>): () => void {
  const { core, counted, begin, heartbeatMs = HEARTBEAT_MS, restS = REST_S, format = SSE } = options;
  let isGone = false;
  let stop = (): void => {};
  const unreadBytes = () => -(controller.desiredSize ?? 0);

  const leave = (): void => {
    if (isGone) return;
    isGone = true;
    core.counts.add(counted, -1);
    options.slot?.release();
    streamsOf(core).open.delete(stream);
    stop();
  };
  const send = (messages: Uint8Array): void => {
    if (isGone || messages.length === 0) return;
    // One message may be larger than the bound: a client that has read all before it is not slow.
    if (unreadBytes() > UNREAD_BYTES) end();
    else controller.enqueue(messages);
  };
  const end = (error?: Error): void => {
    if (isGone) return;
    leave();
    if (error) core.log.error("A stream failed", { error });
    if (unreadBytes() > 0) options.server?.timeout(options.request, restS);
    if (error) controller.error(error);
    else controller.close();
  };
  const close = (last = format.goodbye): void => {
    send(last());
    end();
  };
  const check = sessionCheck(core, options.isAllowed, () => close(options.signedOut));
  let beatDueMs = performance.now() + heartbeatMs;
  const look = (): void => {
    void check();
    if (beatDueMs > performance.now()) return;
    beatDueMs = performance.now() + heartbeatMs;
    if (unreadBytes() <= 0) send(format.heartbeat);
  };
  const stream: OpenStream = { dueMs: 0, look, close };
  // Tests have quicker heartbeats.
  keepLooking(core, stream, Math.min(LOOK_MS, heartbeatMs));
  core.counts.add(counted);
  // The first bytes carry the headers to a client that waits for them.
  send(format.heartbeat);
  begin({ send, end }).then(
    (begun) => {
      stop = begun;
      if (isGone) stop();
    },
    (error) => end(errorOf(error)),
  );
  return leave;
}

interface OpenStream {
  dueMs: number;
  /** Looks at the session, and sends a heartbeat when it is time. */
  look(): void;
  /** Because the server ends. */
  close(): void;
}

/** Refuses the stream when its session is none any more. */
function sessionCheck(core: Core, isAllowed: StreamOptions["isAllowed"], refuse: () => void): () => Promise<void> {
  let isAsking = false;
  let hasFailed = false;
  return async () => {
    // A provider that is slow is not asked again before it has answered.
    if (!isAllowed || isAsking) return;
    isAsking = true;
    try {
      if (!(await isAllowed())) refuse();
      hasFailed = false;
    } catch (error) {
      if (!hasFailed) core.log.error("A stream's session could not be looked at", { error: errorOf(error) });
      hasFailed = true;
    } finally {
      isAsking = false;
    }
  };
}

interface OpenStreams {
  /** The next to look at first. */
  readonly open: Set<OpenStream>;
  /** Null = nobody is looked at. */
  timer: Timer | null;
}

const streamsOf = perServer((): OpenStreams => ({ open: new Set(), timer: null }));

const LOOK_MS = 500; // A file of users is up to 300 ms old, and within a second whoever was removed is out.
const LOOKS_SPREAD = 10; // So that many streams are not looked at all at once, and few do not wake the process more often than they need.

/** Opens the stream. One timer looks which are due: ten thousand timers would cost more than the streams. */
function keepLooking(core: Core, opened: OpenStream, everyMs: number): Set<OpenStream> {
  const streams = streamsOf(core);
  const { open } = streams;
  const lookLater = (): void => {
    const [next] = open;
    const restMs = (next?.dueMs ?? 0) - performance.now();
    streams.timer = next ? setTimeout(look, Math.max(everyMs / LOOKS_SPREAD, restMs)) : null;
  };
  const look = (): void => {
    try {
      for (const stream of open) {
        if (stream.dueMs > performance.now()) break;
        stream.dueMs = performance.now() + everyMs;
        open.delete(stream);
        open.add(stream);
        stream.look();
      }
    } finally {
      lookLater(); // One that throws must not end the looks at the others.
    }
  };
  opened.dueMs = performance.now() + everyMs;
  open.add(opened);
  if (streams.timer === null) lookLater();
  return open;
}
