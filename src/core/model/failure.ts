/**
 * Turns everything that can go wrong with a model call into one AppError whose message is a sentence for a person. What an
 * endpoint says of it is shown too. Programs get its status and its own words as facts, the administrator its
 * name and address.
 */

import { AppError, codeOf, type ErrorFacts } from "../../basics/errors";
import { fieldOf, parseJson } from "../../basics/json";

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

/** An endpoint's name, and its secrets, which no message may say. */
export interface Named {
  readonly name: string;
  readonly apiKey: string | null;
  /** Other keys that it may say. */
  readonly secrets?: readonly string[];
  /** For the administrator alone; absent = not known. */
  readonly address?: string | undefined;
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
  const error = await readAnswer(response, MAX_REFUSAL_BYTES).catch(() => "");
  return Object.assign(new Error(`HTTP ${status}`), { status, headers, error });
}

/** What a response says: JSON, or its text where that is none, or nests too deep. Empty when it has more than `maxBytes`: the rest is not fetched. */
export async function readAnswer({ body }: Response, maxBytes: number): Promise<unknown> {
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
  const { endpoint } = context;
  const kind = cause instanceof StreamFault ? cause.kind : null;
  const status = statusOf(cause);
  const retryAfterS = retryAfterOf(cause);
  const detail = fieldOf(cause, kind ? "detail" : "error");
  const words = wordsOf(detail, endpoint);
  const facts: ErrorFacts = {
    ...endpointFacts(endpoint),
    ...(status === null ? statusIn(detail) : { status }),
    ...wordsIn(detail, endpoint),
    ...((kind === "late" || kind === "idle") && { isSilent: true }),
  };
  const said = { ...context, words, facts, retryAfterS };
  const [message, canRetry] = kind
    ? [ofStream(kind, said), kind === "cut" || kind === "reported" || kind === "ended"]
    : status !== null
      ? [ofStatus(status, said), (status >= 500 || PASSING.has(status)) && !isUsedUp(status, said)]
      : [`The endpoint “${endpoint.name}” cannot be reached${whyNot(cause)}.`, true];
  const error = new AppError("upstream", message, { cause, facts, ...(retryAfterS !== undefined && { retryAfterS }) });
  return { error, status, canRetry };
}

const PASSING = new Set([408, 409, 429]);

interface SaidContext extends FailureContext {
  readonly words: string;
  readonly facts: ErrorFacts;
  readonly retryAfterS: number | undefined;
}

function ofStream(kind: StreamFault["kind"], { endpoint, model, words, ...context }: SaidContext): string {
  const name = `“${endpoint.name}”`;
  const why = words === "" ? "." : `: ${words}`;
  const inOneWord = words === "" || words === "error" ? "." : `, and says why in one word: ${words}.`;
  return {
    cut: `The connection to the endpoint ${name} broke before the reply was complete.`,
    late: `The model ${model} sent nothing for ${context.firstTimeoutS} seconds, as long as MODEL_FIRST_BYTE_TIMEOUT_S lets it take.`,
    idle: `The model ${model} sent nothing more for ${context.idleTimeoutS} seconds, as long as MODEL_IDLE_TIMEOUT_S lets it pause.`,
    malformed: `The endpoint ${name} sent something that is not an answer of a model${why}`,
    reported: `The endpoint ${name} broke the reply off${why}`,
    ended: `The endpoint ${name} ended the reply early${inOneWord}`,
  }[kind];
}

function ofStatus(status: number, said: SaidContext): string {
  const { model, words, retryAfterS } = said;
  const name = `“${said.endpoint.name}”`;
  const says = saying(words);
  const when = retryAfterS === undefined ? "a little later" : `in ${inWords(retryAfterS)}`;
  if (status === 401) return `The endpoint ${name} does not accept the key of this server.${says}`;
  if (isUsedUp(status, said))
    return `The account of this server at the endpoint ${name} is used up (HTTP ${status}).${says}`;
  if (status === 403) return `The endpoint ${name} does not allow this server to use the model ${model}.${says}`;
  if (status === 404 && (words === "" || isMissing(said)))
    return `The endpoint ${name} does not have the model ${model}, or its address is wrong.${says}`;
  if (status === 413) return `The conversation is too large for the endpoint ${name}.${says}`;
  if (status === 429) return `The endpoint ${name} takes no more requests at the moment. Try again ${when}.${says}`;
  if (status >= 500 || PASSING.has(status))
    return `The endpoint ${name} has a problem of its own (HTTP ${status}). Try again a little later.${says}`;
  return `The endpoint ${name} refuses the request (HTTP ${status})${words === "" ? "." : `: ${words}`}`;
}

/** A limit that passes by itself has the same status as an account that somebody has to fill up. */
function isUsedUp(status: number, { words, facts, retryAfterS }: SaidContext): boolean {
  if (status !== 429 || retryAfterS !== undefined) return status === 402;
  return USED_UP.test(words) || /insufficient|quota|billing|credit|balance/i.test(`${facts.code} ${facts.type}`);
}

const USED_UP =
  /\b(?:quota|billing|credits?|balance|prepaid|payment|(?:spend|spending|budget|usage) (?:limit|cap)|budget)\b/i;

/** Some say so of a model that is there, and mean what was asked of it. */
function isMissing({ words, facts }: SaidContext): boolean {
  return MISSING.test(words) || /not_?found/i.test(`${facts.code} ${facts.type}`);
}

const MISSING = /not (?:be )?found|no such|not exist|not available|unknown|invalid url|cannot (?:post|get)/i;

function saying(words: string): string {
  return words === "" ? "" : ` It says: ${words}`;
}

/** Why an endpoint's list of models is not there, for the administrator. */
export function listSentence(cause: unknown, endpoint: Named): string {
  const { address = "" } = endpointFacts(endpoint);
  const subject = `The endpoint “${endpoint.name}”${address === "" ? "" : ` (${address})`}`;
  const status = statusOf(cause);
  const body = fieldOf(cause, "error");
  const words = wordsOf(body, endpoint);
  const says = saying(words);
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

function whyNot(cause: unknown): string {
  const codes = [codeOf(cause), codeOf(fieldOf(cause, "cause"))].join(" ");
  if (/ECONNREFUSED|ConnectionRefused/.test(codes)) return ": nothing answers at its address";
  if (/ECONNRESET|ConnectionClosed/.test(codes)) return ": it closes the connection";
  if (/ENOTFOUND|EAI_AGAIN|DNS/i.test(codes)) return ": its host name is not known";
  if (/CERT|TLS|SSL/i.test(codes)) return ": its certificate is not trusted";
  return "";
}

function statusOf(cause: unknown): number | null {
  const status = fieldOf(cause, "status");
  return typeof status === "number" ? status : null;
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

const LEVELS_MAX = 8; // Gateways wrap the answers of others, which wrap those of others.
const ENTRIES_MAX = 3; // Of a list: what is wrong with the first fields is enough to begin with.
const FIELDS_MAX = 50;

/** Where it stands; of several the first with more than one word. */
const FIELDS = (
  "message detail msg error error_description error_message error_msg errormessage errors fault faultstring status_msg description " +
  "details title reason base_resp"
).split(" ");
/** Words for programs, which are better than none. */
const CODES = ["code", "type", "status"];

/** Empty when it says nothing that a person could read. `body` is JSON, parsed or not, a page, or plain text. */
export function endpointWords(body: unknown, apiKey: string | null): string {
  return shorten(withoutKeys(onOneLine(find(body, LEVELS_MAX)), apiKey));
}

function find(value: unknown, levels: number): string {
  if (levels === 0) return "";
  if (typeof value === "string") return findInText(value, levels);
  if (Array.isArray(value)) {
    const texts = value.slice(0, ENTRIES_MAX).map((entry) => find(entry, levels - 1));
    return [...new Set(texts.filter((text) => text !== ""))].join("; ");
  }
  return typeof value === "object" && value !== null ? findInObject(value, levels) : "";
}

function findInText(text: string, levels: number): string {
  const trimmed = text.trim();
  if (/^<(?:!doctype|\?xml|html|head|body|error)\b/i.test(trimmed)) return titleOf(trimmed);
  if (!/^[[{]/.test(trimmed)) return trimmed;
  try {
    return find(parseJson(trimmed), levels - 1);
  } catch {
    return trimmed;
  }
}

const PAGE_MAX = 20_000; // Characters. A page's title stands near its beginning.

function titleOf(page: string): string {
  const found = /<(title|message|h1)\b[^<>]*>([^<]*)<\/\1>/i.exec(page.slice(0, PAGE_MAX));
  return (found?.[2] ?? "")
    .replace(/&(?:lt|gt|#\d+|#x[\da-f]+);/gi, " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");
}

function findInObject(object: object, levels: number): string {
  const entries = Object.entries(object).slice(0, FIELDS_MAX);
  const fields = new Map(entries.map(([name, value]) => [name.toLowerCase(), value]));
  const textsOf = (names: readonly string[]) =>
    names.map((name) => find(fields.get(name), levels - 1)).filter((text) => text !== "");
  const texts = textsOf(FIELDS);
  const words =
    texts.find((text) => /\s/.test(text)) ?? texts[0] ?? (ofFields(entries, levels) || textsOf(CODES)[0] || "");
  // The path of a field of the request, as validators give it.
  const place = Array.isArray(fields.get("loc")) ? (fields.get("loc") as unknown[]) : [];
  const path = place.filter((step) => step !== "body" && /^(?:string|number)$/.test(typeof step)).join(".");
  const said = path === "" || words === "" ? words : `${path}: ${words}`;
  // A gateway's own sentence says that there was an error; the cause is what it was told.
  const raw = find((fields.get("metadata") as { raw?: unknown } | null | undefined)?.raw, levels - 1);
  return raw === "" || said.includes(raw) ? said : [said, raw].filter((text) => text !== "").join(": ");
}

/** The form of some validators: names of fields, each with what is wrong with it. */
function ofFields(entries: readonly [string, unknown][], levels: number): string {
  const texts = entries.flatMap(([name, value]) => {
    const text = typeof value === "object" ? find(value, levels - 1) : typeof value === "string" ? value : "";
    return /\s/.test(text) ? [`${name}: ${text}`] : [];
  });
  return texts.slice(0, ENTRIES_MAX).join("; ");
}

function onOneLine(text: string): string {
  return (
    text
      .replace(/<[^<>]*>/g, " ")
      // The colours of a terminal.
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they begin with one.
      .replace(/\u001b\[[\d;]*m/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
      .replace(/[\s\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ")
      .slice(0, PAGE_MAX)
      .trim()
  );
}

/** What people write where a program wants a key and the endpoint wants none. */
const PLACEHOLDERS = new Set(
  (
    "none null nil na n/a no-key no_key nokey no-api-key not-needed not_needed notneeded not-required no-key-required sk-no-key-required " +
    "empty dummy fake unused ignored placeholder anything whatever local localhost ollama lm-studio lm_studio lmstudio llama.cpp llamacpp vllm " +
    "key apikey api-key api_key token secret test x xx xxx xxxx sk-xxx sk-dummy sk-none - 0 1234"
  ).split(" "),
);

const LONG_KEY = 16; // Characters. No word of a language that holds a key by chance holds one of this length.

/** Nothing that is a key, or looks like one, of this server or of anybody else. */
function withoutKeys(text: string, apiKey: string | null): string {
  const own = apiKey?.trim() ?? "";
  const isKey = own !== "" && !PLACEHOLDERS.has(own.toLowerCase());
  const withoutOwn = !isKey
    ? text
    : own.length >= LONG_KEY
      ? text.replaceAll(own, "…")
      : text.replace(new RegExp(`(?<![\\w-])${RegExp.escape(own)}(?![\\w-])`, "g"), "…");
  return withoutOwn.replace(KEY_LIKE, (found) => (PLACEHOLDERS.has(found.toLowerCase()) ? found : "…"));
}

/** By how the vendors' keys begin, or by the word before; a digit, or the stars of one that is half hidden, tells them from words. */
const KEY_LIKE =
  /(?<![\w-])(?:sk|pk|rk|gsk|csk|xai|hf|fw|r8|tgp|pplx|nvapi|ghp|github_pat|glpat)[-_](?:(?=[\w.-]*[\d*])[\w*.-]{6,}|[\w.-]{16,})|(?<![\w-])(?:AIza|eyJ|AKIA)[\w.-]{12,}|(?<=\bBearer |\bkey(?: provided)?: ?["'“]?|\btoken(?: provided)?: ?["'“]?)(?=[\w.-]*[\d*])[\w*.+/=-]{8,}/g;

const WORDS_MAX = 300; // Characters: a sentence or two, and never a page.

function shorten(text: string): string {
  return text.length > WORDS_MAX ? `${text.slice(0, WORDS_MAX - 1).toWellFormed()}…` : text;
}
