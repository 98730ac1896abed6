/** What may go into a record and in which form SQLite keeps it; everything here is about one store's declared fields. */

import { AppError } from "../../basics/errors";
import type { FieldType, Json, JsonObject, Owner, StoreField, StoreInfo, StoreRecord } from "../../protocols";
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
export function fieldOf(store: StoreInfo, name: string): StoreField {
  if (name === "id") return ID;
  const field = Object.hasOwn(store.fields, name) ? store.fields[name] : undefined;
  if (!field) throw new AppError("invalid", `The store "${store.name}" has no field "${name}".`);
  return field;
}

/** The fields that are columns, in the order of their declaration. */
export function columnsOf(store: StoreInfo): string[] {
  return Object.entries(store.fields).flatMap(([name, field]) => (field.type === "json_collection" ? [] : [name]));
}

export function searchedFields(store: StoreInfo): string[] {
  return Object.entries(store.fields).flatMap(([name, field]) => (field.search ? [name] : []));
}

export function sizedFields(store: StoreInfo): string[] {
  return Object.entries(store.fields).flatMap(([name, field]) => (field.sized ? [name] : []));
}

/** Column values by field name; a field that is undefined is not given. */
export function encodeFields(store: StoreInfo, fields: JsonObject): Map<string, SqlValue> {
  const given = new Map<string, SqlValue>();
  for (const [name, value] of Object.entries(fields)) {
    const { type } = fieldOf(store, name);
    if (name === "id") throw new AppError("invalid", `The id of a record in "${store.name}" is not one of its fields.`);
    if (value !== undefined) given.set(name, encodeValue(store, name, type, value));
  }
  return given;
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

export function decodeRecord(store: StoreInfo, row: Row): StoreRecord {
  const record: Record<string, Json> = {};
  for (const [name, value] of Object.entries(row)) record[name] = decodeValue(fieldOf(store, name).type, value);
  return record as StoreRecord;
}

function decodeValue(type: FieldType, value: SqlValue): Json {
  if (value === null) return null;
  if (type === "bool") return value === 1;
  return type === "json" ? (JSON.parse(String(value)) as Json) : value;
}
