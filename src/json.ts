/**
 * JSON from people and models, bounded by how deep it nests: beyond some ten thousand levels JSON.stringify takes seconds, and takes
 * them again at each later reading.
 */

import type { Json, JsonObject } from "./protocols";

export const LEVELS_MAX = 64; // The schema of a tool, which nests deepest of what is meant, has ten or twenty.

/** Whether a value that JSON.parse gave has more levels of arrays and objects than that. */
export function isTooDeep(value: unknown, levels = LEVELS_MAX): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  return (Array.isArray(value) ? value : Object.values(value)).some((part) => isTooDeep(part, levels - 1));
}

/** Throws Error, which says what is wrong, also when the value nests too deep. */
export function parseJson(text: string, levels = LEVELS_MAX): Json {
  const value: Json = JSON.parse(text);
  if (isTooDeep(value, levels)) throw new Error(`it nests deeper than ${levels} levels`);
  return value;
}

export function isJsonObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
