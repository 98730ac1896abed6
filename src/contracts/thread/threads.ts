/** What every `thread` promises about threads: their fields, the list, and whose they are. */

import { deepEqual, equal, rejects } from "node:assert/strict";
import type { JsonObject } from "../../protocols";
import { type ContractCase, holds, rejected } from "../contract";
import { isNotFound, say, texts, userMessage } from "./support";

export const threads: readonly ContractCase[] = [
  {
    name: "the size grows with what is kept, copies in forks included, and is each user's own",
    async run({ thread }) {
      const { id } = await thread.create("ann", { title: "Sizes" });
      const empty = await thread.size("ann");
      equal(await thread.size("bob"), 0);
      const { id: messageId } = await thread.append("ann", id, userMessage(null, "é".repeat(500)));
      const one = await thread.size("ann");
      holds(one, `at least ${empty + 1000}`, (size) => size >= empty + 1000);
      await thread.fork("ann", id, messageId);
      holds(await thread.size("ann"), `at least ${one + 1000}`, (size) => size >= one + 1000);
      equal(await thread.size("bob"), 0);
    },
  },
  {
    name: "a new thread has its fields and no messages",
    async run(core) {
      const fields = {
        title: "First",
        model: "m",
        systemPrompt: "p",
        parameters: { temperature: 0 },
        metadata: { a: 1 },
      };
      const thread = await core.thread.create("ann", fields);
      deepEqual({ ...thread, ...fields }, thread);
      equal(thread.headId, null);
      equal(thread.archived, false);
      deepEqual(await core.thread.get("ann", thread.id), thread);
      deepEqual(await core.thread.messages("ann", thread.id), []);
    },
  },
  {
    name: "threads are listed with the newest activity first, in pages that neither skip nor repeat",
    async run(core) {
      const ids: string[] = [];
      for (let number = 0; number < 7; number++) ids.push((await core.thread.create("ann", { title: `${number}` })).id);
      const [moved = ""] = ids.splice(2, 1);
      await say(core, moved, null, "activity", "2999-01-01T00:00:00.000Z");
      const seen: string[] = [];
      for (let before: string | undefined; ; before = seen.at(-1)) {
        const page = await core.thread.list("ann", { limit: 3, ...(before && { before }) });
        seen.push(...page.map(({ id }) => id));
        if (page.length < 3) break;
      }
      equal(seen[0], moved);
      deepEqual(seen.slice(1), ids.toReversed());
    },
  },
  {
    name: "fields are set one by one, metadata key by key, and null removes a key",
    async run(core) {
      const { id } = await core.thread.create("ann", {
        title: "old",
        model: "m",
        metadata: { pinned: true, tags: ["a"] },
      });
      const changed = await core.thread.update("ann", id, { title: "new", metadata: { pinned: null, color: "red" } });
      equal(changed?.title, "new");
      equal(changed?.model, "m");
      deepEqual(changed?.metadata, { tags: ["a"], color: "red" });
      deepEqual(await core.thread.get("ann", id), changed);
    },
  },
  {
    name: "metadata that would become too long, and metadata or parameters that nest too deep, are refused and change nothing",
    async run(core) {
      const kept = { metadata: { a: "x".repeat(15_000) }, parameters: { a: 1 } };
      const { id } = await core.thread.create("ann", { title: "old", ...kept });
      const deep: JsonObject = JSON.parse(`{"a":${"[".repeat(64)}${"]".repeat(64)}}`);
      for (const wrong of [{ metadata: { b: "x".repeat(1_000) } }, { metadata: deep }, { parameters: deep }]) {
        await rejected(core.thread.update("ann", id, { title: "new", ...wrong }), "invalid");
      }
      await rejected(core.thread.create("ann", { title: "", metadata: { a: "x".repeat(16_001) } }), "invalid");
      const { title, metadata, parameters } = (await core.thread.get("ann", id)) ?? {};
      deepEqual({ title, metadata, parameters }, { title: "old", ...kept });
      const changed = await core.thread.update("ann", id, { metadata: { a: null, b: "x".repeat(15_000) } });
      deepEqual(Object.keys(changed?.metadata ?? {}), ["b"]);
    },
  },
  {
    name: "a title set on condition of another is set while the thread has that one, and by one of several at once",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "old" });
      equal(await core.thread.update("ann", id, { title: "no" }, { title: "other" }), null);
      equal((await core.thread.get("ann", id))?.title, "old");
      const titles = ["one", "two", "three"];
      const set = await Promise.all(titles.map((title) => core.thread.update("ann", id, { title }, { title: "old" })));
      const [winner, ...others] = set.filter((thread) => thread !== null);
      equal((await core.thread.get("ann", id))?.title, winner?.title);
      deepEqual(others, []);
    },
  },
  {
    name: "an archived thread leaves the list and the search and stays readable, and can come back",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "walrus" });
      await say(core, id, null, "walrus");
      equal(await core.thread.archive("ann", id), true);
      equal(await core.thread.archive("ann", id), true);
      deepEqual(await core.thread.list("ann"), []);
      deepEqual(await core.thread.search("ann", "walrus"), []);
      deepEqual(
        (await core.thread.list("ann", { archived: true })).map((thread) => thread.id),
        [id],
      );
      deepEqual(await texts(core, id), ["walrus"]);
      await core.thread.update("ann", id, { archived: false });
      deepEqual(
        (await core.thread.list("ann")).map((thread) => thread.id),
        [id],
      );
    },
  },
  {
    name: "another user's thread is as one that does not exist",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "walrus" });
      const message = await say(core, id, null, "walrus");
      equal(await core.thread.get("bob", id), null);
      deepEqual(await core.thread.messages("bob", id), []);
      deepEqual(await core.thread.messages("bob", id, { head: message }), []);
      deepEqual(await core.thread.tree("bob", id), []);
      equal(await core.thread.update("bob", id, { title: "mine" }), null);
      equal(await core.thread.archive("bob", id), false);
      deepEqual(await core.thread.search("bob", "walrus"), []);
      deepEqual(await core.thread.list("bob"), []);
      await rejects(core.thread.append("bob", id, userMessage(null, "hi")), isNotFound);
      equal((await core.thread.get("ann", id))?.title, "walrus");
    },
  },
];
