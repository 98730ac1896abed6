import { expect, test } from "bun:test";
import type { Plugin, User } from "../../src/protocols";
import { showBranch } from "../../src/turn/branch";
import { startCore } from "../support/test-core";

const ANN: User = { username: "ann", role: "user" };
const BOB: User = { username: "bob", role: "user" };

test("another branch is shown when no turn runs, and to its user alone; else the head stays where it is", async () => {
  const waiting: Plugin = {
    name: "waiting",
    provide: {
      model: (_core, base) => ({
        ...base,
        list: async () => ["m"],
        async *stream() {
          yield { type: "text", text: "Once" };
          await new Promise(() => {});
        },
      }),
    },
  };
  const core = await startCore({ plugins: [waiting] });
  const first = await core.turns.start(ANN, { content: "One" });
  const { threadId } = first;
  await core.turns.stop(ANN, first.id);
  const second = await core.turns.start(ANN, { content: "Uno", threadId, parentId: null });
  const head = async () => (await core.thread.get("ann", threadId))?.headId;
  const shown = await head();
  for (const [user, code] of [
    [ANN, "conflict"],
    [BOB, "notFound"],
  ] as const) {
    await expect(showBranch(core, user, threadId, first.parentId)).rejects.toMatchObject({ code });
    expect(await head()).toBe(shown);
  }
  await core.turns.stop(ANN, second.id);
  const kept = await head();
  await expect(showBranch(core, BOB, threadId, first.parentId)).rejects.toMatchObject({ code: "notFound" });
  expect(await head()).toBe(kept);
  const { headId } = await showBranch(core, ANN, threadId, first.parentId);
  const messages = await core.thread.messages("ann", threadId);
  expect([messages[0]?.content, messages.at(-1)?.id]).toEqual(["One", headId ?? ""]);
});
