/**
 * Turns everything that can go wrong with a model call into one AppError whose message is a sentence for a person. What an
 * endpoint says is shown only where it helps (a refused request, an error that it reports), cleaned and short. Programs get its
 * status and its own words as facts.
 */

import { AppError, type ErrorFacts } from "../../errors";

/** A stream that did not end as it should. `detail` is what the endpoint said of it; for `ended`, the word that nobody knows. */
export class StreamFault extends Error {
  /** `late`: nothing came at all; `idle`: nothing more did. */
  readonly kind: "cut" | "late" | "idle" | "malformed" | "reported" | "ended";
  readonly detail: unknown;

  constructor(kind: StreamFault["kind"], options: { detail?: unknown; cause?: unknown } = {}) {
    super(`model stream: ${kind}`, { cause: options.cause });
    this.name = "StreamFault";
    this.kind = kind;
    this.detail = options.detail;
  }
}

export interface Failure {
  readonly error: AppError;
  /** HTTP status, when the endpoint answered with one that is an error. */
  readonly status: number | null;
  /** Whether the same call may succeed a moment later. */
  readonly canRetry: boolean;
}

/** What is told of an endpoint, and what never is. */
interface Named {
  readonly name: string;
  readonly apiKey: string | null;
}

export interface FailureContext {
  readonly endpoint: Named;
  readonly model: string;
  readonly firstTimeoutS: number;
  readonly idleTimeoutS: number;
}

export function toFailure(cause: unknown, context: FailureContext): Failure {
  if (cause instanceof StreamFault) return ofStream(cause, context);
  const status = numberOf(cause, "status");
  if (status !== null) return ofStatus(status, cause, context);
  return {
    error: new AppError("upstream", `The endpoint “${context.endpoint.name}” cannot be reached${whyNot(cause)}.`, {
      cause,
    }),
    status: null,
    canRetry: true,
  };
}

function ofStream(fault: StreamFault, { endpoint, model, firstTimeoutS, idleTimeoutS }: FailureContext): Failure {
  const name = `“${endpoint.name}”`;
  const detail = clean(fault.detail, endpoint);
  const sentences: Record<StreamFault["kind"], string> = {
    cut: `The connection to the endpoint ${name} broke before the reply was complete.`,
    late: `The model ${model} sent nothing for ${firstTimeoutS} seconds, as long as MODEL_FIRST_BYTE_TIMEOUT_S lets it take.`,
    idle: `The model ${model} sent nothing for ${idleTimeoutS} seconds.`,
    malformed: `The endpoint ${name} sent something that is not an answer of a model.`,
    reported: `The endpoint ${name} broke the reply off${detail === "" ? "." : `: ${detail}`}`,
    ended: `The endpoint ${name} ended the reply early${detail === "" || detail === "error" ? "." : `, and says why in one word: ${detail}.`}`,
  };
  const canRetry = fault.kind === "cut" || fault.kind === "reported" || fault.kind === "ended";
  const isSilent = fault.kind === "late" || fault.kind === "idle";
  const facts = { ...statusIn(fault.detail), ...wordsIn(fault.detail, endpoint), ...(isSilent && { isSilent }) };
  return { error: new AppError("upstream", sentences[fault.kind], { cause: fault, facts }), status: null, canRetry };
}

function ofStatus(status: number, cause: unknown, { endpoint, model }: FailureContext): Failure {
  const name = `“${endpoint.name}”`;
  const retryAfterS = retryAfterOf(cause);
  const facts = { status, ...wordsIn(fieldOf(cause, "error"), endpoint) };
  const failure = (message: string, canRetry: boolean): Failure => ({
    error: new AppError("upstream", message, { cause, facts, ...(retryAfterS === undefined ? {} : { retryAfterS }) }),
    status,
    canRetry,
  });
  if (status === 401) return failure(`The endpoint ${name} does not accept the key of this server.`, false);
  if (status === 403)
    return failure(`The endpoint ${name} does not allow this server to use the model ${model}.`, false);
  if (status === 404)
    return failure(`The endpoint ${name} does not have the model ${model}, or its address is wrong.`, false);
  if (status === 413) return failure(`The conversation is too large for the endpoint ${name}.`, false);
  if (status === 429) {
    const when = retryAfterS === undefined ? "a little later" : `in ${inWords(retryAfterS)}`;
    return failure(`The endpoint ${name} takes no more requests at the moment. Try again ${when}.`, true);
  }
  if (status >= 500 || status === 408 || status === 409) {
    return failure(`The endpoint ${name} has a problem of its own (HTTP ${status}). Try again a little later.`, true);
  }
  const detail = clean(fieldOf(cause, "error"), endpoint);
  return failure(
    `The endpoint ${name} refuses the request (HTTP ${status})${detail === "" ? "." : `: ${detail}`}`,
    false,
  );
}

function whyNot(cause: unknown): string {
  const codes = [codeOf(cause), codeOf(fieldOf(cause, "cause"))].join(" ");
  if (/ECONNREFUSED|ConnectionRefused/.test(codes)) return ": nothing answers at its address";
  if (/ECONNRESET|ConnectionClosed/.test(codes)) return ": it closes the connection";
  if (/ENOTFOUND|EAI_AGAIN|DNS/i.test(codes)) return ": its host name is not known";
  if (/CERT|TLS|SSL/i.test(codes)) return ": its certificate is not trusted";
  return "";
}

/** Gateways answer 200 before they know better, and say the status in the stream. */
function statusIn(detail: unknown): ErrorFacts {
  const status = [fieldOf(detail, "status"), fieldOf(detail, "code")].find((it) => Number.isInteger(it));
  return typeof status === "number" && status >= 400 && status < 600 ? { status } : {};
}

function wordsIn(error: unknown, endpoint: Named): ErrorFacts {
  const word = (name: "code" | "type" | "param"): ErrorFacts => {
    const said = fieldOf(error, name);
    return isWord(said, endpoint) ? { [name]: said } : {};
  };
  return { ...word("code"), ...word("type"), ...word("param") };
}

const MAX_WORD = 100; // Characters. The longest seen is the path of a field in a schema.

/** Whether it can go on as it is: short, plain, and nothing of a key in it. */
function isWord(said: unknown, endpoint: Named): said is string {
  if (typeof said !== "string" || said === "" || said.length > MAX_WORD) return false;
  return clean(said, endpoint) === said && !(endpoint.apiKey && said.includes(endpoint.apiKey));
}

const MAX_DETAIL = 300; // Characters: a sentence or two, and never a page.

/** What an endpoint says, fit to be shown: plain text on one line, no markup, nothing that looks like a key. */
function clean(detail: unknown, { apiKey }: Named): string {
  const said = typeof detail === "string" ? detail : fieldOf(detail, "message");
  if (typeof said !== "string") return "";
  const text = (apiKey ? said.slice(0, 10_000).replaceAll(apiKey, "…") : said.slice(0, 10_000))
    .replace(/<[^<>]*>/g, " ")
    .replace(/\b(?:sk|pk|key|api|gsk|xai|hf)[-_][\w*.-]{6,}|\bBearer\s+\S+/gi, "…")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
    .replace(/[\s\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ")
    .trim();
  return text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text;
}

function inWords(seconds: number): string {
  if (seconds < 120) return seconds === 1 ? "1 second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}

/** Seconds or a date; undefined when there is none that makes sense. */
function retryAfterOf(cause: unknown): number | undefined {
  const headers = fieldOf(cause, "headers");
  const text = headers instanceof Headers ? headers.get("retry-after") : null;
  if (text === null) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) && seconds <= 86_400 ? Math.max(1, Math.ceil(seconds)) : undefined;
}

function codeOf(value: unknown): string {
  const code = fieldOf(value, "code");
  return typeof code === "string" ? code : "";
}

function numberOf(value: unknown, field: string): number | null {
  const found = fieldOf(value, field);
  return typeof found === "number" ? found : null;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[field] : undefined;
}
