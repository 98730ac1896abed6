/**
 * A scripted endpoint that speaks Anthropic's Messages API over a real socket, in the order of events that the API has. A
 * script is a queue of answers, one per call; what a test does not script is answered with a short text.
 */

import { startFront } from "./upstream-front";

/** An event of the stream, text of the stream as it is, something to wait for, or the end of the connection. */
export type Piece = StreamEvent | string | Promise<unknown> | { readonly reset: true };

export interface StreamEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}

export type AnthropicAnswer = readonly Piece[] | (() => Response);

export interface AnthropicRequest {
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what was sent is what is being tested.
  readonly body: any;
  /** Resolves when the client went away before it had the whole answer. */
  readonly gone: Promise<void>;
}

export interface Anthropic {
  readonly url: string;
  readonly requests: AnthropicRequest[];
  script(...answers: readonly AnthropicAnswer[]): void;
  /** What GET /v1/models answers; null = an error. */
  models: readonly string[] | null;
  stop(): Promise<void>;
}

export function startAnthropic(apiKey: string): Anthropic {
  const queue: AnthropicAnswer[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      if (request.headers.get("x-api-key") !== apiKey) return refusal(401, "authentication_error", "invalid x-api-key");
      if (request.headers.get("anthropic-version") !== "2023-06-01")
        return refusal(400, "invalid_request_error", "anthropic-version: header is required");
      const { pathname } = new URL(request.url);
      if (pathname === "/v1/models") return listModels(anthropic.models);
      if (pathname !== "/v1/messages") return refusal(404, "not_found_error", "Not found");
      const gone = Promise.withResolvers<void>();
      request.signal.addEventListener("abort", () => gone.resolve());
      // biome-ignore lint/suspicious/noExplicitAny: what was sent is what is being tested.
      const body: any = await request.json();
      anthropic.requests.push({ headers: request.headers, body, gone: gone.promise });
      const wrong = wrongCall(body.messages);
      if (wrong !== null) return refusal(400, "invalid_request_error", wrong);
      const answer = queue.shift() ?? message(text("Hello."));
      if (typeof answer === "function") return answer();
      const reset = () => front.reset(server.requestIP(request)?.port ?? 0);
      return new Response(stream(answer, reset, request.signal), {
        headers: { "content-type": "text/event-stream; charset=utf-8" },
      });
    },
  });
  const front = startFront(server.port ?? 0, 0);
  const anthropic: Anthropic = {
    url: `http://127.0.0.1:${front.port}`,
    requests: [],
    script: (...answers) => void queue.push(...answers),
    models: ["claude-test"],
    async stop() {
      front.stop();
      await server.stop(true);
    },
  };
  return anthropic;
}

/** As the API does: ids of calls are plain and used once, their input is an object, and results are of calls that there were. */
function wrongCall(messages: readonly { readonly content: unknown }[]): string | null {
  const made = new Set<unknown>();
  for (const block of messages.flatMap(({ content }) => (Array.isArray(content) ? content : []))) {
    if (block.type === "tool_result" && !made.has(block.tool_use_id)) return "tool_result: unexpected tool_use_id";
    if (block.type !== "tool_use") continue;
    if (!/^[a-zA-Z0-9_-]+$/.test(block.id)) return "tool_use.id: does not match";
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(block.name)) return "tool_use.name: does not match";
    if (Object.prototype.toString.call(block.input) !== "[object Object]") return "tool_use.input: not a dictionary";
    if (made.has(block.id)) return "tool_use: ids must be unique";
    made.add(block.id);
  }
  return null;
}

function listModels(models: readonly string[] | null): Response {
  if (!models) return refusal(500, "api_error", "Internal server error");
  const data = models.map((id) => ({ type: "model", id, display_name: id, created_at: "2026-01-01T00:00:00Z" }));
  return Response.json({ data, has_more: false, first_id: models[0] ?? null, last_id: models.at(-1) ?? null });
}

export function refusal(status: number, type: string, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ type: "error", error: { type, message }, request_id: "req_1" }, { status, headers });
}

/** Long enough for what was sent before a reset to be read: a reset may overtake it. */
const BEFORE_RESET_MS = 50;

function stream(pieces: readonly Piece[], reset: () => void, signal: AbortSignal): ReadableStream {
  const encoder = new TextEncoder();
  const waiting = pieces[Symbol.iterator]();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = waiting.next();
      if (done) controller.close();
      else if (value instanceof Promise) {
        await value;
        if (!signal.aborted) controller.enqueue(encoder.encode(": waited\n\n"));
      } else if (typeof value === "string") controller.enqueue(encoder.encode(value));
      else if ("reset" in value) {
        await Bun.sleep(BEFORE_RESET_MS);
        reset();
        // The socket is gone; nothing after this can be sent.
        await new Promise<never>(() => {});
      } else controller.enqueue(encoder.encode(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`));
    },
  });
}

/** The events of one content block, all with the index that `message` gives. */
export type BlockPieces = readonly Readonly<Record<string, unknown>>[];

export function text(...pieces: readonly string[]): BlockPieces {
  return [
    { content_block: { type: "text", text: "" } },
    ...pieces.map((it) => ({ delta: { type: "text_delta", text: it } })),
  ];
}

export function thinking(content: string, signature: string): BlockPieces {
  return [
    { content_block: { type: "thinking", thinking: "", signature: "" } },
    { delta: { type: "thinking_delta", thinking: content } },
    { delta: { type: "signature_delta", signature } },
  ];
}

/** The arguments come in pieces of a few characters, the first of them empty. */
export function toolUse(id: string, name: string, json: string): BlockPieces {
  const pieces = ["", ...(json.match(/[\s\S]{1,5}/g) ?? [])];
  return [
    { content_block: { type: "tool_use", id, name, input: {} } },
    ...pieces.map((partial_json) => ({ delta: { type: "input_json_delta", partial_json } })),
  ];
}

export const MESSAGE_START = {
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    content: [],
    stop_reason: null,
    usage: { input_tokens: 10, cache_creation_input_tokens: 20, cache_read_input_tokens: 30, output_tokens: 1 },
  },
};

/** A whole reply. */
export function message(...blocks: readonly BlockPieces[]): Piece[] {
  const isToolUse = blocks.some((block) => JSON.stringify(block).includes('"type":"tool_use"'));
  return [
    MESSAGE_START,
    { type: "ping" },
    ...blocks.flatMap(blockEvents),
    ...ending(isToolUse ? "tool_use" : "end_turn"),
  ];
}

export function blockEvents([start, ...deltas]: BlockPieces, index: number): StreamEvent[] {
  return [
    { type: "content_block_start", index, ...start },
    ...deltas.map((delta) => ({ type: "content_block_delta", index, ...delta })),
    { type: "content_block_stop", index },
  ];
}

export function ending(stop_reason: string): StreamEvent[] {
  const delta = { type: "message_delta", delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 7 } };
  return [delta, { type: "message_stop" }];
}
