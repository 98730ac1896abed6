/**
 * A scripted OpenAI-compatible endpoint over real HTTP: the one thing that tests fake, because it is outside the machine.
 * A script is a queue of answers (upstream-answers.ts), one per model call; gates in an answer let a test hold the stream at
 * any point. Also a process of its own, for benchmarks and for trying the server by hand:
 *
 *     bun test/support/upstream.ts --port 9000 --rate 20 --tokens 500
 */

import type { Server } from "bun";
import {
  type Answer,
  FAULTS,
  type HttpAnswer,
  type Part,
  type Reply,
  reply,
  type UpstreamUsage,
} from "./upstream-answers";
import { type Front, startFront } from "./upstream-front";
import { refusalOf } from "./upstream-strict";

export * from "./upstream-answers";

export interface Upstream {
  /** Ends in `/v1`, as in `OPENAI_BASE_URL`. */
  readonly baseUrl: string;
  /** Model calls, in order of arrival. */
  readonly requests: readonly UpstreamRequest[];
  /** How often the list of models was asked for. */
  readonly listRequests: number;
  /** The n-th model call (from 1), as soon as it has arrived. */
  request(n: number): Promise<UpstreamRequest>;
  /** Answers to the next calls, one each. */
  script(...answers: readonly (Answer | AnswerFor)[]): void;
  /** Answers every call that has no answer of its own; at first a short text. */
  otherwise(answer: Answer | AnswerFor): void;
  /** What `GET /v1/models` gives from now on: ids, or an answer such as `httpError(500, "…")`. */
  models(models: readonly string[] | HttpAnswer | (() => Promise<readonly string[] | HttpAnswer>)): void;
  stop(): Promise<void>;
}

export type AnswerFor = (body: UpstreamBody) => Answer | Promise<Answer>;

export interface UpstreamRequest {
  readonly headers: Headers;
  readonly body: UpstreamBody;
  /** Resolves when the client went away before it had the whole answer. */
  readonly gone: Promise<void>;
  /** Resolves when all that the script says was sent. */
  readonly sent: Promise<void>;
}

/** The parts of a request that tests look at. */
export interface UpstreamBody {
  readonly model: string;
  readonly messages: readonly UpstreamMessage[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly tools?: readonly { readonly type: string; readonly function: Readonly<Record<string, unknown>> }[];
  readonly [parameter: string]: unknown;
}

export interface UpstreamMessage {
  readonly role: string;
  readonly content: string | null | readonly Readonly<Record<string, unknown>>[];
  readonly tool_calls?: readonly { id: string; type: string; function: { name: string; arguments: string } }[];
  readonly tool_call_id?: string;
}

export interface UpstreamOptions {
  /** Default: any free one. */
  readonly port?: number;
  readonly models?: readonly string[];
  /** Calls without this key get 401. */
  readonly apiKey?: string;
  /** False = no relay in front (upstream-front.ts): faster, and a `reset` is not possible. */
  readonly canReset?: boolean;
}

export function startUpstream(options: UpstreamOptions = {}): Upstream {
  const state = createState(options);
  const canReset = options.canReset ?? true;
  const server: Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: canReset ? 0 : (options.port ?? 0),
    idleTimeout: 0,
    fetch: (request) => handle(request, state, () => front?.reset(server.requestIP(request)?.port ?? 0)),
  });
  const front: Front | null = canReset ? startFront(server.port ?? 0, options.port ?? 0) : null;
  return {
    baseUrl: `http://127.0.0.1:${front?.port ?? server.port}/v1`,
    requests: state.requests,
    get listRequests() {
      return state.listRequests;
    },
    request: (n) => arrival(state, n),
    script: (...answers) => void state.queue.push(...answers),
    otherwise(answer) {
      state.fallback = answer;
    },
    models(models) {
      state.models = models;
    },
    async stop() {
      front?.stop();
      await server.stop(true);
    },
  };
}

interface State {
  readonly apiKey: string | undefined;
  readonly requests: UpstreamRequest[];
  readonly arrivals: { readonly n: number; resolve(request: UpstreamRequest): void }[];
  readonly queue: (Answer | AnswerFor)[];
  fallback: Answer | AnswerFor;
  models: readonly string[] | HttpAnswer | (() => Promise<readonly string[] | HttpAnswer>);
  listRequests: number;
}

function createState(options: UpstreamOptions): State {
  return {
    apiKey: options.apiKey,
    requests: [],
    arrivals: [],
    queue: [],
    fallback: reply("Hello from the scripted model."),
    models: options.models ?? ["test-model"],
    listRequests: 0,
  };
}

function arrival(state: State, n: number): Promise<UpstreamRequest> {
  const { promise, resolve } = Promise.withResolvers<UpstreamRequest>();
  const arrived = state.requests[n - 1];
  if (arrived) resolve(arrived);
  else state.arrivals.push({ n, resolve });
  return promise;
}

async function handle(request: Request, state: State, reset: () => void): Promise<Response> {
  const path = new URL(request.url).pathname;
  if (state.apiKey !== undefined && request.headers.get("authorization") !== `Bearer ${state.apiKey}`) {
    return toResponse(FAULTS.unauthorized);
  }
  if (path === "/v1/models") return listModels(state);
  if (path !== "/v1/chat/completions" || request.method !== "POST")
    return toResponse({ status: 404, body: "not found" });

  const body = (await request.json()) as UpstreamBody;
  const gone = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<void>();
  request.signal.addEventListener("abort", () => gone.resolve());
  const arrived = { headers: request.headers, body, gone: gone.promise, sent: sent.promise };
  const n = state.requests.push(arrived);
  for (const arrival of state.arrivals) if (arrival.n === n) arrival.resolve(arrived);

  const refusal = refusalOf(body.messages);
  if (refusal) return toResponse(refusal);
  const next = state.queue.shift() ?? state.fallback;
  const answer = typeof next === "function" ? await next(body) : next;
  if (!("parts" in answer)) {
    sent.resolve();
    return toResponse(answer);
  }
  return new Response(stream(chunks(answer, body, reset), sent.resolve, request.signal), { headers: STREAM_HEADERS });
}

const STREAM_HEADERS = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };

async function listModels(state: State): Promise<Response> {
  state.listRequests++;
  const models = typeof state.models === "function" ? await state.models() : state.models;
  if ("status" in models) return toResponse(models);
  return Response.json({
    object: "list",
    data: models.map((id) => ({ id, object: "model", created: 0, owned_by: "test" })),
  });
}

function toResponse({ status, body, headers }: HttpAnswer): Response {
  const init = { status, headers: { ...headers } };
  return typeof body === "string" ? new Response(body, init) : Response.json(body, init);
}

/** The headers go out with the first chunk: an answer that waits before it gives the client no byte at all. */
function stream(chunks: AsyncGenerator<string | Uint8Array>, sent: () => void, signal: AbortSignal): ReadableStream {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const next = await chunks.next();
      if (signal.aborted) return;
      if (next.done) {
        sent();
        controller.close();
      } else controller.enqueue(typeof next.value === "string" ? encoder.encode(next.value) : next.value);
    },
  });
}

const USAGE: UpstreamUsage = { prompt_tokens: 11, completion_tokens: 7 };

async function* chunks(answer: Reply, body: UpstreamBody, reset: () => void): AsyncGenerator<string | Uint8Array> {
  const wantsUsage = body.stream_options?.include_usage === true && answer.usage !== null;
  const { prompt_tokens, completion_tokens } = answer.usage ?? USAGE;
  const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  const usageIn = wantsUsage ? (answer.usageIn ?? "last") : null;
  const common = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 0, model: body.model };
  const chunk = (delta: object, finish: string | null): string =>
    line({
      ...common,
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...(usageIn === "every" || (usageIn === "finish" && finish !== null) ? { usage } : {}),
    });

  let hasToolCalls = false;
  for await (const part of answer.parts) {
    if (typeof part === "object" && "wait" in part) await part.wait;
    else if (typeof part === "object" && "pauseMs" in part) await Bun.sleep(part.pauseMs);
    else if (typeof part === "object" && "reset" in part) {
      reset();
      // The socket is gone; nothing after this can be sent.
      await new Promise<never>(() => {});
    } else if (typeof part === "object" && "raw" in part) yield part.raw;
    else if (typeof part === "object" && "chunk" in part) yield line({ ...common, ...part.chunk });
    else {
      hasToolCalls ||= typeof part === "object" && "delta" in part && "tool_calls" in part.delta;
      yield chunk(toDelta(part), null);
    }
  }
  const finish = answer.finish === undefined ? (hasToolCalls ? "tool_calls" : "stop") : answer.finish;
  if (finish !== null) yield chunk({}, finish);
  if (usageIn === "last") yield line({ ...common, choices: [], usage });
  if (answer.done ?? true) yield "data: [DONE]\n\n";
}

function line(chunk: object): string {
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

function toDelta(
  part: Extract<Part, string | { reasoning: string } | { reasoningContent: string } | { delta: object }>,
) {
  if (typeof part === "string") return { content: part };
  if ("reasoning" in part) return { reasoning: part.reasoning };
  if ("reasoningContent" in part) return { reasoning_content: part.reasoningContent };
  return part.delta;
}

if (import.meta.main) {
  const { serve } = await import("./upstream-process");
  serve(process.argv.slice(2));
}
