/** What every `store` promises about single records: whose they are, and how they are added, changed and removed. */

import assert from "node:assert/strict";
import { isAppError } from "../../basics/errors";
import type { Core } from "../../protocols";
import { type ContractCase, rejected } from "../contract";

export const records: readonly ContractCase[] = [
  {
    name: "a record comes back with its id and every kind of value as it was given",
    async run({ store }) {
      await store.createStoreIfNotExists("kinds", { s: "str", i: "int", f: "float", b: "bool", j: "json" });
      const fields = { s: "zero \0 and 😀", i: 2 ** 53 - 1, f: 0.1, b: false, j: { a: [1, null, "x"] } };
      const id = await store.add("ann", "kinds", fields);
      assert.deepEqual(await store.get("ann", "kinds", id), { id, ...fields });
    },
  },
  {
    name: "fields that are not given are null",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str", done: "bool", data: "json" });
      await store.add("ann", "notes", { text: "x" }, "1");
      assert.deepEqual(await store.get("ann", "notes", "1"), { id: "1", text: "x", done: null, data: null });
    },
  },
  {
    name: "without an id one is made, unique and sorting by time",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int" });
      const ids: string[] = [];
      for (let n = 0; n < 20; n += 1) ids.push(await store.add("ann", "notes", { n }));
      ids.push(...(await store.addMany("ann", "notes", [{ fields: { n: 20 } }, { fields: { n: 21 } }])));
      assert.deepEqual(ids, [...new Set(ids)].sort());
    },
  },
  {
    name: "what is added at once lies in the order of the calls, and its ids sort so",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int" });
      const calls = Array.from({ length: 30 }, (_, n) =>
        n % 3 === 2
          ? store.addMany("ann", "notes", [{ fields: { n } }, { fields: { n } }])
          : store.add("ann", "notes", { n }),
      );
      const ids = (await Promise.all(calls)).flat();
      const kept = await store.find("ann", "notes");
      assert.deepEqual(
        kept.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(ids, ids.toSorted());
    },
  },
  {
    name: "many are added in one step: all, or none when one of them cannot be",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int", text: { type: "str", search: true, sized: true } });
      await store.add("ann", "notes", { n: 0 }, "taken");
      const record = (id: string, n: number) => ({ id, fields: { n, text: "found" } });
      assert.deepEqual(await store.addMany("ann", "notes", []), []);
      for (const wrong of [record("taken", 1), record("b", 1.5), record("a", 2)]) {
        const code = wrong.id === "b" ? "invalid" : "conflict";
        await rejected(store.addMany("ann", "notes", [record("a", 1), wrong]), code);
      }
      assert.equal(await store.count("ann", "notes"), 1);
      assert.equal(await store.size("ann", "notes"), 0);
      assert.deepEqual(await store.addMany("ann", "notes", [record("a", 1), record("b", 2)]), ["a", "b"]);
      const found = await store.fullTextSearch("ann", "notes", "found", { select: [] });
      assert.deepEqual(found, [{ id: "b" }, { id: "a" }]);
      assert.equal(await store.size("ann", "notes"), 10);
      const tooMany = Array.from({ length: 1001 }, () => ({ fields: {} }));
      await rejected(store.addMany("ann", "notes", tooMany), "invalid");
    },
  },
  {
    name: "many are read in the order of the ids that are asked for, with null for what is not there or another's",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int" });
      const ids = Array.from({ length: 1000 }, (_, n) => `é😀 ${n}`);
      await store.addMany(
        "ann",
        "notes",
        ids.map((id, n) => ({ id, fields: { n } })),
      );
      await store.add("bob", "notes", { n: 1 }, "his");
      assert.deepEqual(await store.getMany("ann", "notes", []), []);
      const asked = [...ids.toReversed(), "his", "nowhere", ids[0] ?? ""];
      const expected = [...ids.map((id, n) => ({ id, n })).toReversed(), null, null, { id: ids[0], n: 0 }];
      assert.deepEqual(await store.getMany("ann", "notes", asked), expected);
      assert.deepEqual(await store.getMany(null, "notes", ["his"]), [null]);
    },
  },
  {
    name: "of many who add the same id exactly one succeeds, and each owner has ids of their own",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int" });
      const tries = await Promise.allSettled([1, 2, 3, 4, 5].map((n) => store.add("ann", "notes", { n }, "same")));
      const lost = tries.filter((attempt) => attempt.status === "rejected");
      assert.equal(lost.length, 4);
      for (const attempt of lost) assert.equal(isAppError(attempt.reason) && attempt.reason.code, "conflict");
      assert.equal(await store.add("bob", "notes", { n: 9 }, "same"), "same");
      assert.equal(await store.count("ann", "notes"), 1);
    },
  },
  {
    name: "amounts that many add to a number at once all count, and the first of them makes the record",
    async run({ store }) {
      await store.createStoreIfNotExists("sums", { day: "str", n: "int", cost: "float" });
      const add = (n: number) => store.increment("ann", "sums", "1", { n, cost: 0.5 }, { day: "monday" });
      await Promise.all([1, 2, 3, 4].map(add));
      assert.deepEqual(await store.get("ann", "sums", "1"), { id: "1", day: "monday", n: 10, cost: 2 });
      assert.equal(await store.get("bob", "sums", "1"), null);
      await store.increment("ann", "sums", "1", { n: -4 }, { day: "tuesday" });
      assert.deepEqual(await store.get("ann", "sums", "1"), { id: "1", day: "monday", n: 6, cost: 2 });
    },
  },
  {
    name: "an amount is added to nothing as to 0, and only to a field of numbers, in whose type it fits",
    async run({ store }) {
      await store.createStoreIfNotExists("sums", { day: "str", n: "int", cost: "float" });
      await store.add("ann", "sums", { day: "monday" }, "1");
      await store.increment("ann", "sums", "1", { n: 2 });
      for (const amounts of [{ day: 1 }, { n: 0.5 }, { cost: Number.NaN }, { nowhere: 1 }, { n: 1, id: 1 }]) {
        await rejected(store.increment("ann", "sums", "1", amounts), "invalid");
      }
      assert.deepEqual(await store.get("ann", "sums", "1"), { id: "1", day: "monday", n: 2, cost: null });
    },
  },
  {
    name: "nobody reaches a record of another owner, and the server is an owner like any other",
    async run(core) {
      await scopesAreApart(core);
    },
  },
  {
    name: "an empty username is not the server",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str" });
      await store.add(null, "notes", { text: "the server's" }, "1");
      await rejected(store.get("", "notes", "1"), "invalid");
      await rejected(store.add("", "notes", {}), "invalid");
    },
  },
  {
    name: "update sets the given fields and leaves the others",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int", word: "str" });
      await store.add("ann", "notes", { n: 1, word: "x" }, "1");
      assert.equal(await store.update("ann", "notes", "1", { n: null }), true);
      assert.deepEqual(await store.get("ann", "notes", "1"), { id: "1", n: null, word: "x" });
      assert.equal(await store.update("ann", "notes", "1", {}), true);
      assert.equal(await store.update("ann", "notes", "2", { n: 1 }), false);
      await rejected(store.update("ann", "notes", "1", { id: "2" }), "invalid");
    },
  },
  {
    name: "update with where is a compare-and-set: of many, one wins",
    async run({ store }) {
      await store.createStoreIfNotExists("locks", { holder: "str" });
      await store.add(null, "locks", {}, "lock");
      const claims = ["a", "b", "c"].map((holder) => store.update(null, "locks", "lock", { holder }, { holder: null }));
      assert.equal((await Promise.all(claims)).filter(Boolean).length, 1);
      const holder = (await store.get(null, "locks", "lock"))?.holder;
      assert.equal(await store.update(null, "locks", "lock", { holder: "d" }, { holder: "nobody" }), false);
      assert.equal((await store.get(null, "locks", "lock"))?.holder, holder);
    },
  },
  {
    name: "delete removes the record with its collections, once, and only when where matches",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int", list: "json_collection" });
      await store.add("ann", "notes", { n: 1 }, "1");
      await store.collectionAppend("ann", "notes", "1", "list", [1, 2]);
      assert.equal(await store.delete("ann", "notes", "1", { n: 2 }), false);
      assert.equal(await store.delete("ann", "notes", "1", { n: 1 }), true);
      assert.equal(await store.delete("ann", "notes", "1"), false);
      assert.equal(await store.get("ann", "notes", "1"), null);
      await store.add("ann", "notes", { n: 1 }, "1");
      assert.deepEqual(await store.collectionGet("ann", "notes", "1", "list"), []);
    },
  },
  {
    name: "a write that fails fails alone, and the writes beside it are kept",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { n: "int" });
      await store.add("ann", "notes", { n: 0 }, "taken");
      const outcomes = await Promise.allSettled([
        store.add("ann", "notes", { n: 1 }, "first"),
        store.add("ann", "notes", { n: 2 }, "taken"),
        store.add("ann", "notes", { n: 3 }, "last"),
      ]);
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status),
        ["fulfilled", "rejected", "fulfilled"],
      );
      const kept = await store.find("ann", "notes", { orderBy: "n", select: ["n"] });
      assert.deepEqual(
        kept.map((record) => record.n),
        [0, 1, 3],
      );
    },
  },
];

async function scopesAreApart({ store }: Core): Promise<void> {
  await store.createStoreIfNotExists("notes", { text: "str", list: "json_collection" });
  await store.add("ann", "notes", { text: "hers" }, "1");
  await store.collectionAppend("ann", "notes", "1", "list", ["hers"]);
  for (const other of ["bob", null, "ann ", "ANN", "%"]) {
    assert.equal(await store.get(other, "notes", "1"), null);
    assert.deepEqual(await store.getMany(other, "notes", ["1"]), [null]);
    assert.deepEqual(await store.find(other, "notes", { where: { id: "1" } }), []);
    assert.equal(await store.count(other, "notes"), 0);
    assert.equal(await store.update(other, "notes", "1", { text: "stolen" }), false);
    assert.equal(await store.delete(other, "notes", "1"), false);
    assert.deepEqual(await store.collectionGet(other, "notes", "1", "list"), []);
  }
  await store.add(null, "notes", { text: "the server's" }, "2");
  assert.equal(await store.get("ann", "notes", "2"), null);
  assert.deepEqual(await store.find("ann", "notes"), [{ id: "1", text: "hers" }]);
  assert.deepEqual(await store.find(null, "notes"), [{ id: "2", text: "the server's" }]);
}
