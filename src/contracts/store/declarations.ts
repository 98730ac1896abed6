/** What every `store` promises about declared stores and their fields. */

import assert from "node:assert/strict";
import type { Json } from "../../protocols";
import { type ContractCase, holds, rejected } from "../contract";

export const declarations: readonly ContractCase[] = [
  {
    name: "declaring twice changes nothing, and a new field is null in old records",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str" });
      await store.add("ann", "notes", { text: "x" }, "1");
      await store.createStoreIfNotExists("notes", { text: "str" });
      await store.createStoreIfNotExists("notes", { text: "str", rank: { type: "int", index: true } });
      assert.deepEqual(await store.get("ann", "notes", "1"), { id: "1", text: "x", rank: null });
      assert.equal(await store.update("ann", "notes", "1", { rank: 3 }), true);
    },
  },
  {
    name: "a field that is no longer declared is kept",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str", old: "int" });
      await store.add("ann", "notes", { text: "x", old: 1 }, "1");
      await store.createStoreIfNotExists("notes", { text: "str" });
      assert.deepEqual(await store.get("ann", "notes", "1"), { id: "1", text: "x", old: 1 });
    },
  },
  {
    name: "a field of another type is a conflict that names store, field and both types, and changes nothing",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str", rank: "int" });
      const before = await store.findStore("notes");
      const error = await rejected(store.createStoreIfNotExists("notes", { fresh: "str", rank: "str" }), "conflict");
      for (const word of ["notes", "rank", "int", "str"]) assert.match(error.message, new RegExp(`\\b${word}\\b`));
      assert.deepEqual(await store.findStore("notes"), before);
    },
  },
  {
    name: "stores and fields are named with a-z, 0-9 and _, a letter first, and id is taken",
    async run({ store }) {
      for (const name of ["", "A", "1a", "a-b", 'a"b', "a b", "a;b", "_a", "ä"]) {
        await rejected(store.createStoreIfNotExists(name, { text: "str" }), "invalid");
        await rejected(store.createStoreIfNotExists("fine", { [name]: "str" }), "invalid");
      }
      await rejected(store.createStoreIfNotExists("fine", { id: "str" }), "invalid");
      const odd = "constructor" as string; // A word that every object knows.
      await store.createStoreIfNotExists("fine_1", { order: "str", select: "int", a_1: "bool" });
      await store.createStoreIfNotExists("fine_1", { [odd]: "str" });
      await store.add("ann", "fine_1", { order: "x", select: 1, [odd]: "y" }, "1");
      const found = await store.find("ann", "fine_1", { where: { order: "x", [odd]: "y" }, orderBy: "select" });
      assert.equal(found.length, 1);
      assert.equal(await store.findStore("fine"), null);
    },
  },
  {
    name: "listStores and findStore tell of declared stores, by name",
    async run({ store }) {
      await store.createStoreIfNotExists("zoo", { animal: { type: "str", index: true, search: true } });
      await store.createStoreIfNotExists("ark", { animal: "str", crew: "json_collection" });
      const names = (await store.listStores()).map((info) => info.name);
      assert.deepEqual(names, [...names].sort());
      holds(names, "zoo and ark among them", () => names.includes("zoo") && names.includes("ark"));
      const zoo = await store.findStore("zoo");
      assert.deepEqual(zoo, { name: "zoo", fields: { animal: { type: "str", index: true, search: true } } });
      assert.equal(await store.findStore("none"), null);
    },
  },
  {
    name: "an unknown store, an unknown field and a value of another type are refused by name",
    async run({ store }) {
      await rejected(store.add("ann", "nowhere", {}), "notFound", /nowhere/);
      await rejected(store.find("ann", "nowhere"), "notFound", /nowhere/);
      await store.createStoreIfNotExists("typed", { s: "str", i: "int", f: "float", b: "bool", c: "json_collection" });
      await rejected(store.add("ann", "typed", { other: 1 }), "invalid", /other/);
      const wrong: [string, Json][] = [
        ["s", 1],
        ["i", 1.5],
        ["i", "1"],
        ["i", 2 ** 53],
        ["f", Number.NaN],
        ["f", Number.POSITIVE_INFINITY],
        ["b", 1],
        ["c", []],
      ];
      for (const [field, value] of wrong) {
        await rejected(store.add("ann", "typed", { [field]: value }), "invalid", new RegExp(`"${field}"`));
      }
      await store.add("ann", "typed", {}, "1");
      await rejected(store.update("ann", "typed", "1", { i: "x" }), "invalid", /"i"/);
      assert.equal(await store.count("ann", "typed"), 1);
    },
  },
  {
    name: "ping resolves while the store can be read, and close ends after what was begun",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int" });
      await store.ping();
      const writes = Array.from({ length: 100 }, (_, n) => store.add("ann", "notes", { n }, `${n}`));
      const closed = store.close();
      assert.equal((await Promise.all(writes)).length, 100);
      await closed;
    },
  },
];
