/** Whether the parameters of a tool are a JSON schema that an endpoint takes: they refuse a whole request for one keyword that is none. */

import { isRecord } from "../../basics/json";

const TYPES = ["string", "number", "integer", "boolean", "null", "array", "object"];
const DEPTH_MAX = 50; // Levels; schemas nest three or four.

/** Keywords whose value is a schema, a list of them, and a map of them. */
const SCHEMAS = ["items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"];
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/** Such as `/zone/type must be one of …`; null when nothing is wrong. Unknown keywords are allowed, as the standard says. */
export function wrongInSchema(schema: unknown, path = "", depth = 0): string | null {
  if (typeof schema === "boolean") return path === "" ? "it must be an object" : null;
  if (!isRecord(schema)) return `${path || "it"} must be a schema`;
  if (depth > DEPTH_MAX) return `${path} nests too deep, or in a circle`;
  return (
    wrongInItself(schema, path) ?? firstOf(partsOf(schema, path), ([at, part]) => wrongInSchema(part, at, depth + 1))
  );
}

type Schema = Readonly<Record<string, unknown>>;

function wrongInItself(schema: Schema, path: string): string | null {
  const { type, enum: values, required, pattern, properties } = schema;
  const types = [type].flat().filter((it) => it !== undefined);
  if (types.some((it) => !TYPES.includes(String(it)))) return `${path}/type must be one of ${TYPES.join(", ")}`;
  if (values !== undefined && !(Array.isArray(values) && values.length > 0))
    return `${path}/enum must be a list of values`;
  if (required !== undefined && !(Array.isArray(required) && required.every((it) => typeof it === "string")))
    return `${path}/required must be a list of names`;
  const unknown = [required ?? []].flat().find((it) => isRecord(properties) && !Object.hasOwn(properties, String(it)));
  if (unknown !== undefined && schema.additionalProperties === false)
    return `${path}/required names ${unknown}, which is none of the properties`;
  if (pattern !== undefined && !isExpression(pattern)) return `${path}/pattern must be a regular expression`;
  for (const keyword of LISTS)
    if (schema[keyword] !== undefined && !isFilled(schema[keyword]))
      return `${path}/${keyword} must be a list of schemas`;
  for (const keyword of MAPS)
    if (schema[keyword] !== undefined && !isRecord(schema[keyword])) return `${path}/${keyword} must be an object`;
  return null;
}

function partsOf(schema: Schema, path: string): readonly (readonly [path: string, part: unknown])[] {
  const single = SCHEMAS.filter((keyword) => schema[keyword] !== undefined && !Array.isArray(schema[keyword]));
  const listed = [...LISTS, "items"].filter((keyword) => Array.isArray(schema[keyword]));
  return [
    ...single.map((keyword) => [`${path}/${keyword}`, schema[keyword]] as const),
    ...listed.flatMap((keyword) =>
      [schema[keyword]].flat().map((part, at) => [`${path}/${keyword}/${at}`, part] as const),
    ),
    ...MAPS.flatMap((keyword) =>
      Object.entries((schema[keyword] ?? {}) as Schema).map(
        ([name, part]) => [`${path}/${keyword}/${name}`, part] as const,
      ),
    ),
  ];
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}

function isExpression(pattern: unknown): boolean {
  // With the flag as the standard wants it, or without, as most write it.
  return typeof pattern === "string" && ["u", ""].some((flags) => isCompiled(pattern, flags));
}

function isCompiled(pattern: string, flags: string): boolean {
  try {
    return Boolean(new RegExp(pattern, flags));
  } catch {
    return false;
  }
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}
