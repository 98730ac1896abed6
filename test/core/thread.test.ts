import { beforeEach, describe, expect, test } from "bun:test";
import { createBus } from "../../src/core/bus";
import { createThread, declareThreadStores } from "../../src/core/thread";
import { snippetOf } from "../../src/core/thread/search";
import type { Core, NewMessage } from "../../src/protocols";
import { storeCore } from "./store/support";

// What any provider promises is in src/contracts/thread, run by test/contracts.test.ts.

const mark = (text: string) => text.replaceAll("\u0002", "[").replaceAll("\u0003", "]");

describe("a snippet", () => {
  const found: [text: string, query: string, snippet: string][] = [
    ["The walrus sleeps", "walrus", "The [walrus] sleeps"],
    ["Ein schönes Café", "cafe schon", "Ein [schön]es [Café]"],
    ["Ein schones Cafe", "CAFÉ", "Ein schones [Cafe]"],
    ["cafe\u0301 noir", "café", "[cafe\u0301] noir"],
    ["one\n\ttwo\u0000 three", "two", "one  [two]  three"],
    ["a \u0002forged\u0003 mark", "mark", "a  forged  [mark]"],
    ["aaaa", "aa", "[aa][aa]"],
    ["abcabc", "abc bca", "[abc][abc]"],
    ["nothing of it", "walrus", "nothing of it"],
    ["a.c abc", "a.c", "[a].[c] [a]b[c]"],
    ["日本語の文章", "文章", "日本語の[文章]"],
    ["Die Straße dort", "strasse", "Die [Straße] dort"],
    ["Łódź, ЁЛКА", "lodz елка", "[Łódź], [ЁЛКА]"],
    ["عن أحمد", "احمد", "عن [أحمد]"],
    ["", "x", ""],
    ["text", '"*(', "text"],
  ];
  test.each(found)("of %j for %j is %j", (text, query, snippet) => {
    expect(mark(snippetOf(text, query))).toBe(snippet);
  });

  test("is cut around the first word found, with an ellipsis where something is left out", () => {
    const snippet = snippetOf(`${"before ".repeat(1000)}walrus${" after".repeat(1000)}`, "walrus");
    expect(mark(snippet)).toMatch(/^….*before \[walrus\] after .*…$/);
    expect(snippet.length).toBeLessThan(170);
  });

  test("is found far inside a long text, and quickly", () => {
    const text = `${"word ".repeat(19_000)}Walrus at last`;
    const started = performance.now();
    expect(mark(snippetOf(text, "walrus"))).toContain("[Walrus] at last");
    // Folding 100,000 characters takes longer than anyone else may wait.
    expect(performance.now() - started).toBeLessThan(50);
  });
});

describe("threads in the store", () => {
  let core: Core;
  beforeEach(async () => {
    const basis = storeCore(undefined, { quotaBytes: 0 });
    core = Object.assign(basis, { bus: createBus(basis), thread: createThread(basis) });
    await declareThreadStores(core);
  });

  const create = async (title = "") => (await core.thread.create("ann", { title })).id;
  const say = async (threadId: string, content: string, fields: Partial<NewMessage> = {}) => {
    const parentId = (await core.thread.get("ann", threadId))?.headId ?? null;
    const own = { role: "user", type: "text", turnId: "turn", step: 0, parentId, content } as const;
    return (await core.thread.append("ann", threadId, { ...own, ...fields })).id;
  };
  const found = async (text: string, limit?: number) =>
    (await core.thread.search("ann", text, limit)).map(({ thread }) => thread.id);

  test("are read in pages when they are long, and others have their turn between these", async () => {
    const id = await create();
    const [ids, contents] = [
      Array.from({ length: 2500 }, (_, at) => `message-${at}`),
      Array.from({ length: 2500 }, (_, at) => `${at}`),
    ];
    await Promise.all(
      ids.map((own, at) => {
        const said = { role: "user", type: "text", turn_id: "turn", step: 0, content: contents[at] ?? "" };
        const fields = {
          ...said,
          thread_id: id,
          parent_id: ids[at - 1] ?? null,
          timestamp: "2026-01-01T00:00:00.000Z",
        };
        return core.store.add("ann", "messages", fields, own);
      }),
    );
    let turns = 0;
    const count = () => {
      turns++;
      if (turns < 1000) setImmediate(count);
    };
    setImmediate(count);
    const path = await core.thread.messages("ann", id, { head: "message-2499" });
    expect(turns).toBeGreaterThanOrEqual(2);
    turns = 1000;
    expect(path.map(({ content }) => content)).toEqual(contents);
  });

  test("of the same millisecond are paged without one skipped or repeated", async () => {
    const ids: string[] = [];
    for (let number = 0; number < 10; number++) {
      ids.push(await create());
      const timestamp = number < 8 ? "2026-01-01T00:00:00.000Z" : "2025-01-01T00:00:00.000Z";
      await say(ids.at(-1) ?? "", "x", { timestamp });
    }
    const seen: string[] = [];
    for (let before: string | undefined; ; before = seen.at(-1)) {
      const page = await core.thread.list("ann", { limit: 3, ...(before && { before }) });
      if (page.length === 0) break;
      seen.push(...page.map(({ id }) => id));
    }
    expect(seen).toHaveLength(10);
    expect(seen.toSorted()).toEqual(ids.toSorted());
    expect(new Set(seen.slice(8))).toEqual(new Set(ids.slice(8)));
  });

  test("a page goes on behind a thread that was archived meanwhile", async () => {
    const ids: string[] = [];
    for (const day of [1, 2, 3]) {
      ids.push(await create());
      await say(ids.at(-1) ?? "", "x", { timestamp: `2026-01-0${day}T00:00:00.000Z` });
    }
    const [oldest = "", middle = ""] = ids;
    await core.thread.archive("ann", middle);
    expect((await core.thread.list("ann", { before: middle })).map(({ id }) => id)).toEqual([oldest]);
    expect(await core.thread.list("ann", { before: "nowhere" })).toEqual([]);
  });

  test("changed at the same moment stand where their last state says", async () => {
    const id = await create();
    const other = await create();
    await Promise.all([
      say(id, "x", { timestamp: "2999-01-01T00:00:00.000Z", parentId: null }),
      core.thread.update("ann", id, { pinned: true, tags: ["a"] }),
      core.thread.update("ann", id, { title: "same moment" }),
    ]);
    expect((await core.thread.list("ann", { pinnedFirst: true })).map((thread) => thread.id)).toEqual([id, other]);
    const thread = await core.thread.get("ann", id);
    expect(thread).toMatchObject({ pinned: true, tags: ["a"], title: "same moment" });
    expect(await core.thread.list("ann", { pinnedFirst: true, limit: 1 })).toEqual(thread ? [thread] : []);
  });

  test("of which there are ten thousand are listed a page at a time, as fast as a few", async () => {
    const writes: Promise<unknown>[] = [];
    for (let number = 0; number < 10_000; number++) {
      const fields = { title: `${number}`, tags: number % 100 === 0 ? ["rare"] : [], pinned: number % 1000 === 0 };
      writes.push(core.thread.create("ann", fields));
    }
    await Promise.all(writes);
    for (const page of [{}, { pinnedFirst: true }, { tag: "rare" }, { archived: true }]) {
      const times: number[] = [];
      for (let round = 0; round < 9; round++) {
        const started = performance.now();
        await core.thread.list("ann", page);
        times.push(performance.now() - started);
      }
      // The best of them, because the machine may be busy; a scan of ten thousand takes over 20 ms each time.
      expect(Math.min(...times)).toBeLessThan(10);
    }
    expect(await core.thread.tags("ann")).toEqual(["rare"]);
  }, 20_000);

  test("are found newest first, titles before what was said", async () => {
    const [old, titled, recent] = [await create("Zoo"), await create("Walrus"), await create("Ice")];
    await say(old, "a walrus");
    await say(titled, "nothing");
    await say(recent, "the walrus");
    expect(await found("walrus")).toEqual([titled, recent, old]);
  });

  test("a title's hit shows the newest message that says the words too", async () => {
    const id = await create("Walrus");
    await say(id, "walrus one");
    const newest = await say(id, "walrus two");
    expect(await core.thread.search("ann", "walrus")).toMatchObject([{ messageId: newest }]);
  });

  test("one with many hits leaves room for others, as long as four messages for each are enough", async () => {
    const quiet = await create();
    await say(quiet, "walrus");
    const loud = await create();
    for (let number = 0; number < 7; number++) await say(loud, `walrus ${number}`);
    expect(await found("walrus", 2)).toEqual([loud, quiet]);
    for (let number = 7; number < 20; number++) await say(loud, `walrus ${number}`);
    expect(await found("walrus", 2)).toEqual([loud]);
  });

  test("thinking and what tools gave is not searched, and an archived thread takes no place", async () => {
    const id = await create();
    await say(id, "walrus", { role: "thinking", type: "thinking" });
    await say(id, "walrus", { role: "tool", type: "tool" });
    expect(await found("walrus")).toEqual([]);
    const archived = await create("walrus");
    const kept = await create("walrus");
    await core.thread.archive("ann", archived);
    expect(await found("walrus", 1)).toEqual([kept]);
  });

  test("of thousands of messages are read whole, in pages, and copied to a fork", async () => {
    const id = await create();
    let parentId: string | null = null;
    for (let number = 0; number < 2100; number++) parentId = await say(id, `${number}`, { parentId });
    const path = await core.thread.messages("ann", id);
    expect(path).toHaveLength(2100);
    const page = await core.thread.messages("ann", id, { limit: 2050 });
    expect(page.map(({ content }) => content)).toEqual(path.slice(50).map(({ content }) => content));
    expect(await core.thread.messages("ann", id, { limit: 5, before: path[0]?.id ?? "" })).toEqual([]);
    expect(await core.thread.messages("ann", id, { before: "nowhere" })).toEqual([]);
    const fork = await core.thread.fork("ann", id, path[1234]?.id ?? "");
    const copies = await core.thread.messages("ann", fork.id);
    expect(copies.map(({ content }) => content)).toEqual(path.slice(0, 1235).map(({ content }) => content));
  });

  test("a fork keeps every part of a message, tools and files included", async () => {
    const id = await create("Zoo");
    await say(id, "go");
    const file = { id: "f", name: "a.txt", type: "text/plain", size: 1, sha256: "x", created: "y" };
    const last = await say(id, "seen", { role: "tool", type: "tool", callId: "c", name: "look", files: [file] });
    const fork = await core.thread.fork("ann", id, last);
    expect(fork.metadata).toEqual({ forked_from: id });
    const copies = await core.thread.messages("ann", fork.id);
    expect(copies.map(({ parentId }) => parentId)).toEqual([null, copies[0]?.id ?? ""]);
    expect(copies[1]).toMatchObject({ callId: "c", name: "look", files: [file], content: "seen" });
  });
});
