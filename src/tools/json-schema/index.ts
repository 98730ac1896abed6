/**
 * What does not fit a JSON schema, in words for a model. TypeBox's own check throws on schemas that TypeBox did not make and
 * refuses formats that it does not know, while tools bring any (servers of tools send plain JSON): so schemas are read here as the
 * standard says, where an unknown keyword or format is no constraint. Not looked at: if, contains, dependencies, unevaluated…, and
 * patterns that look around or back.
 */

import { isDeepStrictEqual } from "node:util";
import { FormatRegistry } from "@sinclair/typebox";
import { isRecord } from "../../basics/json";
import { matchesPattern } from "./pattern";

const DEPTH_MAX = 100; // Levels, of arguments and of a schema; arguments nest three or four.
const STEPS_MAX = 100_000; // Schemas looked at for one value: enough for a long list, and an end to references in a circle.
const PATTERNS_MS = 100; // Of all patterns for one value: a list may have many.
const LISTED_MAX = 500; // Characters of a list of what would have been right.

/** Whether a text matches a pattern; null = that pattern is no constraint. */
export type Matches = (pattern: string, text: string) => boolean | null;

/** Such as `/zone must be a string`; null when the value fits. `schema` may be anything. */
export function misfit(schema: unknown, value: unknown, matches: Matches = matchesPattern): string | null {
  return check(schema, value, {
    root: schema,
    path: "",
    depth: 0,
    count: { steps: 0, patternsMs: 0, unread: 0 },
    matches,
  });
}

interface SchemaPosition {
  readonly root: unknown;
  readonly path: string;
  readonly depth: number;
  /** `unread`: patterns that are no constraint. */
  readonly count: { steps: number; patternsMs: number; unread: number };
  readonly matches: Matches;
}

type Schema = Readonly<Record<string, unknown>>;

const CHECKS = [checkReference, checkType, checkValues, checkNumber, checkString, checkArray, checkObject, checkForms];

function check(schema: unknown, value: unknown, place: SchemaPosition): string | null {
  if (schema === false) return say(place, "must not be given");
  if (!isRecord(schema)) return null;
  if (place.depth > DEPTH_MAX || ++place.count.steps > STEPS_MAX)
    return say(place, "must nest less deep to be checked");
  for (const part of CHECKS) {
    const wrong = part(schema, value, { ...place, depth: place.depth + 1 });
    if (wrong !== null) return wrong;
  }
  return null;
}

/** What a reference does not find is no constraint. */
function checkReference({ $ref: reference }: Schema, value: unknown, place: SchemaPosition): string | null {
  if (typeof reference !== "string") return null;
  return check(resolveReference(place.root, reference), value, place);
}

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === "string",
  number: (value) => Number.isFinite(value), // JSON can say 1e999.
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: Array.isArray,
  object: isRecord,
};

function checkType({ type }: Schema, value: unknown, place: SchemaPosition): string | null {
  const types = [type].flat().filter((it): it is string => typeof it === "string" && Object.hasOwn(TYPES, it));
  if (types.length === 0 || types.some((it) => TYPES[it]?.(value))) return null;
  return say(
    place,
    `must be ${types.map((it) => (it === "null" ? it : `a${/^[aio]/.test(it) ? "n" : ""} ${it}`)).join(" or ")}`,
  );
}

function checkValues(schema: Schema, value: unknown, place: SchemaPosition): string | null {
  const allowed = Array.isArray(schema.enum) ? schema.enum : "const" in schema ? [schema.const] : null;
  if (allowed === null || allowed.some((it) => isDeepStrictEqual(it, value))) return null;
  return say(place, `must be ${allowed.length > 1 ? "one of " : ""}${list(allowed.map((it) => JSON.stringify(it)))}`);
}

function checkNumber(schema: Schema, value: unknown, place: SchemaPosition): string | null {
  if (typeof value !== "number") return null;
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  if (isNumber(minimum) && value < minimum) return say(place, `must be ${minimum} or more`);
  if (isNumber(maximum) && value > maximum) return say(place, `must be ${maximum} or less`);
  if (isNumber(exclusiveMinimum) && value <= exclusiveMinimum) return say(place, `must be over ${exclusiveMinimum}`);
  if (isNumber(exclusiveMaximum) && value >= exclusiveMaximum) return say(place, `must be under ${exclusiveMaximum}`);
  if (isNumber(multipleOf) && !Number.isInteger(Number((value / multipleOf).toPrecision(12))))
    return say(place, `must be a multiple of ${multipleOf}`);
  return null;
}

function checkString(
  { minLength, maxLength, pattern, format }: Schema,
  value: unknown,
  place: SchemaPosition,
): string | null {
  if (typeof value !== "string") return null;
  if (isNumber(minLength) && value.length < minLength) return say(place, `must have ${minLength} characters or more`);
  if (isNumber(maxLength) && value.length > maxLength) return say(place, `must have ${maxLength} characters or fewer`);
  if (typeof pattern === "string" && matchIn(place, pattern, value) === false)
    return say(place, `must match ${pattern}`);
  if (typeof format === "string" && FormatRegistry.Get(format)?.(value) === false) {
    return say(place, `must be a ${format}${format === "date-time" ? " such as 2026-01-31T09:00:00Z" : ""}`);
  }
  return null;
}

/** What could not be looked at in time does not fit: a tool may rely on its pattern. */
function matchIn({ count, matches }: SchemaPosition, pattern: string, text: string): boolean | null {
  if (count.patternsMs > PATTERNS_MS) return false;
  const begun = performance.now();
  const isMatch = matches(pattern, text);
  count.patternsMs += performance.now() - begun;
  if (isMatch === null) count.unread++;
  return isMatch;
}

function checkArray(schema: Schema, value: unknown, place: SchemaPosition): string | null {
  if (!Array.isArray(value)) return null;
  const { minItems, maxItems, uniqueItems, items, prefixItems, additionalItems } = schema;
  if (isNumber(minItems) && value.length < minItems) return say(place, `must have ${minItems} items or more`);
  if (isNumber(maxItems) && value.length > maxItems) return say(place, `must have ${maxItems} items or fewer`);
  if (uniqueItems === true && new Set(value.map((it) => JSON.stringify(it))).size < value.length)
    return say(place, "must not have an item twice");
  const first = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : [];
  const rest = Array.isArray(items) ? additionalItems : items;
  return firstOf(value, (item, at) => check(at < first.length ? first[at] : rest, item, below(place, at)));
}

function checkObject(schema: Schema, value: unknown, place: SchemaPosition): string | null {
  if (!isRecord(value)) return null;
  const names = Object.keys(value);
  const missing = [schema.required].flat().filter((it) => typeof it === "string" && !Object.hasOwn(value, it));
  if (missing.length > 0) return say(place, `must have ${missing.join(", ")}`);
  const { properties, patternProperties, additionalProperties: others, minProperties, maxProperties } = schema;
  if (isNumber(minProperties) && names.length < minProperties) return say(place, `must have ${minProperties} or more`);
  if (isNumber(maxProperties) && names.length > maxProperties) return say(place, `must have ${maxProperties} or fewer`);
  const known = isRecord(properties) ? properties : {};
  const patterns = Object.entries(isRecord(patternProperties) ? patternProperties : {});
  return firstOf(names, (name) => {
    const own = Object.hasOwn(known, name) ? [known[name]] : [];
    const fitting = [...own, ...patterns.flatMap(([pattern, it]) => constraintOf(matchIn(place, pattern, name), it))];
    if (fitting.length === 0 && others === false)
      return say(place, `must not have ${name}, only ${list(Object.keys(known)) || "nothing"}`);
    return firstOf(fitting.length > 0 ? fitting : [others], (it) => check(it, value[name], below(place, name)));
  });
}

/** A name may be meant by a pattern that is no constraint: it is allowed, and nothing is asked of its value. */
function constraintOf(isMatch: boolean | null, schema: unknown): readonly unknown[] {
  return isMatch === false ? [] : [isMatch === null ? true : schema];
}

function checkForms({ allOf, anyOf, oneOf, not }: Schema, value: unknown, place: SchemaPosition): string | null {
  const wrong = Array.isArray(allOf) ? firstOf(allOf, (form) => check(form, value, place)) : null;
  if (wrong !== null) return wrong;
  for (const forms of [anyOf, oneOf]) {
    if (!Array.isArray(forms)) continue;
    const misfits = forms.map((form) => check(form, value, place));
    if (!misfits.includes(null)) return list(misfits, ", or ");
    if (forms === oneOf && misfits.indexOf(null) < misfits.lastIndexOf(null))
      return say(place, "must fit one of its forms only");
  }
  const { unread } = place.count;
  // What fits because a pattern in it is no constraint is not ruled out by that.
  return not !== undefined && check(not, value, place) === null && place.count.unread === unread
    ? say(place, "must not have a form that is ruled out")
    : null;
}

function firstOf<T>(items: readonly T[], find: (item: T, at: number) => string | null): string | null {
  for (const [at, item] of items.entries()) {
    const found = find(item, at);
    if (found !== null) return found;
  }
  return null;
}

function below(place: SchemaPosition, key: string | number): SchemaPosition {
  return { ...place, path: `${place.path}/${key}` };
}

function say({ path }: SchemaPosition, what: string): string {
  return `${path || "they"} ${what}`;
}

function list(items: readonly unknown[], between = ", "): string {
  const text = items.join(between);
  return text.length > LISTED_MAX ? `${text.slice(0, LISTED_MAX)}…` : text;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

/**
 * The part that a `$ref` names: `#/$defs/name`, or the `$id` of a part, as TypeBox writes them. Undefined when there is no such part; other
 * documents are never fetched.
 */
function resolveReference(root: unknown, reference: string): unknown {
  const isPointer = reference === "#" || reference.startsWith("#/");
  return isPointer ? atPointer(root, reference) : withId(root, reference);
}

function atPointer(root: unknown, pointer: string): unknown {
  const keys = pointer.split("/").slice(1);
  const names = keys.map((key) => decoded(key).replaceAll("~1", "/").replaceAll("~0", "~"));
  return names.reduce<unknown>(
    (at, name) => (at !== null && typeof at === "object" ? ownOf(at, name) : undefined),
    root,
  );
}

function withId(node: unknown, id: string, depth = 0): unknown {
  if (node === null || typeof node !== "object" || depth > DEPTH_MAX) return undefined;
  if (ownOf(node, "$id") === id) return node;
  for (const part of Object.values(node)) {
    const found = withId(part, id, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key; // A bare % is what the name has.
  }
}

function ownOf(value: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
