/** Records of the store, where one call is not all of it: added where another process may just have added them, and found by any number of values. */

import type { JsonObject, Owner, StoreProtocol, StoreRecord, StoreWhere } from "../protocols";
import { codeOf } from "./errors";

/** False when there is a record of that id already; it stays as it is. */
export function addIfAbsent(
  store: StoreProtocol,
  owner: Owner,
  name: string,
  fields: JsonObject,
  id: string,
): Promise<boolean> {
  return store.add(owner, name, fields, id).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === "conflict") return false;
      throw error;
    },
  );
}

export interface RecordsByValue<T> {
  readonly field: string;
  readonly values: readonly string[];
  readonly where?: StoreWhere;
  /** What is made of a record. */
  to(record: StoreRecord): T;
}

const VALUES_MAX = 1000; // The most that a StoreAnyOf takes.

/** Records whose field has one of the values, however many these are. The loop goes on between two lots. */
export async function findAnyOf<T>(
  store: StoreProtocol,
  owner: Owner,
  name: string,
  { field, values, where, to }: RecordsByValue<T>,
): Promise<T[]> {
  const found: T[] = [];
  for (let from = 0; from < values.length; from += VALUES_MAX) {
    if (from > 0) await new Promise(setImmediate);
    const some = { in: values.slice(from, from + VALUES_MAX) };
    const records = await store.find(owner, name, { where: { ...where, [field]: some } });
    found.push(...records.map(to));
  }
  return found;
}
