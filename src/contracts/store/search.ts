/** What every `store` promises about full-text search. */

import assert from "node:assert/strict";
import type { Core } from "../../protocols";
import { type ContractCase, holds } from "../contract";

const INDEXED_MS = 10_000; // For one record, on a machine that is busy.

export const search: readonly ContractCase[] = [
  {
    name: "search finds records with every word, case and accents aside, newest first",
    async run(core) {
      const find = await library(core);
      assert.equal(await find("cafe"), "3 1");
      assert.equal(await find("CAFÉ noir"), "1");
      assert.equal(await find("noir café"), "1");
      assert.equal(await find("shelf café"), "3", "the words may be in different fields");
      assert.equal(await find("café whale"), "");
      assert.equal(await find("hidden"), "", "only fields declared for search");
    },
  },
  {
    name: "only the last word of a search may be a beginning, from three characters on",
    async run(core) {
      const find = await library(core);
      assert.equal(await find("wha"), "2");
      assert.equal(await find("the wha"), "2");
      assert.equal(await find("wha the"), "");
      assert.equal(await find("wh"), "");
    },
  },
  {
    name: "search finds text of scripts that are written without spaces",
    async run(core) {
      const find = await library(core);
      assert.equal(await find("大学"), "4");
      assert.equal(await find("京大"), "4");
      assert.equal(await find("学大"), "");
      assert.equal(await find("東京タワー"), "5");
      assert.equal(await find("タワ"), "5");
      assert.equal(await find("iPhone手机"), "6");
    },
  },
  {
    name: "search finds what is written with other code points than what is typed, and the other way round",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: { type: "str", search: true } });
      const forms = [
        ["ﬂuﬀy ﬁsh", "fluffy fish"],
        ["ＷＩＤＥ　ｌｅｔｔｅｒｓ １２", "wide letters 12"],
        ["ﾊﾝｶｸ", "ハンカク"],
        ["𝒉𝒆𝒂𝒗𝒚 ℓetters", "heavy letters"],
        ["Donau\u00addampf\u200bschiff", "donaudampfschiff"],
        ["می\u200cخواهم", "میخواهم"],
        ["בְּרֵאשִׁית בָּרָא", "בראשית ברא"],
        ["ﬠִבְרִﬧ", "עברר"],
        ["كِتَابٌ جَمِيلٌ", "كتاب جميل"],
        ["ﻛﺘـــﺎﺏ", "كتاب"],
      ] as const;
      for (const [written, typed] of forms) {
        const id = await store.add("ann", "notes", { text: written });
        const plain = await store.add("ann", "notes", { text: typed });
        for (const text of [written, typed]) {
          const ids = (await store.fullTextSearch("ann", "notes", text)).map((record) => record.id);
          holds(ids, `${text} to find ${written} and ${typed}`, () => ids.includes(id) && ids.includes(plain));
        }
      }
      assert.deepEqual(await store.fullTextSearch("ann", "notes", "\u00ad\u200b \u05b0"), []);
    },
  },
  {
    name: "nothing in a search text is syntax, and a text without a word finds nothing",
    async run(core) {
      const find = await library(core);
      for (const text of ["", " ", '"', "*", "\0", "()", "^", "{}", "-", "'", "%", "_", "\ud800", "🙂", "\n"]) {
        assert.equal(await find(text), "", JSON.stringify(text));
      }
      const hostile = ['whale"', '"whale', "whale*", "(whale", "whale)", "^whale", "-whale", "whale\0", "+whale:"];
      for (const text of hostile) assert.equal(await find(text), "2", JSON.stringify(text));
      const words = [
        "NEAR(whale café)",
        "whale OR café",
        "café NOT whale",
        "own:whale",
        "body:whale",
        "search MATCH whale",
      ];
      for (const text of words) assert.equal(await find(text), "", text);
      assert.equal(await find("whale ".repeat(5000)), "2");
    },
  },
  {
    name: "search follows updates and deletions, and never finds another owner's record",
    async run(core) {
      const { store } = core;
      const find = await library(core);
      await store.update("ann", "library", "2", { title: "The Squid" });
      assert.equal(await find("whale"), "");
      assert.equal(await find("squid"), "2");
      await store.update("ann", "library", "2", { title: null });
      assert.equal(await find("squid"), "");
      await store.delete("ann", "library", "1");
      assert.equal(await find("cafe"), "3");
      assert.deepEqual(await store.fullTextSearch("an", "library", "cafe"), []);
      assert.deepEqual(await store.fullTextSearch(null, "library", "cafe"), []);
      const bobs = await store.fullTextSearch("bob", "library", "cafe");
      assert.deepEqual(
        bobs.map((record) => record.id),
        ["bobs"],
      );
    },
  },
  {
    name: "search takes a condition and a limit, 50 by default",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: { type: "str", search: true }, n: "int" });
      await Promise.all(Array.from({ length: 60 }, (_, n) => store.add("ann", "notes", { text: "word", n }, `${n}`)));
      const newest = await store.fullTextSearch("ann", "notes", "word", { limit: 2 });
      assert.deepEqual(newest, [
        { id: "59", text: "word", n: 59 },
        { id: "58", text: "word", n: 58 },
      ]);
      assert.equal((await store.fullTextSearch("ann", "notes", "word")).length, 50);
      const some = await store.fullTextSearch("ann", "notes", "word", { where: { n: { lt: 3 } }, limit: 2 });
      assert.deepEqual(
        some.map((record) => record.n),
        [2, 1],
      );
    },
  },
  {
    name: "search gives only the fields that were selected",
    async run(core) {
      const find = await library(core);
      assert.equal(await find("whale"), "2");
      const search = (select: string[]) => core.store.fullTextSearch("ann", "library", "whale", { select });
      assert.deepEqual(await search([]), [{ id: "2" }]);
      assert.deepEqual(await search(["secret"]), [{ id: "2", secret: "hidden" }]);
    },
  },
  {
    name: "search goes through thousands of records of several owners, newest first",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: { type: "str", search: true }, n: "int" });
      const add = (n: number) => store.add(n % 3 ? "ann" : "bob", "notes", { text: `number${n} every`, n }, `${n}`);
      await Promise.all(Array.from({ length: 4000 }, (_, n) => add(n)));
      const search = async (text: string, limit: number, where = {}) =>
        (await store.fullTextSearch("ann", "notes", text, { limit, where })).map(({ n }) => Number(n));
      const anns = Array.from({ length: 4000 }, (_, n) => 3999 - n).filter((n) => n % 3 !== 0);
      assert.deepEqual(await search("every", 4000), anns);
      assert.deepEqual(await search("num", 4000), anns);
      assert.deepEqual(await search("every num", 2), anns.slice(0, 2));
      assert.deepEqual(await search("number1", 3), [1999, 1997, 1996]);
      assert.deepEqual(await search("number1 every", 3), [1]);
      assert.deepEqual(await search("every", 2, { n: { lt: 3 } }), [2, 1]);
      await store.update("ann", "notes", "1", { text: "changed" });
      await store.delete("ann", "notes", "2");
      assert.deepEqual(await search("every", 2, { n: { lt: 6 } }), [5, 4]);
      assert.deepEqual(await search("changed", 2), [1]);
    },
  },
  {
    name: "a field that becomes searchable is searched in old records too, by and by",
    async run({ store }) {
      await store.createStoreIfNotExists("notes", { text: "str" });
      await store.add("ann", "notes", { text: "written before" }, "1");
      assert.deepEqual(await store.fullTextSearch("ann", "notes", "written"), []);
      await store.createStoreIfNotExists("notes", { text: { type: "str", search: true } });
      const search = () => store.fullTextSearch("ann", "notes", "written");
      const end = performance.now() + INDEXED_MS;
      while ((await search()).length === 0 && performance.now() < end) await Bun.sleep(5);
      assert.deepEqual(await search(), [{ id: "1", text: "written before" }], `a search after ${INDEXED_MS} ms`);
    },
  },
];

/** A few books of ann's and one of bob's; the function gives the ids that a search of ann's finds. */
async function library({ store }: Core): Promise<(text: string) => Promise<string>> {
  const searched = { type: "str", search: true } as const;
  await store.createStoreIfNotExists("library", { title: searched, place: searched, secret: "str" });
  await store.add("ann", "library", { title: "Café noir" }, "1");
  await store.add("bob", "library", { title: "Cafe of bob" }, "bobs");
  await store.add("ann", "library", { title: "The Whale", secret: "hidden" }, "2");
  await store.add("ann", "library", { title: "cafe\u0301", place: "top shelf" }, "3");
  await store.add("ann", "library", { title: "我在北京大学学习" }, "4");
  await store.add("ann", "library", { title: "昨日は東京タワーへ" }, "5");
  await store.add("ann", "library", { title: "新iPhone手机" }, "6");
  return async (text) => (await store.fullTextSearch("ann", "library", text)).map((record) => record.id).join(" ");
}
