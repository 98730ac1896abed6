/** What every `thread` promises about pins and tags, the lists that they make, and finding a thread again. */

import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Core, ThreadPage } from "../../protocols";
import { type ContractCase, holds } from "../contract";
import { say } from "./support";

export const lists: readonly ContractCase[] = [
  {
    name: "a pinned thread comes first when asked, and where it was otherwise",
    async run(core) {
      const [one, two, three] = [await create(core, 1), await create(core, 2), await create(core, 3)];
      const changed = await core.thread.update("ann", one, { pinned: true });
      equal(changed?.pinned, true);
      deepEqual(await core.thread.get("ann", one), changed);
      deepEqual(await ids(core), [three, two, one]);
      deepEqual(await ids(core, { pinnedFirst: true }), [one, three, two]);
      await core.thread.update("ann", two, { pinned: true });
      deepEqual(await ids(core, { pinnedFirst: true }), [two, one, three]);
      await say(core, one, null, "activity", day(4));
      deepEqual(await ids(core, { pinnedFirst: true }), [one, two, three]);
      deepEqual(await ids(core), [one, three, two]);
      await core.thread.update("ann", one, { pinned: false });
      deepEqual(await ids(core, { pinnedFirst: true }), [two, one, three]);
    },
  },
  {
    name: "a tag has a list of its own, in the order of all and in pages, while the thread is not archived",
    async run(core) {
      const all: string[] = [];
      for (let number = 1; number <= 9; number++) all.unshift(await create(core, number));
      for (const id of all) await core.thread.update("ann", id, { tags: ["trip", "b"] });
      const [newest = "", second = ""] = all;
      await core.thread.update("ann", second, { tags: ["b"], pinned: true });
      const tagged = all.filter((id) => id !== second);
      deepEqual(await ids(core, { tag: "trip" }), tagged);
      deepEqual(await ids(core, { tag: "b", pinnedFirst: true }), [second, ...tagged]);
      for (const page of [{ tag: "trip" }, { tag: "b", pinnedFirst: true }, { pinnedFirst: true }, {}]) {
        const whole = await ids(core, { ...page, limit: 100 });
        const paged: string[] = [];
        for (let before = {}; ; before = { before: paged.at(-1) ?? "" }) {
          const some = await ids(core, { ...page, ...before, limit: 2 });
          if (some.length === 0) break;
          paged.push(...some);
        }
        deepEqual(paged, whole, JSON.stringify(page));
      }
      await core.thread.archive("ann", newest);
      deepEqual(await ids(core, { tag: "trip" }), tagged.slice(1));
      deepEqual(await ids(core, { tag: "trip", archived: true }), [newest]);
      deepEqual(await ids(core, { archived: true, pinnedFirst: true }), [newest]);
      deepEqual(await ids(core, { tag: "tri" }), []);
    },
  },
  {
    name: "tags are kept once each and trimmed, and listed while a thread that is not archived has them",
    async run(core) {
      deepEqual(await core.thread.tags("ann"), []);
      const one = await core.thread.create("ann", { title: "", tags: [" b ", "a  c", "b", ""] });
      deepEqual(one.tags, ["b", "a c"]);
      deepEqual(await core.thread.get("ann", one.id), one);
      const two = await core.thread.create("ann", { title: "", tags: ["b", "ä"] });
      deepEqual(await core.thread.tags("ann"), ["a c", "b", "ä"]);
      deepEqual(await core.thread.tags("bob"), []);
      await core.thread.update("ann", one.id, { tags: ["new"] });
      deepEqual(await core.thread.tags("ann"), ["b", "new", "ä"]);
      await core.thread.archive("ann", two.id);
      deepEqual(await core.thread.tags("ann"), ["new"]);
      await core.thread.update("ann", one.id, { title: "other" });
      deepEqual((await core.thread.get("ann", one.id))?.tags, ["new"]);
    },
  },
  {
    name: "of more tags than anybody chooses from, the first 500 are listed, and each has its list",
    async run(core) {
      const tags = Array.from({ length: 520 }, (_, n) => `tag${String(n).padStart(3, "0")}`);
      const created: string[] = [];
      for (let from = 0; from < tags.length; from += 20)
        created.push((await core.thread.create("ann", { title: "", tags: tags.slice(from, from + 20) })).id);
      deepEqual(await core.thread.tags("ann"), tags.slice(0, 500));
      deepEqual(await ids(core, { tag: "tag519" }), created.slice(-1));
    },
  },
  {
    name: "a tag of the first or the last characters that there are is listed like any other, and has its list",
    async run(core) {
      const tags = ["!", "\u{10fffe}", "\u{10ffff}", "\u{10ffff}\u{10ffff}"];
      const { id } = await core.thread.create("ann", { title: "", tags });
      deepEqual(await core.thread.tags("ann"), tags);
      for (const tag of tags) deepEqual(await ids(core, { tag }), [id]);
    },
  },
  {
    name: "too many tags, and one that is too long, are refused, and nothing changes",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "", tags: ["kept"] });
      const isInvalid = (error: unknown) => error instanceof Error && "code" in error && error.code === "invalid";
      for (const tags of [["x".repeat(51)], Array.from({ length: 21 }, (_, number) => `${number}`)]) {
        await rejects(core.thread.update("ann", id, { tags, pinned: true }), isInvalid);
      }
      const thread = await core.thread.get("ann", id);
      deepEqual([thread?.tags, thread?.pinned], [["kept"], false]);
    },
  },
  {
    name: "a search finds titles and what was said, one hit for each thread, titles first",
    async run(core) {
      const said = await core.thread.create("ann", { title: "Zoo" });
      await say(core, said.id, null, "Nothing here");
      const found = await say(core, said.id, null, "The walrus sleeps, walrus!");
      const titled = await core.thread.create("ann", { title: "The Walrus" });
      const hits = await core.thread.search("ann", "walrus");
      deepEqual(
        hits.map(({ thread }) => thread.id),
        [titled.id, said.id],
      );
      equal(hits[0]?.messageId, undefined);
      equal(hits[1]?.messageId, found);
      holds(
        hits[1]?.snippet,
        "the word between its marks",
        (snippet) => snippet?.includes("\u0002walrus\u0003") ?? false,
      );
    },
  },
  {
    name: "no text that a person may search for is an error",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      await say(core, id, null, "col x NEAR");
      for (const text of ['"', "NEAR(", "*", "col:x", "\0", "", "  ", "a AND", "(", "-", "'; drop table threads; --"]) {
        holds(await core.thread.search("ann", text), `a list for ${JSON.stringify(text)}`, Array.isArray);
      }
    },
  },
];

function day(number: number): string {
  return `2999-01-0${number}T00:00:00.000Z`;
}

async function create(core: Core, number: number): Promise<string> {
  const { id } = await core.thread.create("ann", { title: `${number}` });
  await say(core, id, null, "x", day(number));
  return id;
}

async function ids(core: Core, page?: ThreadPage): Promise<string[]> {
  return (await core.thread.list("ann", page)).map(({ id }) => id);
}
