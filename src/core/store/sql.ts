/**
 * Records, conditions and queries as SQL: what may go into a record, in which form SQLite keeps it, and how it is asked for. Names
 * are checked against the declared fields of one store, values are always bound.
 */

import { AppError } from "../../basics/errors";
import type {
  FieldType,
  Json,
  JsonObject,
  Owner,
  StoreAmounts,
  StoreAnyOf,
  StoreField,
  StoreInfo,
  StoreQuery,
  StoreRange,
  StoreRecord,
  StoreWhere,
} from "../../protocols";
import type { Row, SqlValue } from "./database";

/** The type of the column; a collection has a table instead. */
export const COLUMN_TYPE: Record<Exclude<FieldType, "json_collection">, string> = {
  str: "TEXT",
  int: "INTEGER",
  float: "REAL",
  bool: "INTEGER",
  json: "TEXT",
};

const ID: StoreField = { type: "str" };

/** The owner as the `_owner` column has it: a username is never empty, so the empty text is the server's own. */
export function ownerKey(owner: Owner): string {
  if (owner === null) return "";
  return checkedName(owner, "The owner of a record");
}

export function checkedId(id: string): string {
  return checkedName(id, "The id of a record");
}

/** Broken surrogates are refused because SQLite would make different ones equal. */
function checkedName(text: string, what: string): string {
  if (typeof text === "string" && text !== "" && text.isWellFormed()) return text;
  throw new AppError("invalid", `${what} must be a text that is not empty.`);
}

/** The field, or AppError("invalid") when the store has none of that name. `id` counts as one. */
export function storeField(store: StoreInfo, name: string): StoreField {
  if (name === "id") return ID;
  const field = Object.hasOwn(store.fields, name) ? store.fields[name] : undefined;
  if (!field) throw new AppError("invalid", `The store "${store.name}" has no field "${name}".`);
  return field;
}

/** A value that is made once for each store, and again when it was extended, which makes another object. */
function perStore<T>(make: (store: StoreInfo) => T): (store: StoreInfo) => T {
  const made = new WeakMap<StoreInfo, { readonly it: T }>();
  return (store) => {
    const known = made.get(store) ?? { it: make(store) };
    made.set(store, known);
    return known.it;
  };
}

/** The fields that are columns, in the order of their declaration. */
export const columnsOf = fieldsThat(({ type }) => type !== "json_collection");

export const searchedFields = fieldsThat(({ search }) => search === true);

export const sizedFields = fieldsThat(({ sized }) => sized === true);

function fieldsThat(isMeant: (field: StoreField) => boolean): (store: StoreInfo) => readonly string[] {
  return perStore(({ fields }) => Object.keys(fields).filter((name) => isMeant(fields[name] as StoreField)));
}

/** Column values by field name; a field that is undefined is not given. */
export function encodeFields(store: StoreInfo, fields: JsonObject): Map<string, SqlValue> {
  const given = new Map<string, SqlValue>();
  for (const [name, value] of Object.entries(fields)) {
    const { type } = storeField(store, name);
    if (name === "id") throw new AppError("invalid", `The id of a record in "${store.name}" is not one of its fields.`);
    if (value !== undefined) given.set(name, encodeValue(store, name, type, value));
  }
  return given;
}

/** Of fields that hold numbers. */
export function encodeAmounts(store: StoreInfo, amounts: StoreAmounts): Map<string, SqlValue> {
  const other = Object.keys(amounts).find((name) => !["int", "float"].includes(storeField(store, name).type));
  if (other === undefined) return encodeFields(store, amounts);
  throw new AppError("invalid", `The field "${other}" of "${store.name}" is no number.`);
}

function encodeValue(store: StoreInfo, name: string, type: FieldType, value: Json): SqlValue {
  if (value === null && type !== "json_collection") return null;
  if (type === "str" && typeof value === "string") return value;
  if (type === "int" && Number.isSafeInteger(value)) return Number(value);
  if (type === "float" && Number.isFinite(value)) return Number(value);
  if (type === "bool" && typeof value === "boolean") return value ? 1 : 0;
  if (type === "json") return encodeJson(value, `The field "${name}" of "${store.name}"`);
  if (type === "json_collection") {
    throw new AppError("invalid", `The field "${name}" of "${store.name}" is a collection: append to it.`);
  }
  throw new AppError("invalid", `The field "${name}" of "${store.name}" takes ${type}, not ${nameOf(value)}.`);
}

function nameOf(value: Json): string {
  if (typeof value === "number") return `the number ${value}`;
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}

export function encodeJson(value: Json, what: string): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new AppError("invalid", `${what} takes JSON, not ${typeof value}.`);
  return text;
}

/** The fields that SQLite keeps in another form. */
const decodedFields = fieldsThat(({ type }) => type === "bool" || type === "json");

/** The row itself, which nobody else has: of a thousand records most fields are as they come. */
export function decodeRecord(store: StoreInfo, row: Row): StoreRecord {
  const record: Record<string, Json> = row;
  for (const name of decodedFields(store)) {
    const value = row[name] ?? null;
    if (value !== null) record[name] = store.fields[name]?.type === "bool" ? value === 1 : JSON.parse(String(value));
  }
  return record as StoreRecord;
}

/** SQL that goes on after `WHERE …`, beginning with a space or empty, and what it binds. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly SqlValue[];
}

type Scalar = string | number | boolean;

const RANGE = { lt: "<", lte: "<=", gt: ">", gte: ">=" } as const;
const ANY_OF = 1000; // The protocol's bound.

export function conditionOf(store: StoreInfo, where: StoreWhere = {}): Condition {
  const parts = Object.entries(where).map(([name, test]) => oneTest(store, name, test));
  return { sql: parts.map((part) => ` AND ${part.sql}`).join(""), values: parts.flatMap((part) => part.values) };
}

function oneTest(store: StoreInfo, name: string, test: StoreWhere[string] | undefined): Condition {
  const field = storeField(store, name);
  if (test === null && field.type !== "json_collection") return { sql: `"${name}" IS NULL`, values: [] };
  if (!isComparable(field)) throw invalid(store, name, `is ${field.type} and can only be compared with null`);
  if (typeof test === "string" || typeof test === "number" || typeof test === "boolean") {
    return { sql: `"${name}" = ?`, values: [operand(store, name, field, test)] };
  }
  // Undefined must not pass for "no condition": a slip would reach records that were not meant.
  if (typeof test !== "object" || test === null) throw invalid(store, name, `cannot be compared with ${typeof test}`);
  if ("in" in test) return anyOf(store, name, field, test);
  return range(store, name, field, test);
}

function anyOf(store: StoreInfo, name: string, field: StoreField, test: StoreAnyOf): Condition {
  if (!Array.isArray(test.in) || test.in.length > ANY_OF || Object.keys(test).length > 1) {
    throw invalid(store, name, `takes "in" alone, with up to ${ANY_OF} values`);
  }
  const values: SqlValue[] = test.in.map((value: string | number) => operand(store, name, field, value));
  const [filler = null] = values;
  // Filled up to a power of two, so that any number of values makes few statements. An empty list compares with null,
  // which nothing equals. One bound JSON array would be simpler, but its numbers are not exact.
  const size = 2 ** Math.ceil(Math.log2(Math.max(values.length, 1)));
  while (values.length < size) values.push(filler);
  return { sql: `"${name}" IN (${values.map(() => "?").join(", ")})`, values };
}

function range(store: StoreInfo, name: string, field: StoreField, test: StoreRange): Condition {
  const bounds = Object.entries(test).filter(([, value]) => value !== undefined);
  if (bounds.length === 0 || field.type === "bool") throw invalid(store, name, "needs a value to be compared with");
  const parts = bounds.map(([key, value]) => {
    if (!isRangeKey(key)) throw invalid(store, name, `knows lt, lte, gt, gte and in, not "${key}"`);
    return { sql: `"${name}" ${RANGE[key]} ?`, value: operand(store, name, field, value) };
  });
  return { sql: parts.map((part) => part.sql).join(" AND "), values: parts.map((part) => part.value) };
}

function isRangeKey(key: string): key is keyof typeof RANGE {
  return Object.hasOwn(RANGE, key);
}

function isComparable(field: StoreField): boolean {
  return field.type !== "json" && field.type !== "json_collection";
}

function operand(store: StoreInfo, name: string, field: StoreField, value: Scalar): SqlValue {
  if (field.type === "bool" && typeof value === "boolean") return value ? 1 : 0;
  if (field.type === "str" && typeof value === "string") return value;
  const isNumeric = field.type === "int" || field.type === "float";
  if (isNumeric && typeof value === "number" && !Number.isNaN(value)) return value;
  throw invalid(store, name, `is ${field.type} and cannot be compared with a ${typeof value}`);
}

function invalid(store: StoreInfo, name: string, problem: string): AppError {
  return new AppError("invalid", `The field "${name}" of "${store.name}" ${problem}.`);
}

/** Adds a record, or gives no row when there is one of that id; the values are those of `columnsOf`. */
export const insertOf = perStore((store) => {
  const columns = ["_owner", "id", ...columnsOf(store)];
  return `INSERT INTO "${store.name}" (${columns.map((column) => `"${column}"`).join(", ")})
    VALUES (${columns.map(() => "?").join(", ")}) ON CONFLICT (_owner, id) DO NOTHING RETURNING _row`;
});

/** Whole records of an owner; a condition may follow. */
export const selectOf = perStore((store) => `SELECT ${selection(store)} FROM "${store.name}" WHERE _owner = ?`);

/** The columns of a query as SQL: `id` and what was selected. */
export function selection(store: StoreInfo, select: readonly string[] = columnsOf(store)): string {
  const names = new Set(["id", ...select]);
  for (const name of names) {
    if (storeField(store, name).type === "json_collection")
      throw invalid(store, name, "is a collection: get it by itself");
  }
  return [...names].map((name) => `"${name}"`).join(", ");
}

/** ORDER BY and LIMIT. SQLite puts null before every value. */
export function orderAndLimit(store: StoreInfo, query: StoreQuery): Condition {
  const direction = query.descending ? "DESC" : "ASC";
  // Sorted and not read in order where values are picked: SQLite would rather read all records of the owner than sort a few.
  let order = `${picksValues(store, query.where) ? "+" : ""}_row ${direction}`;
  if (query.orderBy !== undefined) {
    if (!isComparable(storeField(store, query.orderBy))) throw invalid(store, query.orderBy, "has no order");
    order = `"${query.orderBy}" ${direction}, ${order}`;
  }
  return { sql: ` ORDER BY ${order} LIMIT ?`, values: [checkedCount(query.limit, "limit") ?? -1] };
}

/** Whether an index finds each of some values. */
function picksValues(store: StoreInfo, where: StoreWhere = {}): boolean {
  return Object.entries(where).some(([name, condition]) => {
    const isAnyOf = typeof condition === "object" && condition !== null && "in" in condition;
    return isAnyOf && (name === "id" || storeField(store, name).index === true);
  });
}

/** A number of things from a caller; undefined when not given. */
export function checkedCount(count: number | undefined, what: string): number | undefined {
  if (count === undefined || (Number.isSafeInteger(count) && count >= 0)) return count;
  throw new AppError("invalid", `"${what}" must be a whole number, 0 or more.`);
}
