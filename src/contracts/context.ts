/** What any `context` promises. */

import { deepEqual, equal, match } from "node:assert/strict";
import type { ContextMessage, Core, NewMessage } from "../protocols";
import { type ContractCase, holds } from "./contract";

export const contextContract: readonly ContractCase[] = [
  {
    name: "the context of a thread that does not exist is empty",
    async run(core) {
      deepEqual(await core.context.get("ann", "nowhere"), []);
      equal(await core.context.getMessage("ann", "nowhere", "x"), null);
      equal(await core.context.updateMessage("ann", "nowhere", "x", "y"), false);
      equal(await core.context.removeMessage("ann", "nowhere", "x"), false);
    },
  },
  {
    name: "it is the path to the head: what was asked and answered, without thinking",
    async run(core) {
      const { threadId } = await conversation(core);
      deepEqual(await lines(core, threadId), ["user: one", "assistant: two", "user: three", "assistant: four"]);
    },
  },
  {
    name: "tool calls stand on the message that made them, each followed by its result or error",
    async run(core) {
      const thread = await core.thread.create("ann", { title: "" });
      const tool = { role: "tool", type: "tool", name: "look", arguments: "{}" } as const;
      await grow(core, thread.id, [
        { role: "user", type: "text", content: "go", step: 0 },
        { role: "assistant", type: "text", content: "Looking.", step: 1 },
        { ...tool, content: "seen", callId: "a", step: 1 },
        { ...tool, content: "", error: "blind", callId: "b", step: 1 },
        { role: "assistant", type: "text", content: "Done.", step: 2 },
      ]);
      const context = await core.context.get("ann", thread.id);
      deepEqual(
        context.map(({ role }) => role),
        ["user", "assistant", "tool", "tool", "assistant"],
      );
      deepEqual(
        context[1]?.toolCalls?.map(({ callId }) => callId),
        ["a", "b"],
      );
      deepEqual(
        context.slice(2, 4).map(({ callId }) => callId),
        ["a", "b"],
      );
      equal(context[2]?.content, "seen");
      match(context[3]?.content ?? "", /blind/);
    },
  },
  {
    name: "an edit shows in the context and not in the thread",
    async run(core) {
      const { threadId, ids } = await conversation(core);
      equal(await core.context.updateMessage("ann", threadId, ids[1] ?? "", "TWO"), true);
      equal(await core.context.removeMessage("ann", threadId, ids[2] ?? ""), true);
      deepEqual(await lines(core, threadId), ["user: one", "assistant: TWO", "assistant: four"]);
      const messages = await core.thread.messages("ann", threadId);
      deepEqual(
        messages.filter(({ role }) => role !== "thinking").map(({ content }) => content),
        ["one", "two", "three", "four"],
      );
    },
  },
  {
    name: "a message that is added follows the head of that moment",
    async run(core) {
      const { threadId } = await conversation(core);
      const id = await core.context.add("ann", threadId, { role: "user", content: "aside" });
      await grow(core, threadId, [{ role: "user", type: "text", content: "five", step: 0 }]);
      deepEqual((await lines(core, threadId)).slice(-3), ["assistant: four", "user: aside", "user: five"]);
      equal((await core.context.getMessage("ann", threadId, id))?.content, "aside");
    },
  },
  {
    name: "replacing puts messages in the place of all up to one, and later ones follow",
    async run(core) {
      const { threadId, ids } = await conversation(core);
      const summary = [{ role: "user", content: "summary" }] as const;
      equal(await core.context.replace("ann", threadId, summary, { upTo: ids[1] ?? "" }), true);
      deepEqual(await lines(core, threadId), ["user: summary", "user: three", "assistant: four"]);
      await grow(core, threadId, [{ role: "user", type: "text", content: "five", step: 0 }]);
      deepEqual((await lines(core, threadId)).at(-1), "user: five");
    },
  },
  {
    name: "a replacement by somebody who saw an older count is refused and changes nothing",
    async run(core) {
      const { threadId, ids } = await conversation(core);
      const mutationCount = await core.context.mutationCount("ann", threadId);
      await core.context.updateMessage("ann", threadId, ids[0] ?? "", "ONE");
      const summary = [{ role: "user", content: "summary" }] as const;
      equal(await core.context.replace("ann", threadId, summary, { mutationCount }), false);
      equal((await lines(core, threadId))[0], "user: ONE");
    },
  },
  {
    name: "growth leaves the count of edits alone and each edit moves it",
    async run(core) {
      const { threadId, ids } = await conversation(core);
      const before = await core.context.mutationCount("ann", threadId);
      await core.context.add("ann", threadId, { role: "user", content: "aside" });
      await grow(core, threadId, [{ role: "user", type: "text", content: "five", step: 0 }]);
      equal(await core.context.mutationCount("ann", threadId), before);
      await core.context.updateMessage("ann", threadId, ids[0] ?? "", "ONE");
      const after = await core.context.mutationCount("ann", threadId);
      holds(after, `more than ${before}`, (count) => count > before);
    },
  },
  {
    name: "regenerating forgets every edit",
    async run(core) {
      const { threadId, ids } = await conversation(core);
      const before = await lines(core, threadId);
      await core.context.removeMessage("ann", threadId, ids[0] ?? "");
      await core.context.add("ann", threadId, { role: "user", content: "aside" });
      await core.context.regenerate("ann", threadId);
      deepEqual(await lines(core, threadId), before);
    },
  },
  {
    name: "another branch has its own context",
    async run(core) {
      const { threadId, ids } = await conversation(core);
      const [, answer = ""] = ids;
      await core.context.updateMessage("ann", threadId, ids[3] ?? "", "FOUR");
      const sibling = await core.thread.append("ann", threadId, message(answer, { content: "instead", step: 0 }));
      deepEqual(await lines(core, threadId), ["user: one", "assistant: two", "user: instead"]);
      deepEqual(await core.context.get("ann", threadId), await core.context.get("ann", threadId, sibling.id));
    },
  },
];

interface Conversation {
  readonly threadId: string;
  /** Of the context's messages. */
  readonly ids: readonly string[];
}

async function conversation(core: Core): Promise<Conversation> {
  const thread = await core.thread.create("ann", { title: "" });
  await grow(core, thread.id, [
    { role: "user", type: "text", content: "one", step: 0 },
    { role: "thinking", type: "thinking", content: "hm", step: 1 },
    { role: "assistant", type: "text", content: "two", step: 1 },
    { role: "user", type: "text", content: "three", step: 0 },
    { role: "assistant", type: "text", content: "four", step: 1 },
  ]);
  return { threadId: thread.id, ids: (await core.context.get("ann", thread.id)).map(({ id }) => id) };
}

async function grow(core: Core, threadId: string, messages: readonly Partial<NewMessage>[]): Promise<void> {
  let parentId = (await core.thread.get("ann", threadId))?.headId ?? null;
  for (const fields of messages) parentId = (await core.thread.append("ann", threadId, message(parentId, fields))).id;
}

function message(parentId: string | null, fields: Partial<NewMessage>): NewMessage {
  return { role: "user", type: "text", content: "", turnId: "turn", step: 0, ...fields, parentId };
}

async function lines(core: Core, threadId: string): Promise<string[]> {
  const toLine = ({ role, content }: ContextMessage) => `${role}: ${content}`;
  return (await core.context.get("ann", threadId)).map(toLine);
}
