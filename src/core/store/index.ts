/**
 * The default of `store`, on bun:sqlite: one table per declared store in `skeleton.db`, or in memory when the server is
 * ephemeral. The owner is part of every WHERE clause, so a record of another owner cannot be reached by any argument.
 * Reads are answered at once; writes go through a queue that groups them, and what is appended to collections is written by a Worker. Several processes may share the file.
 */

import { AppError } from "../../basics/errors";
import type { Core, Json, StoreInfo, StoreProtocol, StoreRecord } from "../../protocols";
import { createCollections } from "./collections";
import { openDatabase, type StoreDatabase } from "./database";
import { createSchema } from "./schema";
import { createForms, reindex, searchRecords, splitBlocks, unindex, withoutBlocks } from "./search";
import { createSizes } from "./sizes";
import {
  checkedCount,
  checkedId,
  columnsOf,
  conditionOf,
  decodeRecord,
  encodeAmounts,
  encodeFields,
  encodeJson,
  insertOf,
  orderAndLimit,
  ownerKey,
  searchedFields,
  selection,
  selectOf,
  sizedFields,
  storeField,
} from "./sql";
import { createStaging } from "./staging";
import { createCheckpoints } from "./writer";
import { createWriteQueue, inSlices, SLICE_MS, type WriteQueue } from "./writes";

export function createStore(core: Core): StoreProtocol {
  const database = openDatabase(core.config);
  const { path: file, found } = database;
  if (file && found === "nothing") core.log.info("Made a new database", { file });
  if (file && found === "empty") core.log.warn("The database was an empty file, and is taken as a new one", { file });
  createStaging(database);
  createSizes(database);
  createForms(database);
  database.serve();
  const checkpoints = createCheckpoints(file, core.log);
  const writes = createWriteQueue(database, checkpoints.written);
  const windowMs = core.config.saveWindowMs;
  const collections = createCollections({ database, writes, checkpoints, log: core.log, windowMs });
  const schema = createSchema(database, writes, core.log);

  const addAll: StoreProtocol["addMany"] = async (owner, name, records) => {
    const store = schema.get(
      name,
      records.flatMap(({ fields }) => Object.keys(fields)),
    );
    const [key, columns, sql] = [ownerKey(owner), columnsOf(store), insertOf(store)];
    const rows = records.map(({ fields, id = Bun.randomUUIDv7() }) => {
      const given = encodeFields(store, fields);
      return { id, values: [key, checkedId(id), ...columns.map((column) => given.get(column) ?? null)] };
    });
    if (rows.length > ADDED_AT_ONCE) {
      throw new AppError("invalid", `At most ${ADDED_AT_ONCE} records are added at once, not ${rows.length}.`);
    }
    await writes.write(() => {
      const now = schema.get(name);
      for (const { id, values } of rows) {
        const added = database.first(sql, ...values);
        if (!added) throw new AppError("conflict", `There is a record "${id}" in "${name}" already.`);
        reindex(database, now, Number(added._row));
      }
    });
    return rows.map(({ id }) => id);
  };

  return {
    createStoreIfNotExists: schema.declare,

    async listStores() {
      return schema.list();
    },

    async findStore(name) {
      return schema.find(name);
    },

    async add(owner, name, fields, id) {
      const [added = ""] = await addAll(owner, name, [id === undefined ? { fields } : { fields, id }]);
      return added;
    },

    addMany: addAll,

    async get(owner, name, id) {
      const store = schema.get(name, []);
      const row = database.first(`${selectOf(store)} AND id = ?`, ownerKey(owner), id);
      return row && decodeRecord(store, row);
    },

    async getMany(owner, name, ids) {
      const found = new Map<string, StoreRecord>();
      for (let from = 0; from < ids.length; from += IDS_AT_ONCE) {
        if (from > 0) await new Promise(setImmediate);
        const store = schema.get(name, []);
        const some = conditionOf(store, { id: { in: ids.slice(from, from + IDS_AT_ONCE) } });
        const rows = database.all(selectOf(store) + some.sql, ownerKey(owner), ...some.values);
        for (const row of rows) found.set(String(row.id), decodeRecord(store, row));
      }
      return ids.map((id) => found.get(id) ?? null);
    },

    async find(owner, name, query = {}) {
      const { where: asked = {}, orderBy = "id", select = [] } = query;
      const store = schema.get(name, [...Object.keys(asked), orderBy, ...select]);
      const where = conditionOf(store, query.where);
      const tail = orderAndLimit(store, query);
      const sql = `SELECT ${selection(store, query.select)} FROM "${name}" WHERE _owner = ?${where.sql}${tail.sql}`;
      const rows = database.all(sql, ownerKey(owner), ...where.values, ...tail.values);
      return rows.map((row) => decodeRecord(store, row));
    },

    async update(owner, name, id, fields, where) {
      const store = schema.get(name, [...Object.keys(fields), ...Object.keys(where ?? {})]);
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

    async increment(owner, name, id, amounts, fields = {}) {
      const store = schema.get(name);
      const added = encodeAmounts(store, amounts);
      const given = new Map([...encodeFields(store, fields), ...added]);
      const values = [ownerKey(owner), checkedId(id), ...given.values()];
      const sums = [...added.keys()].map((field) => `"${field}" = coalesce("${field}", 0) + excluded."${field}"`);
      const sql = `INSERT INTO "${name}" (_owner, id${[...given.keys()].map((field) => `, "${field}"`).join("")})
        VALUES (${values.map(() => "?").join(", ")})
        ON CONFLICT (_owner, id) DO UPDATE SET ${sums.join(", ") || "id = id"} RETURNING _row`;
      await writes.write(() => {
        const changed = database.first(sql, ...values);
        if (changed) reindex(database, schema.get(name), Number(changed._row));
      });
    },

    async delete(owner, name, id, where) {
      const condition = conditionOf(schema.get(name, Object.keys(where ?? {})), where);
      const sql = `DELETE FROM "${name}" WHERE _owner = ? AND id = ?${condition.sql} RETURNING _row`;
      const values = [ownerKey(owner), id, ...condition.values];
      return writes.write(() => {
        const deleted = database.first(sql, ...values);
        if (!deleted) return false;
        const now = schema.get(name);
        unindex(database, now, Number(deleted._row));
        if (hasCollections(now)) collections.forget(name, Number(deleted._row));
        return true;
      });
    },

    async count(owner, name, where) {
      const condition = conditionOf(schema.get(name), where);
      const sql = `SELECT count(*) AS count FROM "${name}" WHERE _owner = ?${condition.sql}`;
      return Number(database.first(sql, ownerKey(owner), ...condition.values)?.count);
    },

    async give(from, to, name) {
      if (from === to) return 0;
      return give(writes, { database, store: schema.get(name), from: ownerKey(from), to: ownerKey(to) });
    },

    async size(owner, name) {
      if (sizedFields(schema.get(name, [])).length === 0)
        throw new AppError("invalid", `The store "${name}" has no sized field.`);
      const sql = "SELECT bytes FROM _sizes WHERE store = ? AND owner = ?";
      return Number(database.first(sql, name, ownerKey(owner))?.bytes ?? 0);
    },

    async collectionAppend(owner, name, id, field, items, where) {
      const store = schema.get(name, [field, ...Object.keys(where ?? {})]);
      checkCollection(store, field);
      const values = items.map((item) => encodeJson(item, `The collection "${field}" of "${name}"`));
      return collections.append({
        store: name,
        owner: ownerKey(owner),
        id,
        field,
        where: conditionOf(store, where),
        lines: values.join("\n"),
        count: values.length,
      });
    },

    async collectionGet(owner, name, id, field, range = {}) {
      checkCollection(schema.get(name, [field]), field);
      const key = { store: name, owner: ownerKey(owner), id, field };
      const from = checkedCount(range.from, "from") ?? 0;
      const values = collections.read(key, from, checkedCount(range.limit, "limit") ?? -1);
      return values.map((value) => JSON.parse(value) as Json);
    },

    async fullTextSearch(owner, name, text, options = {}) {
      return searchRecords(database, schema.get(name), ownerKey(owner), text, options);
    },

    async ping() {
      database.checkFile();
      database.first("SELECT count(*) FROM _store");
    },

    async close() {
      await collections.close();
      await schema.close();
      await writes.drained();
      await checkpoints.close();
      database.close();
    },
  };
}

/** As a server has it: opened at the first call, so that a plugin which replaces it leaves no file of ours behind. */
export function createLazyStore(core: Core): StoreProtocol {
  let opened: StoreProtocol | null = null;
  const store = (): StoreProtocol => {
    opened ??= createStore(core);
    return opened;
  };
  return {
    createStoreIfNotExists: (...args) => store().createStoreIfNotExists(...args),
    listStores: () => store().listStores(),
    findStore: (...args) => store().findStore(...args),
    add: (...args) => store().add(...args),
    addMany: (...args) => store().addMany(...args),
    get: (...args) => store().get(...args),
    getMany: (...args) => store().getMany(...args),
    find: (...args) => store().find(...args),
    update: (...args) => store().update(...args),
    increment: (...args) => store().increment(...args),
    delete: (...args) => store().delete(...args),
    count: (...args) => store().count(...args),
    give: async (...args) => (await store().give?.(...args)) ?? 0,
    size: (...args) => store().size(...args),
    collectionAppend: (...args) => store().collectionAppend(...args),
    collectionGet: (...args) => store().collectionGet(...args),
    fullTextSearch: (...args) => store().fullTextSearch(...args),
    ping: () => store().ping(),
    async close() {
      await opened?.close();
    },
  };
}

const ADDED_AT_ONCE = 1000; // The protocol's bound.
const IDS_AT_ONCE = 256; // Of records that may be long: a millisecond or two of reading.

function hasCollections(store: StoreInfo): boolean {
  return Object.values(store.fields).some(({ type }) => type === "json_collection");
}

function checkCollection(store: StoreInfo, field: string): void {
  if (storeField(store, field).type === "json_collection") return;
  throw new AppError("invalid", `The field "${field}" of "${store.name}" is no collection.`);
}

interface Giving {
  readonly database: StoreDatabase;
  readonly store: StoreInfo;
  /** As the `_owner` column has them. */
  readonly from: string;
  readonly to: string;
}

/**
 * How many records were given; one whose id the other has already stays. Only the owner of a row changes, so collections follow by
 * themselves, and what is searched is indexed anew. In the order of the rows, so that both owners' records stay in the order
 * in which they were added.
 */
async function give(writes: WriteQueue, giving: Giving): Promise<number> {
  const { database, store, from, to } = giving;
  const before = countOf(giving);
  let left = before;
  // Again, because a write that has to be done twice has moved on, and because the giver may still be writing.
  for (let last = Number.POSITIVE_INFINITY; left > 0 && left < last; ) {
    last = left;
    await inSlices(writes, sliceOf(giveRows(giving)));
    left = countOf(giving);
  }
  if (searchedFields(store).length > 0) {
    await inSlices(writes, sliceOf(splitBlocks(database, store, to)));
    await writes.write(() => withoutBlocks(database, store, from));
  }
  return before - left;
}

function countOf({ database, store, from }: Giving): number {
  return Number(database.first(`SELECT count(*) AS n FROM "${store.name}" WHERE _owner = ?`, from)?.n);
}

function* giveRows({ database, store, from, to }: Giving): Generator<void> {
  const next = `SELECT min(_row) AS row FROM "${store.name}" WHERE _owner = ? AND _row > ?`;
  const take = `UPDATE OR IGNORE "${store.name}" SET _owner = ? WHERE _row = ? RETURNING _row`;
  for (let after = -1; ; ) {
    const row = database.first(next, from, after)?.row ?? null;
    if (row === null) return;
    after = Number(row);
    if (database.first(take, to, after)) reindex(database, store, after);
    yield;
  }
}

/** As many of the steps as fit into a slice. */
function sliceOf(steps: Generator<void>): () => boolean {
  return () => {
    const end = performance.now() + SLICE_MS;
    while (performance.now() < end) if (steps.next().done) return false;
    return true;
  };
}
