/**
 * One call to an endpoint over HTTP that answers with Server-Sent Events, whatever their content. Tries again only before the first event;
 * one timer, set back by whatever brings the reply on, watches over the whole of it, the wait for the headers included. Bytes alone are no
 * sign of life: comments and empty messages come from proxies as well. Plugins get it from `skeleton`.
 */

import { fieldOf } from "../../basics/json";
import { pause } from "../../basics/within";
import type { Config, ModelEvent } from "../../protocols";
import { type Named, refusalOf, StreamFault, toFailure } from "./failure";

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
   * How much it has taken in, told or not, such as the beginning of a call, in whatever unit: when it changes, the reply goes on.
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
  config: Config,
  call: EndpointCall,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const { modelFirstByteTimeoutS: firstTimeoutS, modelIdleTimeoutS: idleTimeoutS, modelMaxRetries } = config;
  const { endpoint, model } = call;
  let retries = 0;
  while (!signal.aborted) {
    let hasStarted = false;
    try {
      for await (const events of attempt(call, { firstTimeoutS, idleTimeoutS }, signal)) {
        for (const event of events) {
          hasStarted = true;
          yield event;
          const tick = dueTick();
          if (tick) await tick;
        }
      }
      return;
    } catch (error) {
      // An abort breaks the connection, which is no failure: the caller looks at the signal.
      if (signal.aborted) return;
      const failure = toFailure(error, { endpoint, model, firstTimeoutS, idleTimeoutS });
      if (!hasStarted && failure.status !== null && call.canAdapt?.(failure.status, fieldOf(error, "error"))) continue;
      const { retryAfterS } = failure.error;
      const canRetry = failure.canRetry && !hasStarted && retries < modelMaxRetries;
      if (!canRetry || (retryAfterS ?? 0) > MAX_RETRY_WAIT_S) throw failure.error;
      await pause((retryAfterS ?? 2 ** retries / 2) * 1000, signal);
      retries++;
    }
  }
}

const LOOP_MS = 4; // As long as followers wait for what one tick brings together.

let nextTick: Promise<void> | null = null;
let sinceMs = 0;

/**
 * The next tick of the event loop, which each stream has to await before it reads more when the last tick is LOOP_MS ago; else null. A
 * body whose next bytes are always ready is read within one tick, and meanwhile no timer, no follower and no other request gets its turn.
 */
function dueTick(): Promise<void> | null {
  const nowMs = performance.now();
  if (nextTick === null) {
    sinceMs = nowMs;
    nextTick = new Promise((resolve) =>
      setImmediate(() => {
        nextTick = null;
        resolve();
      }),
    );
  }
  return nowMs - sinceMs > LOOP_MS ? nextTick : null;
}

const AFTER_FINISH_MS = 2_000; // For the usage that may follow; some endpoints then leave the connection open.

/** Which limit an endpoint is under: the reply has yet to begin, goes on, or is complete. */
type Phase = "late" | "idle" | "finished";

type BodyChunks = Pick<ReadableStreamDefaultReader<Uint8Array>, "read" | "cancel">;

/** One try. Gives the events of one chunk of the body at a time; the next chunk is asked for when they are read. */
async function* attempt(
  call: EndpointCall,
  { firstTimeoutS, idleTimeoutS }: { readonly firstTimeoutS: number; readonly idleTimeoutS: number },
  signal: AbortSignal,
): AsyncGenerator<readonly ModelEvent[]> {
  const connection = new AbortController();
  signal.addEventListener("abort", () => connection.abort(), { signal: connection.signal });
  const reply = call.createReply();
  const body = createBodyReader(reply);
  const limitsMs = { late: firstTimeoutS * 1000, idle: idleTimeoutS * 1000, finished: AFTER_FINISH_MS };
  const silence = limitSilence(connection, limitsMs);
  let isOpen = false;
  let chunks: BodyChunks | undefined;
  try {
    const response = await call.send(connection.signal);
    if (!response.ok) throw await refusalOf(response);
    isOpen = true;
    chunks = response.body?.getReader();
    for (let hasMore = true; hasMore; ) {
      const next = await chunks?.read();
      const kept = reply.kept?.();
      const events: ModelEvent[] = [];
      try {
        hasMore = next?.value ? body.push(next.value, events) : body.end(events);
      } finally {
        // Also what came before a fault.
        if (events.length > 0) yield events;
      }
      if (reply.isFinished()) silence.enter("finished");
      else if (events.length > 0 || reply.kept?.() !== kept) silence.enter("idle");
    }
    yield reply.end();
  } catch (error) {
    const ended = silence.ended();
    if (error instanceof StreamFault || (!isOpen && ended === null)) throw error;
    // The finish was there: nothing that matters was still to come.
    if (reply.isFinished()) yield reply.end();
    else throw new StreamFault(ended === null || ended === "finished" ? "cut" : ended, { cause: error });
  } finally {
    silence.leave();
    // Also when the reader of the events left early. Not waited for: a body that hangs must not hold the end.
    chunks?.cancel().catch(() => {});
    connection.abort();
  }
}

/** Aborts the connection when the endpoint says nothing for longer than its phase allows. */
function limitSilence(connection: AbortController, limitsMs: Readonly<Record<Phase, number>>) {
  let phase: Phase = "late";
  let isOver = false;
  const giveUp = () => {
    isOver = true;
    connection.abort();
  };
  let timer = setTimeout(giveUp, limitsMs.late);
  return {
    enter(next: Phase): void {
      if (next !== phase) {
        phase = next;
        clearTimeout(timer);
        timer = setTimeout(giveUp, limitsMs[next]);
        // Messages after the finish do not prolong the wait for them.
      } else if (next === "idle") timer.refresh();
    },
    /** The phase whose limit ended the connection; null = none has. */
    ended: (): Phase | null => (isOver ? phase : null),
    leave: () => clearTimeout(timer),
  };
}

const MAX_ANSWER_BYTES = 32 * 1024 * 1024; // As for one event of a stream.

/**
 * Adds to `events` what an answer brings, and gives whether more may follow. An endpoint that does not stream sends JSON, or an error. Types are
 * claims: how it begins shows what it is.
 */
function createBodyReader(reply: ReplyReader) {
  const sse = createSseReader();
  /** The first character that is no white space; empty = none yet. Some send white space until the answer is ready. */
  let begin = "";
  /** Of an answer that is no stream all, of another one the beginning. */
  const kept: Uint8Array[] = [];
  let [size, isStream] = [0, false];

  const readStream = (read: readonly SseEvent[], events: ModelEvent[]): boolean => {
    for (const event of read) {
      isStream = true;
      if (isDone(event.data)) return false;
      for (const message of messagesIn(event, reply)) events.push(...reply.push(message));
    }
    return true;
  };

  return {
    push(bytes: Uint8Array, events: ModelEvent[]): boolean {
      begin ||= beginOf(bytes);
      // A page is of a web server or proxy at the wrong address.
      if (begin === "<") throw notStreamed(bytes);
      const isJson = JSON_BEGINS.has(begin);
      if (isJson || kept.length === 0) kept.push(bytes);
      if (!isJson) return readStream(sse.push(bytes), events);
      size += bytes.length;
      if (size > MAX_ANSWER_BYTES) throw new StreamFault("malformed");
      return true;
    },
    /** What the end of the body completes. Throws StreamFault where the reply is not complete. */
    end(events: ModelEvent[]): boolean {
      if (JSON_BEGINS.has(begin)) {
        const text = Buffer.concat(kept).toString("utf8");
        // One message, or a line for each.
        const messages = parsed(text) === undefined ? text.split("\n") : [text];
        const whole = messages.map((data) => ({ name: "", data }));
        readStream(whole, events);
      } else if (readStream(sse.end(), events) && !reply.isFinished()) {
        throw isStream || begin === "" ? new StreamFault("cut") : notStreamed(kept[0]);
      }
      return false;
    },
  };
}

const JSON_BEGINS = new Set(["{", "["]);

function beginOf(bytes: Uint8Array): string {
  const [begin = ""] = new TextDecoder().decode(bytes).trimStart();
  return begin;
}

/** Its beginning says what it is: a page has its title there, and a sentence is not long. */
function notStreamed(begin: Uint8Array = new Uint8Array()): StreamFault {
  return new StreamFault("malformed", { detail: Buffer.from(begin).toString("utf8") });
}

const PING = /^:?\s*(?:ping|pong|heartbeat|keep-?alive|(?:\w+ )?processing)\W*$/i; // What servers and proxies say to keep a connection open.

/** What an event of the stream says: nothing as a rule for a ping, several things where a server leaves out the blank lines between. */
function messagesIn({ name, data }: SseEvent, reply: ReplyReader): unknown[] {
  const text = data.trim();
  if (text === "" || text === "null" || PING.test(name)) return [];
  const message = parsed(text);
  if (/^(?:error|\w*exception)$/i.test(name))
    throw new StreamFault("reported", { detail: fieldOf(message, "error") ?? message ?? text });
  if (message !== undefined) return [message];
  const lines = text.includes("\n") ? text.split("\n").map(parsed) : [];
  if (lines.length > 0 && !lines.includes(undefined)) return lines;
  // What follows the finish is nobody's.
  if (reply.isFinished() || (text.length < PING_MAX && PING.test(text))) return [];
  // Of JSON that was cut no part is a sentence.
  throw new StreamFault("malformed", { detail: /^[[{"]/.test(text) ? null : text });
}

const PING_MAX = 100; // Characters.

/** Undefined for what is no JSON. Not thrown as the parser does, whose message quotes the text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface SseEvent {
  /** Of its line `event:`; empty = it has none. */
  readonly name: string;
  readonly data: string;
}

/** What a line of data says, without the name of its field. */
function valueIn(line: string): string {
  if (!line.startsWith("data:")) return line;
  return line.slice(line[5] === " " ? 6 : 5);
}

function isDone(data: string): boolean {
  return /^\s*\[DONE\]\s*$/i.test(data);
}

const MAX_EVENT_CHARACTERS = 32 * 1024 * 1024; // Ten times the longest event seen; without a bound one line could fill the memory.

/**
 * Reads Server-Sent Events: bytes in, the `data` of each event out. Linear in the length of a line, however many reads bring it. A CR alone
 * does not end a line here: no endpoint writes that.
 */
export function createSseReader() {
  const decoder = new TextDecoder();
  /** The line that has no end yet. */
  let unfinished = "";
  let size = 0;
  let data: string[] = [];
  let name = "";

  const endEvent = (events: SseEvent[]): void => {
    if (data.length > 0) events.push({ name, data: data.join("\n") });
    data = [];
    name = "";
    size = 0;
  };

  const takeLine = (line: string, events: SseEvent[]): void => {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text === "") endEvent(events);
    else if (text.startsWith("event:")) name = text.slice(6).trim();
    else if (text.startsWith("error:")) events.push({ name: "error", data: text.slice(6).trim() });
    else if (text.startsWith("data:")) {
      // A proxy that wraps a stream in another one writes the field twice.
      const value = valueIn(valueIn(text));
      // A server that leaves the blank line out: no JSON goes on so.
      if (data.at(-1)?.endsWith("}") && (value.startsWith("{") || isDone(value))) endEvent(events);
      data.push(value);
    }
  };

  return {
    /** The events that are complete with these bytes. Throws StreamFault for an event of absurd size. */
    push(bytes: Uint8Array): SseEvent[] {
      const text = decoder.decode(bytes, { stream: true });
      size += text.length;
      if (size > MAX_EVENT_CHARACTERS) throw new StreamFault("malformed");
      const events: SseEvent[] = [];
      let from = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
        takeLine(unfinished + text.slice(from, end), events);
        unfinished = "";
        from = end + 1;
      }
      unfinished += text.slice(from);
      return events;
    },
    /** What the end of the body completes: an event without its blank line. A line without its end was cut, unless it says `[DONE]`. */
    end(): SseEvent[] {
      const events: SseEvent[] = [];
      const line = unfinished.trim();
      const isEnd = line.startsWith("data:") && isDone(line.slice(5));
      for (const last of isEnd ? ["", line, ""] : [""]) takeLine(last, events);
      return events;
    },
  };
}
