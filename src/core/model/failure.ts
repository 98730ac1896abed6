/**
 * Turns everything that can go wrong with a model call into one AppError whose message is a sentence for a person. What an
 * endpoint says of it is shown too (endpoint-words.ts). Programs get its status and its own words as facts, the administrator its
 * name and address.
 */

import { AppError, type ErrorFacts } from "../../basics/errors";
import { parseJson } from "../../basics/json";
import { endpointWords, withoutKeys } from "./endpoint-words";

/**
 * A stream that did not end as it should. `detail` is what the endpoint said of it; for `ended`, the word that nobody knows.
 *
 * @example
 * ```ts
 * function push(message: { error?: unknown }) {
 *   if (message.error) throw new StreamFault("reported", { detail: message.error });
 * }
 * ```
 */
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

export interface CallFailure {
  readonly error: AppError;
  /** HTTP status, when the endpoint answered with one that is an error. */
  readonly status: number | null;
  /** Whether the same call may succeed a moment later. */
  readonly canRetry: boolean;
}

/** What is told of an endpoint, and what never is. */
export interface Named {
  readonly name: string;
  readonly apiKey: string | null;
  /** Other keys that it may say. */
  readonly secrets?: readonly string[];
  /** For the administrator alone; absent = not known. */
  readonly address?: string;
}

export interface FailureContext {
  readonly endpoint: Named;
  readonly model: string;
  readonly firstTimeoutS: number;
  readonly idleTimeoutS: number;
}

const MAX_REFUSAL_BYTES = 256 * 1024; // Far more than any error: what is read of it is a sentence.

/** An answer with an error status, as `toFailure` knows it. */
export async function refusalOf(response: Response): Promise<Error> {
  const { status, headers } = response;
  // One that breaks off in the middle has said enough by its status.
  const error = await readJson(response, MAX_REFUSAL_BYTES).catch(() => "");
  return Object.assign(new Error(`HTTP ${status}`), { status, headers, error });
}

/** What a response says: JSON, or its text where that is none, or nests too deep. Empty when it has more than `maxBytes`: the rest is not fetched. */
export async function readJson({ body }: Response, maxBytes: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    // Leaving the loop cancels the body.
    if (size > maxBytes) return "";
    chunks.push(chunk);
  }
  const text = new TextDecoder().decode(Buffer.concat(chunks));
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

export function toFailure(cause: unknown, context: FailureContext): CallFailure {
  if (cause instanceof StreamFault) return ofStream(cause, context);
  const status = numberOf(cause, "status");
  if (status !== null) return ofStatus(status, cause, context);
  const message = `The endpoint “${context.endpoint.name}” cannot be reached${whyNot(cause)}.`;
  const facts = endpointFacts(context.endpoint);
  return { error: new AppError("upstream", message, { cause, facts }), status: null, canRetry: true };
}

/** Why an endpoint's list of models is not there, for the administrator. */
export function listSentence(cause: unknown, endpoint: Named): string {
  const { address = "" } = endpointFacts(endpoint);
  const subject = `The endpoint “${endpoint.name}”${address === "" ? "" : ` (${address})`}`;
  const status = numberOf(cause, "status");
  const body = fieldOf(cause, "error");
  const words = wordsOf(body, endpoint);
  const says = words === "" ? "" : ` It says: ${words}`;
  if (status === 401 || status === 403)
    return `${subject} does not accept the key of this server (HTTP ${status}).${says}`;
  if (status === 404 || status === 405)
    return `${subject} has no list of models (HTTP ${status}). Its address is wrong, or its models have to be named.${says}`;
  if (status !== null) return `${subject} gives no list of models (HTTP ${status}).${says}`;
  if (body !== undefined) return `${subject} answers with something that is not a list of models.${says}`;
  if (fieldOf(cause, "name") === "TimeoutError") return `${subject} does not answer in time.`;
  return `${subject} cannot be reached${whyNot(cause)}.`;
}

function endpointFacts({ name, address }: Named): ErrorFacts {
  return { endpoint: name, ...(address !== undefined && { address: withoutSecrets(address) }) };
}

function wordsOf(said: unknown, { apiKey, secrets = [] }: Named): string {
  return secrets.reduce(withoutKeys, endpointWords(said, apiKey));
}

/** An address may hold a password or a key. */
function withoutSecrets(address: string): string {
  const url = URL.parse(address);
  return url ? url.origin + url.pathname : "";
}

function ofStream(fault: StreamFault, { endpoint, model, firstTimeoutS, idleTimeoutS }: FailureContext): CallFailure {
  const name = `“${endpoint.name}”`;
  const words = wordsOf(fault.detail, endpoint);
  const sentences: Record<StreamFault["kind"], string> = {
    cut: `The connection to the endpoint ${name} broke before the reply was complete.`,
    late: `The model ${model} sent nothing for ${firstTimeoutS} seconds, as long as MODEL_FIRST_BYTE_TIMEOUT_S lets it take.`,
    idle: `The model ${model} sent nothing more for ${idleTimeoutS} seconds, as long as MODEL_IDLE_TIMEOUT_S lets it pause.`,
    malformed: `The endpoint ${name} sent something that is not an answer of a model${words === "" ? "." : `: ${words}`}`,
    reported: `The endpoint ${name} broke the reply off${words === "" ? "." : `: ${words}`}`,
    ended: `The endpoint ${name} ended the reply early${words === "" || words === "error" ? "." : `, and says why in one word: ${words}.`}`,
  };
  const canRetry = fault.kind === "cut" || fault.kind === "reported" || fault.kind === "ended";
  const isSilent = fault.kind === "late" || fault.kind === "idle";
  const facts = {
    ...endpointFacts(endpoint),
    ...statusIn(fault.detail),
    ...wordsIn(fault.detail, endpoint),
    ...(isSilent && { isSilent }),
  };
  return { error: new AppError("upstream", sentences[fault.kind], { cause: fault, facts }), status: null, canRetry };
}

function ofStatus(status: number, cause: unknown, { endpoint, model }: FailureContext): CallFailure {
  const name = `“${endpoint.name}”`;
  const retryAfterS = retryAfterOf(cause);
  const body = fieldOf(cause, "error");
  const words = wordsOf(body, endpoint);
  const facts = { ...endpointFacts(endpoint), status, ...wordsIn(body, endpoint) };
  const failure = (message: string, canRetry: boolean): CallFailure => ({
    error: new AppError("upstream", message, { cause, facts, ...(retryAfterS === undefined ? {} : { retryAfterS }) }),
    status,
    canRetry,
  });
  const says = words === "" ? "" : ` It says: ${words}`;
  if (status === 401) return failure(`The endpoint ${name} does not accept the key of this server.${says}`, false);
  if (status === 402 || (status === 429 && isUsedUp(words, facts, retryAfterS)))
    return failure(`The account of this server at the endpoint ${name} is used up (HTTP ${status}).${says}`, false);
  if (status === 403)
    return failure(`The endpoint ${name} does not allow this server to use the model ${model}.${says}`, false);
  if (status === 404 && (words === "" || isMissing(words, facts)))
    return failure(`The endpoint ${name} does not have the model ${model}, or its address is wrong.${says}`, false);
  if (status === 413) return failure(`The conversation is too large for the endpoint ${name}.${says}`, false);
  if (status === 429) {
    const when = retryAfterS === undefined ? "a little later" : `in ${inWords(retryAfterS)}`;
    return failure(`The endpoint ${name} takes no more requests at the moment. Try again ${when}.${says}`, true);
  }
  if (status >= 500 || status === 408 || status === 409) {
    const what = `The endpoint ${name} has a problem of its own (HTTP ${status}). Try again a little later.`;
    return failure(what + says, true);
  }
  return failure(
    `The endpoint ${name} refuses the request (HTTP ${status})${words === "" ? "." : `: ${words}`}`,
    false,
  );
}

/** A limit that passes by itself has the same status as an account that somebody has to fill up. */
function isUsedUp(words: string, { code = "", type = "" }: ErrorFacts, retryAfterS: number | undefined): boolean {
  if (retryAfterS !== undefined) return false;
  return (
    /insufficient|quota|billing|credit|balance/i.test(`${code} ${type}`) ||
    /\b(?:quota|billing|credits?|balance|prepaid|payment|(?:spend|spending|budget|usage) (?:limit|cap)|budget)\b/i.test(
      words,
    )
  );
}

/** Some say so of a model that is there, and mean what was asked of it. */
function isMissing(words: string, { code = "", type = "" }: ErrorFacts): boolean {
  return (
    /not_?found/i.test(`${code} ${type}`) ||
    /not (?:be )?found|no such|not exist|not available|unknown|invalid url|cannot (?:post|get)/i.test(words)
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
  const error = innermost(detail);
  const status = [fieldOf(error, "status"), fieldOf(error, "code")].map(Number).find(Number.isInteger);
  return status !== undefined && status >= 400 && status < 600 ? { status } : {};
}

function wordsIn(detail: unknown, endpoint: Named): ErrorFacts {
  const error = innermost(detail);
  const word = (name: "code" | "type" | "param"): ErrorFacts => {
    const said = fieldOf(error, name);
    return isWord(said, endpoint) ? { [name]: said } : {};
  };
  return { ...word("code"), ...word("type"), ...word("param") };
}

/** The object with the error in it, out of what is around it. */
function innermost(detail: unknown): unknown {
  const first = Array.isArray(detail) ? detail[0] : detail;
  const inside = fieldOf(first, "error");
  return typeof inside === "object" && inside !== null ? inside : first;
}

const MAX_WORD = 100; // Characters. The longest seen is the path of a field in a schema.

/** Whether it can go on as it is: short, plain, and nothing of a key in it. */
function isWord(said: unknown, endpoint: Named): said is string {
  if (typeof said !== "string" || said === "" || said.length > MAX_WORD) return false;
  return wordsOf(said, endpoint) === said;
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
