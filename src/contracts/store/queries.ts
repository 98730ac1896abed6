/** What every `store` promises about finding records by their fields. */

import assert from "node:assert/strict";
import type { JsonObject, StoreWhere } from "../../protocols";
import { type ContractCase, rejected } from "../contract";

export const queries: readonly ContractCase[] = [
  {
    name: "find gives what matches, as added unless ordered otherwise",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int", word: "str", done: "bool" });
      const rows = [
        { n: 3, word: "b", done: true },
        { n: 1, word: "a", done: false },
        { n: 3, word: "c" },
        { word: "d", done: true },
      ];
      for (const [index, row] of rows.entries()) await store.add("ann", "notes", row, String(index));
      const ids = async (query: Parameters<typeof store.find>[2]) =>
        (await store.find("ann", "notes", query)).map((record) => record.id).join("");
      assert.equal(await ids({}), "0123");
      assert.equal(await ids({ descending: true }), "3210");
      assert.equal(await ids({ orderBy: "n" }), "3102");
      assert.equal(await ids({ orderBy: "n", descending: true }), "2013");
      assert.equal(await ids({ orderBy: "n", limit: 2 }), "31");
      assert.equal(await ids({ limit: 0 }), "");
      assert.equal(await ids({ orderBy: "id", descending: true, limit: 1 }), "3");
      const wheres: [StoreWhere, string][] = [
        [{ n: 3 }, "02"],
        [{ n: null }, "3"],
        [{ done: true, n: 3 }, "0"],
        [{ done: false }, "1"],
        [{ n: { gt: 1 } }, "02"],
        [{ n: { gte: 1, lt: 3 } }, "1"],
        [{ word: { gt: "a", lte: "c" } }, "02"],
        [{ word: { in: ["a", "d", "z"] } }, "13"],
        [{ n: { in: [] } }, ""],
        [{ id: "2" }, "2"],
        [{ id: { in: ["0", "3"] } }, "03"],
        [{ word: "nothing" }, ""],
      ];
      for (const [where, expected] of wheres) {
        assert.equal(await ids({ where }), expected, JSON.stringify(where));
        assert.equal(await store.count("ann", "notes", where), expected.length, JSON.stringify(where));
      }
    },
  },
  {
    name: "select gives only those fields and the id",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int", word: "str" });
      await store.add("ann", "notes", { n: 1, word: "x" }, "1");
      assert.deepEqual(await store.find("ann", "notes", { select: ["n"] }), [{ id: "1", n: 1 }]);
      assert.deepEqual(await store.find("ann", "notes", { select: [] }), [{ id: "1" }]);
    },
  },
  {
    name: "a query that cannot be meant is refused instead of matching everything",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int", word: "str", data: "json", list: "json_collection" });
      const wheres: JsonObject[] = [
        { nope: 1 },
        { n: "1" },
        { word: 1 },
        { n: {} },
        { n: { like: 1 } },
        { n: { gt: "1" } },
        { data: "x" },
        { list: null },
        { n: { in: Array.from({ length: 1001 }, (_, n) => n) } },
        { 'n" = 1 OR "n': 1 },
      ];
      for (const where of wheres) {
        await rejected(store.find("ann", "notes", { where: where as StoreWhere }), "invalid");
        await rejected(store.delete("ann", "notes", "1", where as StoreWhere), "invalid");
      }
      const missing = { n: undefined } as unknown as StoreWhere;
      await rejected(store.find("ann", "notes", { where: missing }), "invalid");
      await rejected(store.find("ann", "notes", { orderBy: "nope" }), "invalid");
      await rejected(store.find("ann", "notes", { select: ["nope"] }), "invalid");
      await rejected(store.find("ann", "notes", { limit: -1 }), "invalid");
    },
  },
];
