/**
 * One call to an endpoint over HTTP that answers with Server-Sent Events, whatever their content. Tries again only before the first event;
 * one timer, set back by whatever brings the reply on, watches over the whole of it, the wait for the headers included. Bytes alone are no
 * sign of life: comments and empty messages come from proxies as well. Plugins get it from `skeleton`.
 */

import { parseJson } from "../../basics/json";
import { pause } from "../../basics/within";
import type { Config, ModelEvent } from "../../protocols";
import { type CallFailure, type Named, StreamFault, toFailure } from "./failure";
import { dueTurn } from "./fairness";
import { readText } from "./read-text";
import { createSseReader, isDone, type SseEvent } from "./sse-reader";

export interface EndpointCall {
  /** For sentences to people. Its key is taken out of what the endpoint says; its address is for administrators. */
  readonly endpoint: Named;
  readonly model: string;
  /** Asked for each try. May reject, best with an Error that has `status`, `headers` and `error`, the body, of the answer. */
  send(signal: AbortSignal): Promise<Response>;
  /** What puts a reply together, anew for each try. */
  createReply(): ReplyReader;
  /** Whether another request shall be tried at once, after an answer with an error status and this body: JSON, or text. */
  canAdapt?(status: number, body: unknown): boolean;
}

/** Puts a model's reply together from the messages of its stream. */
export interface ReplyReader {
  /** What one message (parsed JSON) brings. Throws StreamFault for an error that it reports. */
  push(message: unknown): readonly ModelEvent[];
  /**
   * How much it keeps that no event has told yet, such as the beginning of a call, in whatever unit: when it changes, the reply goes on.
   * Absent = only events count.
   */
  kept?(): number;
  /** Whether the reply is complete, so that a connection that breaks now harms nothing. */
  isFinished(): boolean;
  /** What remains at the end, `finish` included. */
  end(): readonly ModelEvent[];
}

const MAX_RETRY_WAIT_S = 20; // Longer than that a person would rather be told.

/**
 * Throws AppError("upstream") with a sentence for a person; ends without one when `signal` aborts.
 *
 * @example
 * ```ts
 * const endpoint = { name: "notes", apiKey: null };
 * const send = (signal: AbortSignal) => fetchEndpoint("https://notes.example/events", { method: "POST", signal });
 * const createReply = () => {
 *   let isFinished = false;
 *   return {
 *     push(message: unknown) {
 *       const { text, done } = message as { text?: string; done?: boolean };
 *       isFinished = done === true;
 *       return text ? [{ type: "text" as const, text }] : [];
 *     },
 *     isFinished: () => isFinished,
 *     end: () => [{ type: "finish" as const, reason: "stop" as const }],
 *   };
 * };
 * const events = callEndpoint(core.config, { endpoint, model: "notes", send, createReply }, signal);
 * ```
 */
export async function* callEndpoint(
  { modelFirstByteTimeoutS: firstTimeoutS, modelIdleTimeoutS: idleTimeoutS, modelMaxRetries }: Config,
  call: EndpointCall,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const { endpoint, model } = call;
  let retries = 0;
  while (!signal.aborted) {
    let hasStarted = false;
    try {
      for await (const event of attempt(call, { firstTimeoutS, idleTimeoutS }, signal)) {
        hasStarted = true;
        yield event;
      }
      return;
    } catch (error) {
      // An abort breaks the connection, which is no failure: the caller looks at the signal.
      if (signal.aborted) return;
      const failure = toFailure(error, { endpoint, model, firstTimeoutS, idleTimeoutS });
      if (!hasStarted && failure.status !== null && call.canAdapt?.(failure.status, bodyOf(error))) continue;
      if (hasStarted || retries >= modelMaxRetries || !isWorthRetry(failure)) throw failure.error;
      await pause((failure.error.retryAfterS ?? 2 ** retries / 2) * 1000, signal);
      retries++;
    }
  }
}

function bodyOf(refusal: unknown): unknown {
  return (refusal as { readonly error?: unknown }).error;
}

function isWorthRetry({ canRetry, error }: CallFailure): boolean {
  return canRetry && (error.retryAfterS ?? 0) <= MAX_RETRY_WAIT_S;
}

const AFTER_FINISH_MS = 2_000; // For the usage that may follow; some endpoints then leave the connection open.

interface Limits {
  readonly firstTimeoutS: number;
  readonly idleTimeoutS: number;
}

/** Which limit an endpoint is under: the reply has yet to begin, goes on, or is complete. */
type Phase = "late" | "idle" | "finished";

async function* attempt(call: EndpointCall, limits: Limits, signal: AbortSignal): AsyncGenerator<ModelEvent> {
  const connection = new AbortController();
  const reply = call.createReply();
  const limitsMs = { late: limits.firstTimeoutS * 1000, idle: limits.idleTimeoutS * 1000, finished: AFTER_FINISH_MS };
  let phase = "late" as Phase;
  let isSilent = false;
  let isOpen = false;
  const giveUp = () => {
    isSilent = true;
    connection.abort();
  };
  let timer = setTimeout(giveUp, limitsMs.late);
  const onProgress = () => {
    const next = reply.isFinished() ? "finished" : "idle";
    // Messages after the finish do not prolong the wait for them.
    if (next === phase) return phase === "idle" ? void timer.refresh() : undefined;
    phase = next;
    clearTimeout(timer);
    timer = setTimeout(giveUp, limitsMs[phase]);
  };
  const abort = () => connection.abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const response = await call.send(connection.signal);
    if (!response.ok) throw await refusalOf(response);
    isOpen = true;
    yield* readReply(response, reply, onProgress);
    yield* reply.end();
  } catch (error) {
    if (error instanceof StreamFault) throw error;
    const fault = new StreamFault(isSilent && phase !== "finished" ? phase : "cut", { cause: error });
    if (!reply.isFinished()) throw isOpen || isSilent ? fault : error;
    // The finish was there: nothing that matters was still to come.
    yield* reply.end();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    // Also when the reader of the events left early.
    connection.abort();
  }
}

const MAX_REFUSAL_BYTES = 256 * 1024; // Far more than any error: what is read of it is a sentence.

/** An answer with an error status, as `toFailure` knows it. */
async function refusalOf(response: Response): Promise<Error> {
  const { status, headers } = response;
  // One that breaks off in the middle has said enough by its status.
  const text = (await readText(response, MAX_REFUSAL_BYTES).catch(() => null)) ?? "";
  return Object.assign(new Error(`HTTP ${status}`), { status, headers, error: jsonIn(text) ?? text });
}

/** Undefined for a page or a sentence, and for what nests too deep to be an error. */
function jsonIn(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

const MAX_ANSWER_BYTES = 32 * 1024 * 1024; // As for one event of a stream.

async function* readReply(response: Response, reply: ReplyReader, onProgress: () => void): AsyncGenerator<ModelEvent> {
  const { begin, chunks } = await opened(response);
  // An endpoint that does not stream answers at once, with all of it or with an error. Types are claims: how it begins shows what it is.
  if (begin === "{" || begin === "[") return yield* readWhole(chunks, reply);
  const sse = createSseReader();
  let isStream = begin === "";
  let first: Uint8Array | null = null;
  for await (const bytes of chunks) {
    // A page is of a web server or proxy at the wrong address.
    if (begin === "<") throw notStreamed(bytes);
    first ??= bytes;
    const kept = reply.kept?.();
    let hasEvents = false;
    for (const event of sse.push(bytes)) {
      isStream = true;
      if (isDone(event.data)) return;
      for (const message of messagesIn(event, reply)) {
        const events = reply.push(message);
        hasEvents ||= events.length > 0;
        yield* events;
      }
      const turn = dueTurn();
      if (turn) await turn;
    }
    if (hasEvents || reply.kept?.() !== kept || reply.isFinished()) onProgress();
  }
  for (const event of sse.end()) {
    isStream = true;
    if (isDone(event.data)) return;
    for (const message of messagesIn(event, reply)) yield* reply.push(message);
  }
  if (!reply.isFinished()) throw isStream || !first ? new StreamFault("cut") : notStreamed(first);
}

/** Its beginning says what it is: a page has its title there, and a sentence is not long. */
function notStreamed(begin: Uint8Array): StreamFault {
  return new StreamFault("malformed", { detail: Buffer.from(begin).toString("utf8") });
}

interface Opened {
  /** The first character that is no white space; empty = there is none. */
  readonly begin: string;
  /** The whole body. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

async function opened({ body }: Response): Promise<Opened> {
  const rest = body?.[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let begin = "";
  // Some send white space until the answer is ready.
  for (let size = 0; begin === ""; ) {
    const next = await rest?.next();
    if (!next || next.done) break;
    head.push(next.value);
    size += next.value.length;
    if (size > MAX_ANSWER_BYTES) throw new StreamFault("malformed");
    begin = Buffer.from(next.value)
      .toString("latin1")
      .replace(/^\xef\xbb\xbf/, "")
      .trimStart()
      .charAt(0);
  }
  const chunks = async function* () {
    try {
      yield* head;
      for (let next = await rest?.next(); next && !next.done; next = await rest?.next()) yield next.value;
    } finally {
      // Not waited for: a body that hangs must not hold the end.
      rest?.return?.().then(undefined, () => {});
    }
  };
  return { begin, chunks: chunks() };
}

/** JSON, or a line of JSON for each message. */
async function* readWhole(chunks: AsyncIterable<Uint8Array>, reply: ReplyReader): AsyncGenerator<ModelEvent> {
  const text = await readAll(chunks);
  const whole = parsed(text);
  if (whole !== undefined) return yield* reply.push(whole);
  for (const line of text.split("\n")) {
    for (const message of messagesIn({ name: "", data: line }, reply)) yield* reply.push(message);
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new StreamFault("malformed");
    all.push(chunk);
  }
  return Buffer.concat(all).toString("utf8");
}

const PING = /^:?\s*(?:ping|pong|heartbeat|keep-?alive|(?:\w+ )?processing)\W*$/i; // What servers and proxies say to keep a connection open.

/** What an event of the stream says: nothing as a rule for a ping, several things where a server leaves out the blank lines between. */
function messagesIn({ name, data }: SseEvent, reply: ReplyReader): unknown[] {
  const text = data.trim();
  if (text === "" || text === "null" || PING.test(name)) return [];
  const message = parsed(text);
  if (/^(?:error|\w*exception)$/i.test(name))
    throw new StreamFault("reported", { detail: errorIn(message) ?? message ?? text });
  if (message !== undefined) return [message];
  const lines = text.includes("\n") ? text.split("\n").map(parsed) : [];
  if (lines.length > 0 && !lines.includes(undefined)) return lines;
  // What follows the finish is nobody's.
  if (reply.isFinished() || (text.length < PING_MAX && PING.test(text))) return [];
  // Of JSON that was cut no part is a sentence.
  throw new StreamFault("malformed", { detail: /^[[{"]/.test(text) ? null : text });
}

const PING_MAX = 100; // Characters.

function errorIn(message: unknown): unknown {
  return typeof message === "object" && message !== null ? (message as { error?: unknown }).error : undefined;
}

/** Undefined for what is no JSON. Not thrown as the parser does, whose message quotes the text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
