/**
 * `store`: typed records, each owned by one user, with append-only collections and full-text search. Core and plugins
 * alike keep their data here. Default: `src/core/store/`, on bun:sqlite. Replace it to keep everything in a database server.
 *
 * Everything is scoped: a call sees the records of its `owner` and no others, by no argument. The server's own records
 * have the owner `null`, which is a scope like any other and not a view of all.
 */

import type { Json, JsonObject } from "./json";

export interface StoreProtocol {
  /**
   * Declares a store; call it at start, not per use. Idempotent. Fields that are new are added in place (null in old
   * records); one that becomes searchable finds old records by and by, newest first, and the call does not wait for that.
   * Throws AppError("conflict"), naming store and field with both types and nothing touched, when a field exists with
   * another type; a field that is no longer declared is kept.
   */
  createStoreIfNotExists(name: string, fields: StoreFields): Promise<void>;

  /** All declared stores, by name. */
  listStores(): Promise<StoreInfo[]>;

  /** The store of that name, or null. */
  findStore(name: string): Promise<StoreInfo | null>;

  /**
   * Adds a record and returns its id: `id` when given, else one made here that sorts by time. Fields not given are null.
   * Throws AppError("conflict") when the owner has a record of that id: of two who add the same id, exactly one succeeds,
   * in this process or another. On return the record survives the death of the process. Records of one process are added in the order of its
   * calls, without one waiting for the other, and ids made here sort so too, also within one millisecond.
   */
  add(owner: Owner, store: string, fields: JsonObject, id?: string): Promise<string>;

  /**
   * Adds up to 1,000 records as `add` does, in their order and in one step: all or, when one of them cannot be added, none. Resolves with their
   * ids. For what belongs together: one commit, and one way to a store that is far away. Others wait meanwhile, so long ones come a
   * hundred at a time.
   */
  addMany(owner: Owner, store: string, records: readonly NewStoreRecord[]): Promise<string[]>;

  /** The record, or null. Collections are not included. */
  get(owner: Owner, store: string, id: string): Promise<StoreRecord | null>;

  /** The record of each id, or null, in the order of the ids, however many and however often one is named. Holds nobody up for more than a few milliseconds at a time. */
  getMany(owner: Owner, store: string, ids: readonly string[]): Promise<(StoreRecord | null)[]>;

  /** Records that match, in order of `orderBy` (default: as added). Empty when none does. */
  find(owner: Owner, store: string, query?: StoreQuery): Promise<StoreRecord[]>;

  /**
   * Sets the given fields. False, and nothing changed, when there is no such record or it does not match `where`: check
   * and change are one step, so that `where` serves as a compare-and-set between processes.
   */
  update(owner: Owner, store: string, id: string, fields: JsonObject, where?: StoreWhere): Promise<boolean>;

  /**
   * Adds amounts to numbers of a record, in one step: of many who do so at once, in any process, each counts. A field that is null counts as 0,
   * and a record that is not there is added, with `fields` beside the amounts. Throws AppError("invalid"), and changes nothing, when a
   * field is neither `int` nor `float`, or an amount does not fit it.
   */
  increment(owner: Owner, store: string, id: string, amounts: StoreAmounts, fields?: JsonObject): Promise<void>;

  /** Removes the record and its collections. False when there is none (or it does not match `where`). */
  delete(owner: Owner, store: string, id: string, where?: StoreWhere): Promise<boolean>;

  /** How many records match. */
  count(owner: Owner, store: string, where?: StoreWhere): Promise<number>;

  /**
   * Gives all records of one owner in a store to another, with their collections and what is searched of them; both owners' records stay in the
   * order they were added in. One whose id the other has already stays with its owner. Resolves with how many were given. Takes time with
   * their number, a few at a time, and holds nobody up; each is given whole, and calling again goes on where a
   * crash ended it. Absent: records stay with their owner.
   */
  give?(from: Owner, to: Owner, store: string): Promise<number>;

  /**
   * How much the owner's records hold in the fields that are `sized`: a running sum, which costs the same however many there are and
   * changes in one step with them. While records that were there before a field was sized are still being counted it is less.
   * Throws AppError("invalid") when no field is.
   */
  size(owner: Owner, store: string): Promise<number>;

  /**
   * Appends items to a `json_collection` field, all or none. Costs the same however many there are. False, and nothing
   * appended, when the record does not match `where`: as with `update`, check and change are one step. Throws
   * AppError("notFound") when there is no such record. Resolves when the items survive the death of the process. Running turns
   * show nothing before that and wait for it with each batch of events, so appends of one tick, to whatever records, should share a commit.
   */
  collectionAppend(
    owner: Owner,
    store: string,
    id: string,
    field: string,
    items: readonly Json[],
    where?: StoreWhere,
  ): Promise<boolean>;

  /** Items in order, from index `from` (default 0), at most `limit`. Empty when there is no such record. */
  collectionGet(
    owner: Owner,
    store: string,
    id: string,
    field: string,
    range?: { readonly from?: number; readonly limit?: number },
  ): Promise<Json[]>;

  /**
   * Records whose `search` fields contain every word of `text` (its first 32; case, accents, Hebrew and Arabic points, letters that are typed as others (ß as ss), ligatures,
   * wide forms and characters that nobody sees aside; the last one, from three characters on, may be a beginning; scripts
   * written without spaces match anywhere, and each of their characters counts as a word), newest first, at most `limit` (default
   * 50). `text` is a person's: nothing in it is syntax, and a text without a word finds nothing. Holds nobody up
   * for more than a few milliseconds at a time, however common the words are; `where` is applied to the newest 20,000
   * records that have the words.
   */
  fullTextSearch(owner: Owner, store: string, text: string, options?: StoreSearch): Promise<StoreRecord[]>;

  /**
   * Resolves when the store can be read; throws otherwise: AppError("unavailable") when it can say why in a sentence for
   * whoever watches the server. `/health` asks it, and finds out by a write whether the store can be written.
   */
  ping(): Promise<void>;

  /** Ends after what was begun. No call may follow. */
  close(): Promise<void>;
}

/** A username, or null for the server's own records. */
export type Owner = string | null;

export type FieldType = "str" | "int" | "float" | "bool" | "json" | "json_collection";

export interface StoreField {
  readonly type: FieldType;
  /** Queries by this field are fast. */
  readonly index?: boolean;
  /** `str` only: fullTextSearch looks here. */
  readonly search?: boolean;
  /** `size` counts it: a `str` and a `json` by the bytes of its text in UTF-8, an `int`, which must not be negative, by its value. */
  readonly sized?: boolean;
}

/** By field name (`a-z 0-9 _`, a letter first; `id` is taken). */
export interface StoreFields {
  readonly [field: string]: FieldType | StoreField;
}

export interface StoreInfo {
  readonly name: string;
  readonly fields: { readonly [field: string]: StoreField };
}

export interface StoreRecord {
  readonly id: string;
  readonly [field: string]: Json;
}

/** As `add` takes them. */
export interface NewStoreRecord {
  readonly fields: JsonObject;
  readonly id?: string;
}

/** By field. A negative one takes away. */
export type StoreAmounts = Readonly<Record<string, number>>;

/** All must hold. `id` may be used like a field. `null` matches a field without a value. */
export interface StoreWhere {
  readonly [field: string]: null | boolean | number | string | StoreRange | StoreAnyOf;
}

/** Bounds of a number or a string; at least one. */
export interface StoreRange {
  readonly lt?: number | string;
  readonly lte?: number | string;
  readonly gt?: number | string;
  readonly gte?: number | string;
}

/** One of up to 1,000 values. */
export interface StoreAnyOf {
  readonly in: readonly (number | string)[];
}

export interface StoreQuery {
  readonly where?: StoreWhere;
  /** A field; null comes before all values, and equal values keep the order they were added in (`descending`: reversed). */
  readonly orderBy?: string;
  readonly descending?: boolean;
  readonly limit?: number;
  /** Only these fields (and `id`): cheaper for records with long texts. */
  readonly select?: readonly string[];
}

export interface StoreSearch {
  readonly where?: StoreWhere;
  readonly limit?: number;
  /** Only these fields (and `id`): cheaper for records with long texts. */
  readonly select?: readonly string[];
}
