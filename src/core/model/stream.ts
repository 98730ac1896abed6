/**
 * One model call from request to finish. Tries again only before the first event; one timer, set back by every byte,
 * watches over the whole of it, the wait for the headers included.
 */

import type { ChatCompletionCreateParamsStreaming } from "openai/resources/chat/completions";
import type { Config, ModelEvent } from "../../protocols";
import { pause } from "../pause";
import { openStream } from "./client";
import type { Endpoint } from "./endpoint";
import { type Failure, StreamFault, toFailure } from "./failure";
import { dueTurn } from "./fairness";
import { readText } from "./read-text";
import { createReply, type Reply } from "./reply";
import type { Target } from "./request";
import { createSseReader } from "./sse-reader";

export type StreamModel = (
  target: Target,
  request: ChatCompletionCreateParamsStreaming,
  signal: AbortSignal,
) => AsyncGenerator<ModelEvent>;

const MAX_RETRY_WAIT_S = 20; // Longer than that a person would rather be told.

export function createStreamModel(config: Config): StreamModel {
  /** Whether an endpoint takes `stream_options`; absent = not known yet. */
  const takesOptions = new WeakMap<Endpoint, boolean>();

  return async function* streamModel(target, request, signal) {
    const { endpoint, model } = target;
    let withOptions = takesOptions.get(endpoint) ?? true;
    let retries = 0;
    while (!signal.aborted) {
      let hasStarted = false;
      try {
        const body = withOptions ? { ...request, stream_options: { include_usage: true } } : request;
        for await (const event of attempt(endpoint, body, config.modelIdleTimeoutS * 1000, signal)) {
          if (!hasStarted) takesOptions.set(endpoint, withOptions);
          hasStarted = true;
          yield event;
        }
        return;
      } catch (error) {
        // An abort breaks the connection, which is no failure: the caller looks at the signal.
        if (signal.aborted) return;
        const failure = toFailure(error, { endpoint, model, idleTimeoutS: config.modelIdleTimeoutS });
        if (!hasStarted && withOptions && !takesOptions.has(endpoint) && failure.status === 400) withOptions = false;
        else if (hasStarted || retries >= config.modelMaxRetries || !isWorthRetry(failure)) throw failure.error;
        else {
          await pause((failure.error.retryAfterS ?? 2 ** retries / 2) * 1000, signal);
          retries++;
        }
      }
    }
  };
}

function isWorthRetry({ canRetry, error }: Failure): boolean {
  return canRetry && (error.retryAfterS ?? 0) <= MAX_RETRY_WAIT_S;
}

const AFTER_FINISH_MS = 2_000; // For the usage that may follow; some endpoints then leave the connection open.

async function* attempt(
  endpoint: Endpoint,
  body: ChatCompletionCreateParamsStreaming,
  idleMs: number,
  signal: AbortSignal,
): AsyncGenerator<ModelEvent> {
  const connection = new AbortController();
  const reply = createReply();
  let isIdle = false;
  let isOpen = false;
  const giveUp = () => {
    isIdle = true;
    connection.abort();
  };
  let timer = setTimeout(giveUp, idleMs);
  const onBytes = () => {
    if (!reply.isFinished()) return void timer.refresh();
    clearTimeout(timer);
    timer = setTimeout(giveUp, Math.min(idleMs, AFTER_FINISH_MS));
  };
  const abort = () => connection.abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const response = await openStream(endpoint, body, connection.signal);
    isOpen = true;
    yield* readReply(response, reply, onBytes);
    yield* reply.end();
  } catch (error) {
    if (error instanceof StreamFault) throw error;
    const fault = new StreamFault(isIdle ? "idle" : "cut", { cause: error });
    if (!reply.isFinished()) throw isOpen || isIdle ? fault : error;
    // The finish_reason was there: nothing that matters was still to come.
    yield* reply.end();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    // Also when the reader of the events left early.
    connection.abort();
  }
}

async function* readReply(response: Response, reply: Reply, onBytes: () => void): AsyncGenerator<ModelEvent> {
  if (isJson(response)) {
    // An endpoint that does not stream answers at once, with all of it or with an error.
    yield* reply.push(parse((await readText(response, MAX_ANSWER_BYTES)) ?? ""));
    return;
  }
  const sse = createSseReader();
  for await (const bytes of response.body ?? []) {
    for (const data of sse.push(bytes)) {
      if (data === DONE) return;
      yield* reply.push(parse(data));
      const turn = dueTurn();
      if (turn) await turn;
    }
    onBytes();
  }
  for (const data of sse.end()) {
    if (data === DONE) return;
    yield* reply.push(parse(data));
  }
  if (!reply.isFinished()) throw new StreamFault(isHtml(response) ? "malformed" : "cut");
}

const MAX_ANSWER_BYTES = 32 * 1024 * 1024; // As for one event of a stream.

function isJson(response: Response): boolean {
  return /^application\/json\b/i.test(response.headers.get("content-type") ?? "");
}

/** Of a web server or proxy at the wrong address. */
function isHtml(response: Response): boolean {
  return /^text\/html\b/i.test(response.headers.get("content-type") ?? "");
}

const DONE = "[DONE]";

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    // Not as the cause: the parser's message quotes the text.
    throw new StreamFault("malformed");
  }
}
