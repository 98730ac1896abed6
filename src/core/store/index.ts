/**
 * The default of `store`, on bun:sqlite: one table per declared store in `skeleton.db`, or in memory when the server is
 * ephemeral. The owner is part of every WHERE clause, so a record of another owner cannot be reached by any argument.
 * Reads are answered at once; writes go through a queue that groups them. Several processes may share the file.
 */

import { AppError } from "../../errors";
import type { Core, Json, StoreInfo, StoreProtocol } from "../../protocols";
import { openDatabase, type StoreDatabase } from "./database";
import { createSchema } from "./schema";
import { search } from "./search";
import { reindex, unindex } from "./search-index";
import {
  checkedId,
  columnsOf,
  decodeRecord,
  encodeFields,
  encodeJson,
  fieldOf,
  ownerKey,
  searchedFields,
} from "./values";
import { checkedCount, conditionOf, orderAndLimit, selection } from "./where";
import { createWriteQueue } from "./writes";

export function createStore(core: Core): StoreProtocol {
  const database = openDatabase(core.config);
  const writes = createWriteQueue(database);
  const schema = createSchema(database, writes, core.log);

  return {
    createStoreIfNotExists: schema.declare,

    async listStores() {
      return schema.list();
    },

    async findStore(name) {
      return schema.find(name);
    },

    async add(owner, name, fields, id = Bun.randomUUIDv7()) {
      const store = schema.get(name);
      const given = encodeFields(store, fields);
      const key = [ownerKey(owner), checkedId(id)];
      const columns = columnsOf(store);
      const values = [...key, ...columns.map((column) => given.get(column) ?? null)];
      const sql = `INSERT INTO "${name}" (_owner, id${columns.map((column) => `, "${column}"`).join("")})
        VALUES (${values.map(() => "?").join(", ")}) ON CONFLICT (_owner, id) DO NOTHING RETURNING _row`;
      await writes.write(() => {
        const added = database.first(sql, ...values);
        if (!added) throw new AppError("conflict", `There is a record "${id}" in "${name}" already.`);
        if (isSearched(schema.get(name))) reindex(database, schema.get(name), Number(added._row));
      });
      return id;
    },

    async get(owner, name, id) {
      const store = schema.get(name);
      const sql = `SELECT ${selection(store)} FROM "${name}" WHERE _owner = ? AND id = ?`;
      const row = database.first(sql, ownerKey(owner), id);
      return row && decodeRecord(store, row);
    },

    async find(owner, name, query = {}) {
      const store = schema.get(name);
      const where = conditionOf(store, query.where);
      const tail = orderAndLimit(store, query);
      const sql = `SELECT ${selection(store, query.select)} FROM "${name}" WHERE _owner = ?${where.sql}${tail.sql}`;
      const rows = database.all(sql, ownerKey(owner), ...where.values, ...tail.values);
      return rows.map((row) => decodeRecord(store, row));
    },

    async update(owner, name, id, fields, where) {
      const store = schema.get(name);
      const given = encodeFields(store, fields);
      const condition = conditionOf(store, where);
      // Without a field to set, the answer is still whether the record is there and matches.
      const set = given.size === 0 ? "_owner = _owner" : [...given.keys()].map((field) => `"${field}" = ?`).join(", ");
      const sql = `UPDATE "${name}" SET ${set} WHERE _owner = ? AND id = ?${condition.sql} RETURNING _row`;
      const values = [...given.values(), ownerKey(owner), id, ...condition.values];
      return writes.write(() => {
        const updated = database.first(sql, ...values);
        const now = schema.get(name);
        if (updated && searchedFields(now).some((field) => given.has(field)))
          reindex(database, now, Number(updated._row));
        return updated !== null;
      });
    },

    async delete(owner, name, id, where) {
      const condition = conditionOf(schema.get(name), where);
      const sql = `DELETE FROM "${name}" WHERE _owner = ? AND id = ?${condition.sql} RETURNING _row`;
      const values = [ownerKey(owner), id, ...condition.values];
      return writes.write(() => {
        const deleted = database.first(sql, ...values);
        if (deleted && isSearched(schema.get(name))) unindex(database, schema.get(name), Number(deleted._row));
        return deleted !== null;
      });
    },

    async count(owner, name, where) {
      const condition = conditionOf(schema.get(name), where);
      const sql = `SELECT count(*) AS count FROM "${name}" WHERE _owner = ?${condition.sql}`;
      return Number(database.first(sql, ownerKey(owner), ...condition.values)?.count);
    },

    async collectionAppend(owner, name, id, field, items) {
      const store = schema.get(name);
      checkCollection(store, field);
      const values = items.map((item) => encodeJson(item, `The collection "${field}" of "${name}"`));
      const key = ownerKey(owner);
      return writes.write(() => append(database, name, { owner: key, id, field, values }));
    },

    async collectionGet(owner, name, id, field, range = {}) {
      checkCollection(schema.get(name), field);
      const rows = database.all(
        `SELECT value FROM "${name}.items"
        WHERE record = (SELECT _row FROM "${name}" WHERE _owner = ? AND id = ?) AND field = ? AND position >= ?
        ORDER BY position LIMIT ?`,
        ownerKey(owner),
        id,
        field,
        checkedCount(range.from, "from") ?? 0,
        checkedCount(range.limit, "limit") ?? -1,
      );
      return rows.map((row) => JSON.parse(String(row.value)) as Json);
    },

    async fullTextSearch(owner, name, text, options = {}) {
      return search(database, schema.get(name), ownerKey(owner), text, options);
    },

    async ping() {
      database.first("SELECT count(*) FROM _store");
    },

    async close() {
      await writes.drained();
      database.close();
    },
  };
}

function isSearched(store: StoreInfo): boolean {
  return searchedFields(store).length > 0;
}

function checkCollection(store: StoreInfo, field: string): void {
  if (fieldOf(store, field).type === "json_collection") return;
  throw new AppError("invalid", `The field "${field}" of "${store.name}" is no collection.`);
}

interface Append {
  readonly owner: string;
  readonly id: string;
  readonly field: string;
  readonly values: readonly string[];
}

function append(database: StoreDatabase, name: string, { owner, id, field, values }: Append): number {
  const record = database.first(`SELECT _row FROM "${name}" WHERE _owner = ? AND id = ?`, owner, id);
  if (!record) throw new AppError("notFound", `There is no record "${id}" in "${name}".`);
  const row = Number(record._row);
  const last = database.first(
    `SELECT max(position) AS position FROM "${name}.items" WHERE record = ? AND field = ?`,
    row,
    field,
  );
  let length = last?.position === null || last === null ? 0 : Number(last.position) + 1;
  for (const value of values) {
    database.run(
      `INSERT INTO "${name}.items" (record, field, position, value) VALUES (?, ?, ?, ?)`,
      row,
      field,
      length,
      value,
    );
    length += 1;
  }
  return length;
}
