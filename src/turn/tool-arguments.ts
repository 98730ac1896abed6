/**
 * The arguments of a call as its tool takes them. What models write instead of an object is understood where it can mean one thing alone:
 * nothing, null or an empty list for no arguments, JSON in a string, null for what may be left out.
 */

import { messageOf } from "../errors";
import { isJsonObject, parseJson } from "../json";
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
  const wrong = misfit(schema, args);
  if (wrong === null) return args;
  const mended = mend(schema, args);
  if (misfit(schema, mended) === null) return mended;
  throw new Error(`The arguments do not fit: ${wrong}.`);
}

const ENCODED_MAX = 2; // Times that JSON is found in a string in JSON.

function read(text: string, times = ENCODED_MAX): Json {
  const value = parseJson(text.trim() || "{}");
  if (typeof value === "string" && (times > 0 || value.trim() === "")) return read(value, times - 1);
  if (value === null) return {};
  if (!Array.isArray(value)) return value;
  const [only = {}] = value;
  return value.length < 2 && isJsonObject(only) ? only : value;
}

/** Without the nulls that stand for nothing, and with lists and objects in the place of the strings that hold them. */
function mend(schema: unknown, value: Json): Json {
  if (!isObject(schema)) return value;
  if (typeof value === "string" && (schema.type === "array" || schema.type === "object")) return decoded(value);
  if (Array.isArray(value)) return value.map((item) => mend(schema.items, item));
  if (!isJsonObject(value)) return value;
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  const kept = Object.entries(value).filter(
    ([name, item]) => item !== null || required.includes(name) || takesNull(properties[name]),
  );
  return Object.fromEntries(kept.map(([name, item]) => [name, mend(properties[name], item)])) as JsonObject;
}

function decoded(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** Where a reference leads is not looked at: a null there is taken for nothing. */
function takesNull(schema: unknown): boolean {
  return isObject(schema) && !("$ref" in schema) && misfit(schema, null) === null;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
