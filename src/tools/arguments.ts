/**
 * The arguments of a call as its tool takes them. What models write instead of an object is understood where it can mean one thing alone:
 * nothing, null or an empty list for no arguments, JSON in a string or a block of code, null for what may be left out, a number in quotes,
 * a comma after the last value, the whole call around its arguments.
 */

import { messageOf } from "../basics/errors";
import { isJsonObject, isRecord, parseJson } from "../basics/json";
import type { Json, JsonObject } from "../protocols";
import { misfit } from "./json-schema";

/** Throws Error, in words for the model. */
export function readArguments(text: string, schema: unknown): Json {
  let args: Json;
  try {
    args = read(text);
  } catch (error) {
    throw new Error(`The arguments cannot be read as JSON: ${messageOf(error)}.`);
  }
  const wrapped = inWrapping(args);
  if (wrapped && isWrappedFor(schema, args, wrapped)) args = wrapped;
  const wrong = misfit(schema, args);
  if (wrong === null) return args;
  for (const mended of [mend(schema, args), ...(wrapped ? [mend(schema, wrapped)] : [])]) {
    if (misfit(schema, mended) === null) return mended;
  }
  throw new Error(`The arguments do not fit: ${wrong}.`);
}

const WRAPPINGS = ["arguments", "parameters", "input"];
const BESIDE = new Set(["name", "type", "id"]); // What a call has beside its arguments.

/** The arguments in `{"name": …, "arguments": {…}}`; null for another value. */
function inWrapping(args: Json): JsonObject | null {
  if (!isJsonObject(args)) return null;
  const [key, ...others] = Object.keys(args).filter((name) => !BESIDE.has(name));
  if (key === undefined || others.length > 0 || !WRAPPINGS.includes(key)) return null;
  const value = args[key] ?? null;
  const inner = typeof value === "string" ? decoded(value) : value;
  return isJsonObject(inner) ? inner : null;
}

/** Whether the tool knows every name inside, and none around it but those that are inside once more. */
function isWrappedFor(schema: unknown, args: Json, inner: JsonObject): boolean {
  if (!isRecord(schema) || !isRecord(schema.properties)) return false;
  const known = new Set(Object.keys(schema.properties));
  const isAround = Object.keys(args as JsonObject).every(
    (name) => !known.has(name) || (BESIDE.has(name) && name in inner),
  );
  return isAround && Object.keys(inner).every((name) => known.has(name));
}

const ENCODED_MAX = 2; // Times that JSON is found in a string in JSON.

function read(text: string, times = ENCODED_MAX): Json {
  const value = parsed(text.trim().replace(FENCE, "$1") || "{}");
  if (typeof value === "string" && (times > 0 || value.trim() === "")) return read(value, times - 1);
  if (value === null) return {};
  if (!Array.isArray(value)) return value;
  const [only = {}] = value;
  return value.length < 2 && isJsonObject(only) ? only : value;
}

const FENCE = /^```(?:json)?[^\S\n]*\n([\s\S]*?)\n?```$/;
const NOTHING = /^(?:none|undefined)$/i;

function parsed(text: string): Json {
  if (NOTHING.test(text)) return {};
  try {
    return parseJson(text);
  } catch (error) {
    // Some servers begin with an empty object, and send the arguments after it.
    const mended = withMendedText(text.replace(/^\{\}(?=\s*\{)/, ""));
    if (mended === text) throw error;
    return parseJson(mended);
  }
}

/** Models write the lines of a text as they are, where JSON wants an escape, and a comma after the last value. */
function withMendedText(text: string): string {
  return text.replace(/"[^"\\]*(?:\\[\s\S][^"\\]*)*"?|,(?=\s*[}\]])/g, (it) =>
    it === "," ? "" : it.replace(/[\n\r\t]/g, (control) => JSON.stringify(control).slice(1, -1)),
  );
}

/**
 * Without the nulls that stand for nothing, and with lists, objects, numbers and truth values in the place of the strings that hold them, or a
 * string in the place of a number.
 */
function mend(schema: unknown, value: Json): Json {
  if (!isRecord(schema)) return value;
  if (typeof value === "string")
    return typeof schema.type === "string" && DECODED.has(schema.type) ? decoded(value) : value;
  if (schema.type === "string" && (typeof value === "number" || typeof value === "boolean")) return String(value);
  if (Array.isArray(value)) return value.map((item) => mend(schema.items, item));
  if (!isJsonObject(value)) return value;
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  const mended = Object.entries(value).map(([name, item]) => [name, mend(properties[name], item)] as const);
  const kept = mended.filter(([name, item]) => item !== null || required.includes(name) || takesNull(properties[name]));
  return Object.fromEntries(kept) as JsonObject;
}

const DECODED = new Set(["array", "object", "number", "integer", "boolean"]);

function decoded(text: string): Json {
  try {
    return parseJson(/^(?:true|false)$/i.test(text) ? text.toLowerCase() : text);
  } catch {
    return text;
  }
}

/** Where a reference leads is not looked at: a null there is taken for nothing. */
function takesNull(schema: unknown): boolean {
  return isRecord(schema) && !("$ref" in schema) && misfit(schema, null) === null;
}
