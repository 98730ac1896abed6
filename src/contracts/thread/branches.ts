/** What every `thread` promises about messages: the tree, its branches, and the path to the head. */

import { deepEqual, equal, notEqual, rejects } from "node:assert/strict";
import type { NewMessage } from "../../protocols";
import type { ContractCase } from "../contract";
import { isNotFound, say, texts, userMessage } from "./support";

export const branches: readonly ContractCase[] = [
  {
    name: "a message goes below its parent and becomes the head",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      const first = await say(core, id, null, "one");
      const second = await say(core, id, first, "two");
      equal((await core.thread.get("ann", id))?.headId, second);
      deepEqual(await texts(core, id), ["one", "two"]);
    },
  },
  {
    name: "a message is given back with everything it was given",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      const message: NewMessage = {
        id: "own-id",
        parentId: null,
        role: "tool",
        type: "tool",
        content: "",
        timestamp: "2026-01-02T03:04:05.678Z",
        turnId: "t",
        step: 3,
        model: "m",
        durationMs: 12,
        callId: "c",
        name: "search",
        arguments: '{"q":"x"}',
        error: "It failed.",
        opaque: { from: "e/m", message: { signature: "S+/=" }, calls: [{ mark: { a: [1, null] } }] },
        cut: "stopped",
      };
      deepEqual(await core.thread.append("ann", id, message), { ...message, threadId: id });
      deepEqual(await core.thread.messages("ann", id), [{ ...message, threadId: id }]);
    },
  },
  {
    name: "adding a message of an id that is there already leaves it as it is",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      const message = { ...userMessage(null, "once"), id: "same" };
      await core.thread.append("ann", id, message);
      const again = await core.thread.append("ann", id, { ...message, content: "twice" });
      equal(again.content, "once");
      deepEqual(await texts(core, id), ["once"]);
      await say(core, id, "same", "and on");
      await core.thread.append("ann", id, message);
      deepEqual(await texts(core, id), ["once", "and on"]);
    },
  },
  {
    name: "what became of a thread since it was read stays as it is when a message is added with it",
    async run(core) {
      const read = await core.thread.create("ann", { title: "Before", tags: ["old"] });
      const { id } = read;
      const others = { title: "After", pinned: true, tags: ["new"], metadata: { seen: "yes" } };
      await core.thread.update("ann", id, others);
      const { id: headId } = await core.thread.append("ann", id, userMessage(null, "one"), read);
      const thread = await core.thread.get("ann", id);
      deepEqual(thread, { ...read, ...others, headId, updated: thread?.updated });
      const listed = async (tag: string) => (await core.thread.list("ann", { tag })).map((found) => found.id);
      deepEqual([await listed("old"), await listed("new"), await core.thread.tags("ann")], [[], [id], ["new"]]);
      await core.thread.update("ann", id, { title: "Before", pinned: false, tags: [] });
      await core.thread.append("ann", id, userMessage(headId, "two"), thread ?? undefined);
      deepEqual([await listed("new"), await core.thread.tags("ann")], [[], []]);
    },
  },
  {
    name: "a sibling starts a branch; the other one stays and can be shown again",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      const root = await say(core, id, null, "question");
      const left = await say(core, id, root, "left");
      await say(core, id, root, "right");
      deepEqual(await texts(core, id), ["question", "right"]);
      await core.thread.update("ann", id, { headId: left });
      deepEqual(await texts(core, id), ["question", "left"]);
      const tree = await core.thread.tree("ann", id);
      deepEqual(
        tree.map(({ parentId }) => parentId),
        [null, root, root],
      );
    },
  },
  {
    name: "the path is given from its end in pages",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      let parent: string | null = null;
      for (let number = 0; number < 10; number++) parent = await say(core, id, parent, `${number}`);
      const last = await core.thread.messages("ann", id, { limit: 3 });
      deepEqual(
        last.map(({ content }) => content),
        ["7", "8", "9"],
      );
      const before = last[0]?.id ?? "";
      const earlier = await core.thread.messages("ann", id, { limit: 100, before });
      deepEqual(
        earlier.map(({ content }) => content),
        ["0", "1", "2", "3", "4", "5", "6"],
      );
      const tree = await core.thread.tree("ann", id);
      deepEqual(await core.thread.messages("ann", id, { limit: 100, before, tree }), earlier);
      deepEqual(await core.thread.messages("ann", id, { limit: 3, tree: tree.slice(-3) }), last);
    },
  },
  {
    name: "a fork is a thread of its own with a copy of the path up to a message",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "origin", model: "m" });
      const first = await say(core, id, null, "one");
      await say(core, id, first, "two");
      const fork = await core.thread.fork("ann", id, first);
      equal(fork.title, "origin");
      equal(fork.model, "m");
      deepEqual(await texts(core, fork.id), ["one"]);
      await say(core, fork.id, fork.headId, "other");
      deepEqual(await texts(core, fork.id), ["one", "other"]);
      deepEqual(await texts(core, id), ["one", "two"]);
      await rejects(core.thread.fork("ann", id, "nowhere"), isNotFound);
      await rejects(core.thread.fork("bob", id, first), isNotFound);
    },
  },
  {
    name: "a parent or head that is not in the thread is refused, and nothing changes",
    async run(core) {
      const one = await core.thread.create("ann", { title: "" });
      const other = await core.thread.create("ann", { title: "" });
      const foreign = await say(core, other.id, null, "elsewhere");
      await rejects(core.thread.append("ann", one.id, userMessage(foreign, "x")), isNotFound);
      await rejects(core.thread.append("ann", "nowhere", userMessage(null, "x")), isNotFound);
      await rejects(core.thread.update("ann", one.id, { headId: foreign }), isNotFound);
      deepEqual(await core.thread.messages("ann", one.id), []);
      notEqual(await core.thread.get("ann", one.id), null);
    },
  },
];
