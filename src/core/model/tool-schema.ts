/**
 * The schema of a tool's arguments as strict endpoints take it: an object with `properties`, also where it has none, and lists that say
 * what is in them. Servers of tools leave these out, and OpenAI then refuses every request that offers the tool. Plugins get it from
 * `skeleton`.
 */

import { isRecord } from "../../basics/json";
import type { JsonRecord } from "./opaque";

const LEVELS_MAX = 32; // Deeper schemas are refused before they come here, or go on as they are.

/**
 * A tool's schema, with `properties` and `items` wherever they belong.
 *
 * @example
 * ```ts
 * const functions = call.tools.map(({ name, description, parameters }) => {
 *   return { name, description, parameters: toolSchema(parameters) };
 * });
 * ```
 */
export function toolSchema(parameters: unknown): JsonRecord {
  const schema = isRecord(parameters) ? parameters : {};
  return mended({ ...schema, type: "object" }, LEVELS_MAX);
}

function mended(schema: JsonRecord, levels: number): JsonRecord {
  if (levels === 0) return schema;
  const made = { ...schema };
  if (made.type === "object" || made.properties !== undefined) {
    made.properties = isRecord(made.properties) ? mendedEach(made.properties, levels) : {};
  }
  if (made.type === "array" && made.prefixItems === undefined) made.items ??= {};
  if (isRecord(made.items)) made.items = mended(made.items, levels - 1);
  for (const name of ["anyOf", "oneOf", "allOf"]) {
    const forms = made[name];
    if (Array.isArray(forms)) made[name] = forms.map((form) => (isRecord(form) ? mended(form, levels - 1) : form));
  }
  // What others write as null says as little as what they leave out.
  if (made.required !== undefined && !Array.isArray(made.required)) delete made.required;
  return made;
}

function mendedEach(properties: JsonRecord, levels: number): JsonRecord {
  return Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, isRecord(schema) ? mended(schema, levels - 1) : schema]),
  );
}
