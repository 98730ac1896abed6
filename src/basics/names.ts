/**
 * Fields are camelCase in code, and snake_case in the store and in the JSON of the API. An object's own fields are renamed and nothing inside of
 * their values: arguments of tools, parameters and metadata have names of somebody else's.
 */

import type { StoreRecord } from "../protocols";

export type SnakeCase<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
  : Name;

export type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

export type InSnakeCase<Fields> = { [Name in keyof Fields as SnakeCase<Name & string>]: Fields[Name] };
export type InCamelCase<Fields> = { [Name in keyof Fields as CamelCase<Name & string>]: Fields[Name] };

export const snakeCase = remembered((name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
export const camelCase = remembered((name) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));

/** Fields that are undefined are left out. */
export function inSnakeCase<Fields extends object>(fields: Fields): InSnakeCase<Fields> {
  return renamed(fields, snakeCase) as InSnakeCase<Fields>;
}

/** Fields that are undefined are left out. */
export function inCamelCase<Fields extends object>(fields: Fields): InCamelCase<Fields> {
  return renamed(fields, camelCase) as InCamelCase<Fields>;
}

/**
 * What a record of the store says, as the code has it: fields without a value are absent, but for those in `nullable`, which are null. The record
 * must have been written as a `Kept`; what more it has comes along.
 */
export function fromRecord<Kept>(record: StoreRecord, nullable: readonly (keyof Kept & string)[] = []): Kept {
  const kept: Record<string, unknown> = Object.fromEntries(nullable.map((name) => [name, null]));
  // A long thread is a hundred thousand fields: a loop that makes no pairs of them takes half the time.
  for (const name in record) {
    const value = record[name];
    if (value !== null) kept[camelCase(name)] = value;
  }
  return kept as Kept;
}

function renamed(fields: object, rename: (name: string) => string): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) made[rename(name)] = value;
  return made;
}

/** A list of a thousand messages has twenty thousand names, of which few differ. All are names that the code has. */
function remembered(rename: (name: string) => string): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => known.getOrInsertComputed(name, rename);
}
