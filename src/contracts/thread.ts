/** What any `thread` promises. */

import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import type { Core, NewMessage } from "../protocols";
import type { ContractCase } from "./contract";

export const threadContract: readonly ContractCase[] = [
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
      ok(hits[1]?.snippet.includes("\u0002walrus\u0003"));
    },
  },
  {
    name: "no text that a person may search for is an error",
    async run(core) {
      const { id } = await core.thread.create("ann", { title: "" });
      await say(core, id, null, "col x NEAR");
      for (const text of ['"', "NEAR(", "*", "col:x", "\0", "", "  ", "a AND", "(", "-", "'; drop table threads; --"]) {
        ok(Array.isArray(await core.thread.search("ann", text)), text);
      }
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

function userMessage(parentId: string | null, content: string): NewMessage {
  return { parentId, role: "user", type: "text", content, turnId: "turn", step: 0 };
}

async function say(
  core: Core,
  threadId: string,
  parentId: string | null,
  content: string,
  at?: string,
): Promise<string> {
  const message = { ...userMessage(parentId, content), ...(at && { timestamp: at }) };
  return (await core.thread.append("ann", threadId, message)).id;
}

async function texts(core: Core, threadId: string): Promise<string[]> {
  return (await core.thread.messages("ann", threadId)).map(({ content }) => content);
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "notFound";
}
