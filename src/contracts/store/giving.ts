/** What a `store` promises that can give the records of one owner to another. */

import assert from "node:assert/strict";
import type { StoreProtocol } from "../../protocols";
import type { ContractCase } from "../contract";

export const giving: readonly ContractCase[] = [
  {
    name: "what is given is the other's, with its collections, in the order in which both were added, and the giver has nothing",
    async run({ store }) {
      if (!store.give) return;
      await addNotes(store);
      assert.equal(await store.give("bob", "ann", "notes"), 3);
      assert.deepEqual(await textsOf(store, "ann"), ["ann 0", "bob 0", "ann 1", "bob 1", "ann 2", "bob 2"]);
      assert.deepEqual(await textsOf(store, "bob"), []);
      assert.deepEqual(await store.collectionGet("ann", "notes", "bob 1", "list"), ["bob", 1]);
      assert.equal(await store.collectionAppend("ann", "notes", "bob 1", "list", [2]), true);
      assert.deepEqual(await store.collectionGet("ann", "notes", "bob 1", "list"), ["bob", 1, 2]);
      assert.deepEqual(await store.collectionGet("bob", "notes", "bob 1", "list"), []);
      assert.equal(await store.give("bob", "ann", "notes"), 0);
    },
  },
  {
    name: "what is given is found by its new owner, and by nobody else",
    async run({ store }) {
      if (!store.give) return;
      await addNotes(store);
      const found = async (owner: string, text: string) =>
        (await store.fullTextSearch(owner, "notes", text)).map((record) => record.text);
      await store.give("bob", "eve\x7f1", "notes");
      assert.deepEqual(await found("eve\x7f1", "bob"), ["bob 2", "bob 1", "bob 0"]);
      assert.deepEqual(await found("bob", "bob"), []);
      await store.add("bob", "notes", { text: "bob of another life" });
      assert.deepEqual(await found("bob", "bob"), ["bob of another life"]);
      await store.give("eve\x7f1", "ann", "notes");
      assert.deepEqual(await found("ann", "bob"), ["bob 2", "bob 1", "bob 0"]);
      assert.deepEqual(await found("ann", "2"), ["bob 2", "ann 2"]);
    },
  },
  {
    name: "a record whose id the other has stays, and so does what others have and what lies in other stores",
    async run({ store }) {
      if (!store.give) return;
      await addNotes(store);
      await store.add("ann", "notes", { text: "hers" }, "bob 1");
      await store.add(null, "notes", { text: "the server's" }, "x");
      await store.createStoreIfNotExists("others", { text: "str" });
      await store.add("bob", "others", { text: "kept" });
      assert.equal(await store.give("bob", "ann", "notes"), 2);
      assert.deepEqual(await textsOf(store, "bob"), ["bob 1"]);
      assert.equal((await store.get("ann", "notes", "bob 1"))?.text, "hers");
      assert.deepEqual(await textsOf(store, null), ["the server's"]);
      assert.equal(await store.count("bob", "others"), 1);
    },
  },
];

async function addNotes(store: StoreProtocol): Promise<void> {
  await store.createStoreIfNotExists("notes", { text: { type: "str", search: true }, list: "json_collection" });
  for (const n of [0, 1, 2]) {
    for (const owner of ["ann", "bob"]) {
      const id = await store.add(owner, "notes", { text: `${owner} ${n}` }, `${owner} ${n}`);
      await store.collectionAppend(owner, "notes", id, "list", [owner, n]);
    }
  }
}

async function textsOf(store: StoreProtocol, owner: string | null): Promise<unknown[]> {
  return (await store.find(owner, "notes")).map((record) => record.text);
}
