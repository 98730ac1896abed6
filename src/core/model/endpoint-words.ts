/**
 * What an endpoint says of a failure, fit to be shown to a person: found in whatever form servers and gateways give it, on one line,
 * short, without markup and without a key.
 */

import { parseJson } from "../../basics/json";

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
export function withoutKeys(text: string, apiKey: string | null): string {
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
