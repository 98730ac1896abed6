/** What any `store` on an SQL database checks and translates as the default does. Plugins get it from `skeleton`. */

import { checkedStore, extended } from "./schema";
import {
  checkedCount,
  checkedId,
  columnsOf,
  conditionOf,
  decodeRecord,
  encodeAmounts,
  encodeFields,
  encodeJson,
  ownerKey,
  searchedFields,
  selection,
  sizedFields,
  storeField,
} from "./sql";

/**
 * For a store on another SQL database: which declarations, fields, conditions and owners are refused and in which words, and how values and
 * conditions become SQL. Columns are named `_owner` (text; the server's own is empty), `id` and as the fields; a `bool` is 0 or 1, a `json`
 * its text; conditions begin with ` AND ` and have a `?` for each value.
 *
 * @example
 * ```ts
 * const notes = storeRules.declared("notes", { text: "str", done: { type: "bool", index: true } });
 * const { sql, values } = storeRules.condition(notes, { done: true, id: { gt: "a" } });
 * const query = `SELECT ${storeRules.selection(notes)} FROM notes WHERE _owner = ?${sql}`;
 * const bound = [storeRules.ownerKey("ann"), ...values];
 * ```
 */
export const storeRules = {
  /** The store as it is declared. Throws AppError("invalid"). */
  declared: checkedStore,
  /** The store with what is new, or null when nothing is. Throws AppError("conflict") when a field has another type by now. */
  extended: extended,
  ownerKey,
  id: checkedId,
  /** Of a `limit` or `from`; undefined when not given. */
  count: checkedCount,
  field: storeField,
  /** Names of the fields that are columns: all but collections. */
  columns: columnsOf,
  searched: searchedFields,
  sized: sizedFields,
  /** Column values by field name. */
  encode: encodeFields,
  encodeAmounts,
  encodeJson,
  /** From a row in which numbers are numbers. */
  decode: decodeRecord,
  /** The columns of a query: `id` and what was selected. */
  selection,
  condition: conditionOf,
} as const;
