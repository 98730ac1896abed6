import { beforeEach, describe, expect, test } from "bun:test";
import { createBus } from "../../src/core/bus";
import { createContext, declareContextStores } from "../../src/core/context";
import { createThread, declareThreadStores } from "../../src/core/thread";
import type { Core, NewMessage } from "../../src/protocols";
import { storeCore } from "./store/support";

// What any provider promises is in src/contracts/context.ts, run by test/contracts.test.ts.

describe("edits", () => {
  let core: Core;
  let threadId: string;
  beforeEach(async () => {
    const basis = storeCore();
    core = Object.assign(basis, { bus: createBus(basis), thread: createThread(basis), context: createContext(basis) });
    await declareThreadStores(core);
    await declareContextStores(core);
    threadId = (await core.thread.create("ann", { title: "" })).id;
  });

  const grow = async (...parts: readonly Partial<NewMessage>[]) => {
    let parentId = (await core.thread.get("ann", threadId))?.headId ?? null;
    for (const fields of parts) {
      const message = { role: "user", type: "text", content: "", turnId: "t", step: 0, ...fields, parentId } as const;
      parentId = (await core.thread.append("ann", threadId, message)).id;
    }
  };
  const lines = async () => (await core.context.get("ann", threadId)).map(({ role, content }) => `${role}: ${content}`);
  const idOf = async (content: string) =>
    (await core.context.get("ann", threadId)).find((message) => message.content === content)?.id ?? "";
  const tool = (callId: string, content: string) =>
    ({ role: "tool", type: "tool", callId, name: "look", content, step: 1 }) as const;

  test("never part calls from results: a call goes with its results, a result leaves a word in its place", async () => {
    await grow({ content: "go" }, { role: "assistant", content: "Looking.", step: 1 }, tool("a", "A"), tool("b", "B"));
    await core.context.removeMessage("ann", threadId, await idOf("A"));
    expect(await lines()).toEqual(["user: go", "assistant: Looking.", "tool: (removed)", "tool: B"]);
    await core.context.removeMessage("ann", threadId, await idOf("Looking."));
    expect(await lines()).toEqual(["user: go"]);
  });

  test("put what is added behind the results of a call, and never between", async () => {
    await grow({ content: "go" }, { role: "assistant", content: "Looking.", step: 1 }, tool("a", "A"));
    await core.context.replace("ann", threadId, [{ role: "user", content: "summary" }], {
      upTo: await idOf("Looking."),
    });
    expect(await lines()).toEqual(["user: summary"]);
    await core.context.add("ann", threadId, { role: "user", content: "aside" });
    expect(await lines()).toEqual(["user: summary", "user: aside"]);
  });

  test("can be made to what an edit added or put in a place", async () => {
    await grow({ content: "one" });
    await core.context.replace("ann", threadId, [{ role: "user", content: "summary" }]);
    const added = await core.context.add("ann", threadId, { role: "assistant", content: "aside" });
    expect(await core.context.updateMessage("ann", threadId, added, "changed")).toBe(true);
    expect(await core.context.updateMessage("ann", threadId, await idOf("summary"), "shorter")).toBe(true);
    expect(await lines()).toEqual(["user: shorter", "assistant: changed"]);
  });

  test("may begin an empty context, and what is said follows", async () => {
    await core.context.add("ann", threadId, { role: "user", content: "known before" });
    await grow({ content: "one" });
    expect(await lines()).toEqual(["user: known before", "user: one"]);
  });

  test("of a thread that does not exist, or up to a message that does not, are refused", async () => {
    const message = { role: "user", content: "x" } as const;
    await expect(core.context.add("ann", "nowhere", message)).rejects.toMatchObject({ code: "notFound" });
    await expect(core.context.add("bob", threadId, message)).rejects.toMatchObject({ code: "notFound" });
    await grow({ content: "one" });
    const upTo = core.context.replace("ann", threadId, [message], { upTo: "nowhere" });
    await expect(upTo).rejects.toMatchObject({ code: "notFound" });
    expect(await core.context.mutationCount("ann", threadId)).toBe(0);
  });

  test("made at the same moment are all made and all counted, and of rivals one wins", async () => {
    await grow(...Array.from({ length: 8 }, (_, index) => ({ content: `${index}` })));
    const ids = (await core.context.get("ann", threadId)).map(({ id }) => id);
    await Promise.all(ids.map((id) => core.context.updateMessage("ann", threadId, id, "same")));
    expect(await lines()).toEqual(Array(8).fill("user: same"));
    const mutationCount = await core.context.mutationCount("ann", threadId);
    expect(mutationCount).toBe(8);
    const rivals = ["a", "b", "c"].map((content) =>
      core.context.replace("ann", threadId, [{ role: "user", content }], { mutationCount }),
    );
    expect((await Promise.all(rivals)).filter(Boolean)).toHaveLength(1);
    expect(await lines()).toHaveLength(1);
  });
});
