/** The protocol of the store as plainly as it can be said: arrays and maps in memory. What the property test compares with. */

import type { Json, JsonObject, StoreProtocol, StoreQuery, StoreRecord, StoreWhere } from "../../../src/protocols";

interface Kept {
  readonly owner: string | null;
  record: StoreRecord;
  readonly items: Map<string, Json[]>;
}

type Modelled = Omit<StoreProtocol, "createStoreIfNotExists" | "listStores" | "findStore" | "ping" | "close">;

/** Of one store: its columns, those that are searched, and the texts and JSON that are sized. */
interface ModelFields {
  readonly fields: readonly string[];
  readonly searched: readonly string[];
  readonly sized: { readonly [field: string]: "str" | "json" };
}

export function createModel({ fields, searched, sized }: ModelFields): Modelled {
  let kept: Kept[] = [];
  const one = (owner: string | null, id: string) => kept.find((row) => row.owner === owner && row.record.id === id);
  const matching = (owner: string | null, where: StoreWhere = {}) =>
    kept.filter((row) => row.owner === owner && matches(row.record, where)).map((row) => row.record);

  return {
    async add(owner, _store, given, id = "") {
      if (one(owner, id)) throw new Error("conflict");
      const nothing = Object.fromEntries(fields.map((field) => [field, null]));
      kept.push({ owner, record: { id, ...nothing, ...given }, items: new Map() });
      return id;
    },
    async addMany(owner, store, records) {
      const ids = records.map(({ id = "" }) => id);
      if (new Set(ids).size < ids.length || ids.some((id) => one(owner, id))) throw new Error("conflict");
      return Promise.all(records.map(({ fields: given, id }) => this.add(owner, store, given, id)));
    },
    async getMany(owner, store, ids) {
      return Promise.all(ids.map((id) => this.get(owner, store, id)));
    },
    async get(owner, _store, id) {
      return one(owner, id)?.record ?? null;
    },
    async find(owner, _store, query = {}) {
      return ordered(matching(owner, query.where), query)
        .slice(0, query.limit)
        .map((record) => picked(record, query.select));
    },
    async update(owner, _store, id, given, where = {}) {
      const row = one(owner, id);
      if (!row || !matches(row.record, where)) return false;
      row.record = { ...row.record, ...given };
      return true;
    },
    async increment(owner, store, id, amounts, given = {}) {
      const row = one(owner, id);
      if (!row) return void (await this.add(owner, store, { ...given, ...amounts }, id));
      const sums = Object.entries(amounts).map(([field, by]) => [field, Number(row.record[field] ?? 0) + by]);
      row.record = { ...row.record, ...Object.fromEntries(sums) };
    },
    async delete(owner, _store, id, where = {}) {
      const row = one(owner, id);
      if (!row || !matches(row.record, where)) return false;
      kept = kept.filter((other) => other !== row);
      return true;
    },
    async count(owner, _store, where) {
      return matching(owner, where).length;
    },
    async size(owner) {
      const texts = matching(owner).flatMap((record) =>
        Object.entries(sized).map(([field, type]) => {
          const value = record[field] ?? null;
          return value === null ? "" : type === "json" ? JSON.stringify(value) : String(value);
        }),
      );
      return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    },
    async collectionAppend(owner, _store, id, field, items, where = {}) {
      const row = one(owner, id);
      if (!row) throw new Error("notFound");
      if (!matches(row.record, where)) return false;
      row.items.set(field, [...(row.items.get(field) ?? []), ...items]);
      return true;
    },
    async collectionGet(owner, _store, id, field, { from = 0, limit = Number.POSITIVE_INFINITY } = {}) {
      return (one(owner, id)?.items.get(field) ?? []).slice(from, from + limit);
    },
    async fullTextSearch(owner, _store, text, { where, limit = 50 } = {}) {
      const words = wordsOf(text);
      if (words.length === 0) return [];
      const found = matching(owner, where).filter((record) => {
        const has = searched.flatMap((field) => wordsOf(String(record[field] ?? "")));
        return words.every((word, at) =>
          has.some(
            (other) => other === word || (at === words.length - 1 && word.length >= 3 && other.startsWith(word)),
          ),
        );
      });
      return found.reverse().slice(0, limit);
    },
  };
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

function matches(record: StoreRecord, where: StoreWhere): boolean {
  return Object.entries(where).every(([name, test]) => {
    const value = record[name] ?? null;
    if (test === null || typeof test !== "object") return value === test;
    if ("in" in test) return test.in.some((option) => option === value);
    return (
      value !== null &&
      (test.lt === undefined || compare(value, test.lt) < 0) &&
      (test.lte === undefined || compare(value, test.lte) <= 0) &&
      (test.gt === undefined || compare(value, test.gt) > 0) &&
      (test.gte === undefined || compare(value, test.gte) >= 0)
    );
  });
}

/** Null first; texts by code point; the property test uses no text beyond the basic plane. */
function compare(a: Json, b: Json): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  return a < b ? -1 : Number(a > b);
}

function ordered(records: StoreRecord[], { orderBy, descending }: StoreQuery): StoreRecord[] {
  const up = orderBy ? records.toSorted((a, b) => compare(a[orderBy] ?? null, b[orderBy] ?? null)) : records;
  return descending ? up.toReversed() : up;
}

function picked(record: StoreRecord, select: readonly string[] | undefined): StoreRecord {
  if (!select) return record;
  const some: JsonObject = Object.fromEntries(select.map((field) => [field, record[field] ?? null]));
  return { id: record.id, ...some };
}
