/** What every `store` promises about how much an owner has. */

import assert from "node:assert/strict";
import type { StoreProtocol } from "../../protocols";
import { type ContractCase, rejected } from "../contract";

const FIELDS = {
  text: { type: "str", sized: true },
  data: { type: "json", sized: true },
  weight: { type: "int", sized: true },
  label: "str",
} as const;

/** Waits: a store may count old records beside other work. */
async function comesTo(store: StoreProtocol, name: string, bytes: number): Promise<void> {
  for (let tries = 0; tries < 200 && (await store.size("ann", name)) !== bytes; tries += 1) await Bun.sleep(10);
  assert.equal(await store.size("ann", name), bytes);
}

export const sizes: readonly ContractCase[] = [
  {
    name: "the size is the sum of the sized fields of an owner's records, whatever happens to them",
    async run({ store }) {
      await store.createStoreIfNotExists("weighed", FIELDS);
      assert.equal(await store.size("ann", "weighed"), 0);
      await store.add("ann", "weighed", { text: "12345", label: "not counted" }, "1");
      await store.add("ann", "weighed", { text: "ü€😀", data: ["é"], weight: 100 }, "2");
      await store.add("bob", "weighed", { weight: 7 }, "1");
      assert.equal(await store.size("ann", "weighed"), 5 + (2 + 3 + 4) + 6 + 100);
      await rejected(store.add("ann", "weighed", { weight: 1000 }, "1"), "conflict");
      await store.update("ann", "weighed", "2", { text: null, weight: 50 });
      await store.update("ann", "weighed", "1", { label: "longer, and still not counted" });
      assert.equal(await store.update("ann", "weighed", "1", { text: "" }, { text: "another" }), false);
      assert.equal(await store.size("ann", "weighed"), 5 + 6 + 50);
      await store.delete("ann", "weighed", "1");
      await store.delete("ann", "weighed", "1");
      assert.equal(await store.size("ann", "weighed"), 6 + 50);
      assert.equal(await store.size("bob", "weighed"), 7);
      assert.equal(await store.size(null, "weighed"), 0);
    },
  },
  {
    name: "the size is right after many changes at once",
    async run({ store }) {
      await store.createStoreIfNotExists("weighed", FIELDS);
      const numbers = Array.from({ length: 50 }, (_, n) => n);
      await Promise.all(numbers.map((n) => store.add("ann", "weighed", { weight: 10 }, `${n % 25}`).catch(() => {})));
      await Promise.all(numbers.map((n) => store.update("ann", "weighed", `${n % 25}`, { weight: 20 + (n % 3) })));
      await Promise.all(numbers.map((n) => store.delete("ann", "weighed", `${n % 5}`)));
      const left = await store.find("ann", "weighed");
      assert.equal(left.length, 20);
      const sum = left.reduce((total, { weight }) => total + Number(weight), 0);
      assert.equal(await store.size("ann", "weighed"), sum);
    },
  },
  {
    name: "records that were there before a field was sized are counted, and what happens to them meanwhile too",
    async run({ store }) {
      await store.createStoreIfNotExists("weighed", { text: "str" });
      for (let n = 0; n < 30; n += 1) await store.add("ann", "weighed", { text: "12345" }, `${n}`);
      await store.createStoreIfNotExists("weighed", { text: { type: "str", sized: true } });
      await store.update("ann", "weighed", "0", { text: "1" });
      await store.delete("ann", "weighed", "29");
      await store.add("ann", "weighed", { text: "123" });
      await comesTo(store, "weighed", 28 * 5 + 1 + 3);
    },
  },
  {
    name: "what is given to another counts for that one, and what stays for its owner",
    async run({ store }) {
      if (!store.give) return;
      await store.createStoreIfNotExists("weighed", FIELDS);
      await store.add("ann", "weighed", { weight: 1 }, "1");
      await store.add("ann", "weighed", { weight: 2 }, "2");
      await store.add("bob", "weighed", { weight: 10 }, "2");
      assert.equal(await store.give("ann", "bob", "weighed"), 1);
      assert.equal(await store.size("ann", "weighed"), 2);
      assert.equal(await store.size("bob", "weighed"), 11);
    },
  },
  {
    name: "a store without a sized field has no size, and only a str, a json and an int can be sized",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str" });
      await rejected(store.size("ann", "notes"), "invalid");
      await rejected(store.size("ann", "nowhere"), "notFound");
      for (const type of ["float", "bool", "json_collection"] as const) {
        await rejected(store.createStoreIfNotExists("wrong", { field: { type, sized: true } }), "invalid");
      }
    },
  },
];
