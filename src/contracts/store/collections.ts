/** What every `store` promises about append-only collections. */

import assert from "node:assert/strict";
import type { Json, StoreWhere } from "../../protocols";
import { type ContractCase, rejected } from "../contract";

export const collections: readonly ContractCase[] = [
  {
    name: "a collection keeps its items in order, gives ranges, and is no part of the record",
    async run({ store }) {
      await store.createStoreIfNotExists("logs", { name: "str", lines: "json_collection", other: "json_collection" });
      await store.add("ann", "logs", { name: "x" }, "1");
      await store.collectionAppend("ann", "logs", "1", "lines", ["a", { b: null }]);
      await store.collectionAppend("ann", "logs", "1", "lines", []);
      await store.collectionAppend("ann", "logs", "1", "lines", [null, 4]);
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines"), ["a", { b: null }, null, 4]);
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines", { from: 1, limit: 2 }), [
        { b: null },
        null,
      ]);
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines", { from: 9 }), []);
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "other"), []);
      assert.deepEqual(await store.get("ann", "logs", "1"), { id: "1", name: "x" });
    },
  },
  {
    name: "appends are all or none, and need a record and a collection",
    async run({ store }) {
      await store.createStoreIfNotExists("logs", { name: "str", lines: "json_collection" });
      await store.add("ann", "logs", {}, "1");
      const broken = [1, undefined] as unknown as Json[];
      await rejected(store.collectionAppend("ann", "logs", "1", "lines", broken), "invalid");
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines"), []);
      await rejected(store.collectionAppend("ann", "logs", "2", "lines", [1]), "notFound");
      await rejected(store.collectionAppend("bob", "logs", "1", "lines", [1]), "notFound");
      await rejected(store.collectionAppend("ann", "logs", "1", "name", [1]), "invalid");
      assert.deepEqual(await store.collectionGet("ann", "logs", "2", "lines"), []);
    },
  },
  {
    name: "an append with a condition that does not hold leaves nothing",
    async run({ store }) {
      await store.createStoreIfNotExists("logs", { name: "str", epoch: "int", lines: "json_collection" });
      await store.add("ann", "logs", { epoch: 1 }, "1");
      const append = (line: number, where: StoreWhere) =>
        store.collectionAppend("ann", "logs", "1", "lines", [line], where);
      assert.equal(await append(1, { epoch: 1 }), true);
      assert.equal(await append(2, { epoch: 0 }), false);
      assert.equal(await append(3, { epoch: 1, name: "x" }), false);
      assert.equal(await append(4, { epoch: { lte: 1 }, name: null }), true);
      await store.update("ann", "logs", "1", { epoch: 2 });
      assert.equal(await append(5, { epoch: 1 }), false);
      assert.equal(await append(6, { epoch: 2 }), true);
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines"), [1, 4, 6]);
      await rejected(store.collectionAppend("ann", "logs", "2", "lines", [1], { epoch: 1 }), "notFound");
    },
  },
  {
    name: "of appends that are asked for at once, to many records, each is checked by itself, and is there when it resolves",
    async run({ store }) {
      await store.createStoreIfNotExists("logs", { epoch: "int", lines: "json_collection" });
      for (let n = 0; n < 10; n++) await store.add("ann", "logs", { epoch: n % 2 }, `${n}`);
      const append = async (n: number) => {
        const isDone = await store.collectionAppend("ann", "logs", `${n}`, "lines", [n], { epoch: 0 });
        assert.deepEqual(await store.collectionGet("ann", "logs", `${n}`, "lines"), isDone ? [n] : []);
        return isDone;
      };
      const missing = rejected(store.collectionAppend("ann", "logs", "none", "lines", [1]), "notFound");
      const done = await Promise.all(Array.from({ length: 10 }, (_, n) => append(n)));
      assert.deepEqual(
        done,
        Array.from({ length: 10 }, (_, n) => n % 2 === 0),
      );
      await missing;
    },
  },
  {
    name: "a record that is added anew has nothing of the one that was deleted under its id",
    async run({ store }) {
      await store.createStoreIfNotExists("logs", { lines: "json_collection" });
      await store.add("ann", "logs", {}, "1");
      await store.collectionAppend("ann", "logs", "1", "lines", ["old"]);
      await store.delete("ann", "logs", "1");
      await store.add("ann", "logs", {}, "1");
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines"), []);
      await store.collectionAppend("ann", "logs", "1", "lines", ["new"]);
      assert.deepEqual(await store.collectionGet("ann", "logs", "1", "lines"), ["new"]);
    },
  },
  {
    name: "appends at the same time all arrive, each caller's items together",
    async run({ store }) {
      await store.createStoreIfNotExists("logs", { lines: "json_collection" });
      await store.add("ann", "logs", {}, "1");
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => store.collectionAppend("ann", "logs", "1", "lines", [n, n])),
      );
      const lines = await store.collectionGet("ann", "logs", "1", "lines");
      assert.equal(lines.length, 100);
      for (let n = 0; n < lines.length; n += 2) assert.equal(lines[n], lines[n + 1]);
    },
  },
];
