/**
 * What the scripted upstream can answer: pieces of an ordinary reply, and every fault that a real endpoint was seen to
 * have. Plain data, so that a test reads as the conversation that it is about.
 */

export type Answer = Reply | HttpAnswer;

/** A stream of chunks, sent in order. */
export interface Reply {
  readonly parts: readonly Part[] | AsyncIterable<Part>;
  /** Default `stop`, or `tool_calls` when there are any; null = a stream without finish_reason. */
  readonly finish?: string | null;
  /** Whether `[DONE]` comes last; default true. */
  readonly done?: boolean;
  /** Sent when the request asks for it; null = never. */
  readonly usage?: UpstreamUsage | null;
  /** `last`: in a chunk of its own, as OpenAI does. `finish`: with finish_reason. `every`: in each chunk. Default `last`. */
  readonly usageIn?: "last" | "finish" | "every";
}

export type Part =
  /** Text. */
  | string
  | { readonly reasoning: string }
  | { readonly reasoningContent: string }
  /** A delta as it is: tool calls in pieces, both kinds of text in one, anything odd. */
  | { readonly delta: object }
  /** A chunk as it is, in the place of one with a choice. */
  | { readonly chunk: object }
  /** Bytes of the stream as they are. */
  | { readonly raw: string | Uint8Array }
  /** The rest is sent when it resolves. */
  | { readonly wait: PromiseLike<unknown> }
  | { readonly pauseMs: number }
  /** The connection is reset. */
  | { readonly reset: true };

export interface UpstreamUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string | object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A text reply, streamed word by word. */
export function reply(text: string): Reply & { readonly parts: readonly Part[] } {
  return { parts: text.match(/\s*\S+\s*$|\s*\S+/g) ?? [] };
}

/** The deltas of one tool call: the name first, then the arguments in pieces of `size` characters. */
export function toolCall(name: string, args: object | string, options: ToolCallOptions = {}): Part[] {
  const { index = 0, id = `call_${index}`, size = 8 } = options;
  const text = typeof args === "string" ? args : JSON.stringify(args);
  const first = { index, ...(id === null ? {} : { id }), type: "function", function: { name, arguments: "" } };
  const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
  const rest = pieces.map((piece) => ({ index, function: { arguments: piece } }));
  return [first, ...rest].map((call) => ({ delta: { tool_calls: [call] } }));
}

export interface ToolCallOptions {
  readonly index?: number;
  /** Null = the endpoint gives none. */
  readonly id?: string | null;
  readonly size?: number;
}

/** Several calls whose deltas arrive in turns. */
export function interleave(...calls: readonly Part[][]): Part[] {
  const length = Math.max(...calls.map((call) => call.length));
  return Array.from({ length }, (_, at) => calls.flatMap((call) => call[at] ?? [])).flat();
}

export function httpError(status: number, message: string, headers: Record<string, string> = {}): HttpAnswer {
  return { status, body: { error: { message, type: "error", code: null } }, headers };
}

/** A promise that the test resolves: `{ wait: gate.opened }` … `gate.open()`. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** A port that nobody listens on. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

/** The address of an endpoint that nobody listens on. */
export function deadUrl(): string {
  return `http://127.0.0.1:${freePort()}/v1`;
}

/** Has a proxy in the environment that does not answer. `near` is an address of this machine that does. */
export async function behindDeadProxy(near: string, run: () => Promise<unknown>): Promise<void> {
  const before = process.env.HTTP_PROXY;
  process.env.HTTP_PROXY = deadUrl();
  try {
    // Without that it would be no test: the variable does count.
    const isReached = await fetch(near).then(Boolean, () => false);
    if (isReached) throw new Error("The proxy of the environment is not asked for addresses of this machine.");
    await run();
  } finally {
    if (before === undefined) delete process.env.HTTP_PROXY;
    else process.env.HTTP_PROXY = before;
  }
}

const NEVER = new Promise<never>(() => {});
/** Long enough for what was sent before a reset to be read: a reset may overtake it. */
const BEFORE_RESET_MS = 50;
const LONG_TEXT = "0123456789abcdef".repeat((3 * 1024 * 1024) / 16);

/** By name, for tables of tests; with the process, a message `fault:NAME` gets it. A refused connection is `deadUrl()`. */
export const FAULTS = {
  unauthorized: httpError(401, "Incorrect API key provided: sk-secret-1234."),
  forbidden: httpError(403, "You are not allowed to use this model."),
  notFound: httpError(404, "The model `none` does not exist."),
  badRequest: httpError(400, "temperature must be at most 2"),
  rateLimited: httpError(429, "Rate limit reached.", { "retry-after": "7" }),
  serverError: httpError(500, "The server had an error."),
  badGateway: {
    status: 502,
    headers: { "content-type": "text/html" },
    body: "<html><body><h1>502 Bad Gateway</h1><script>alert(1)</script></body></html>",
  },
  cutAtOnce: { parts: [{ reset: true }] },
  cut: { parts: ["Half of ", "the ", { pauseMs: BEFORE_RESET_MS }, { reset: true }] },
  hang: { parts: [{ wait: NEVER }] },
  hangAfterText: { parts: ["Half of ", { wait: NEVER }] },
  malformedChunk: { parts: ["Half of ", { raw: 'data: {"choices":[{"delta":{"content":"a secr\n\n' }] },
  errorInStream: { parts: ["Half of ", { chunk: { error: { message: "The engine is overloaded.", code: 503 } } }] },
  longLine: { parts: [LONG_TEXT] },
  doneWithoutFinish: { parts: ["All of it."], finish: null },
  finishWithoutDone: { parts: ["All of it."], done: false },
  endWithNeither: { parts: ["Half of "], finish: null, done: false },
  emptyReply: { parts: [] },
  emptyBody: { parts: [], finish: null, done: false },
  brokenToolCall: { parts: toolCall("clock", '{"zone": "Eu') },
  unknownTool: { parts: toolCall("no_such_tool", { a: 1 }) },
} satisfies Readonly<Record<string, Answer>>;

export type FaultName = keyof typeof FAULTS;
