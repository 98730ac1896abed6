import { expect, test } from "bun:test";
import type { Plugin, User } from "../../src/protocols";
import { readTurn } from "../support/read-sse";
import { startServer } from "../support/server";
import { startCore } from "../support/test-core";
import { until } from "../support/until";
import { gate, startUpstream } from "../support/upstream";

test("the owner is told once when the replies that run come near what Bun lets one process ask for", async () => {
  const upstream = startUpstream();
  const open = gate();
  upstream.otherwise({ parts: ["Begun", { wait: open.opened }] });
  const logged: string[] = [];
  const ann = await (
    await startServer({
      config: { openaiBaseUrl: upstream.baseUrl, requestsMax: 3, logLevel: "warn" as const },
      logged,
    })
  ).signIn();
  const warnings = () => logged.filter((line) => line.includes("BUN_CONFIG_MAX_HTTP_REQUESTS"));
  const counts: number[] = [];
  const readers: AsyncGenerator[] = [];
  for (let n = 0; n < 4; n++) {
    const reader = readTurn(await ann.post("/api/v1/message", { content: "Go" }));
    await reader.next();
    readers.push(reader);
    counts.push(warnings().length);
  }
  expect(counts).toEqual([0, 0, 1, 1]);
  open.open();
  for (const reader of readers) for await (const _ of reader);
});

test("a turn that was taken from its process while it was stored is kept as interrupted, and leaves the thread to others", async () => {
  const upstream = startUpstream({ models: ["m"] });
  let isTaken = true;
  // As a process does that finds the claim of one that stood still, and no turn yet to end.
  const taking: Plugin = {
    name: "taking",
    provide: {
      store: (_core, base) => ({
        ...base,
        async add(owner, store, fields, id) {
          const threadId = String(fields.thread_id);
          if (store === "turns" && isTaken) await base.delete(null, "turn_claims", threadId);
          return base.add(owner, store, fields, id);
        },
      }),
    },
  };
  const core = await startCore({ plugins: [taking], config: { openaiBaseUrl: upstream.baseUrl } });
  const ann: User = { username: "ann", role: "user" };
  const first = await core.turns.start(ann, { content: "Go" });
  expect(await core.turns.get(ann, first.id)).toMatchObject({ status: "interrupted" });
  const events = await core.turns.follow(ann, first.id, 0, new AbortController().signal);
  expect((await Array.fromAsync(events ?? [])).flat().map(({ event }) => event.type)).toEqual(["error"]);
  isTaken = false;
  const second = await core.turns.continue(ann, first.id);
  await Array.fromAsync((await core.turns.follow(ann, second.id, 0, new AbortController().signal)) ?? []);
  const messages = await core.thread.messages("ann", first.threadId);
  expect(messages.map(({ role, turnId }) => [role, turnId])).toEqual([
    ["user", first.id],
    ["assistant", second.id],
  ]);
  expect(upstream.requests).toHaveLength(1);
});

test("what a turn writes, in the order that a crash cannot hurt, and nothing twice", async () => {
  const upstream = startUpstream({ models: ["m"] });
  const writes: string[] = [];
  const noting: Plugin = {
    name: "noting",
    provide: {
      store: (_core, base) => {
        const note = (what: string) => {
          // How often a turn saves while it runs depends on how long it takes.
          if (!what.endsWith("processes") && writes.at(-1) !== what) writes.push(what);
        };
        return {
          ...base,
          add: (owner, store, ...rest) => {
            note(`add ${store}`);
            return base.add(owner, store, ...rest);
          },
          update: (owner, store, ...rest) => {
            note(`update ${store}`);
            return base.update(owner, store, ...rest);
          },
          delete: (owner, store, ...rest) => {
            note(`delete ${store}`);
            return base.delete(owner, store, ...rest);
          },
          collectionAppend: (owner, store, ...rest) => {
            note(`append ${store}`);
            return base.collectionAppend(owner, store, ...rest);
          },
        };
      },
    },
  };
  const core = await startCore({ plugins: [noting], config: { openaiBaseUrl: upstream.baseUrl } });
  const ann: User = { username: "ann", role: "user" };
  const turn = async (threadId?: string): Promise<string> => {
    const info = await core.turns.start(ann, { content: "Go", ...(threadId && { threadId }) });
    const events = await core.turns.follow(ann, info.id, 0, new AbortController().signal);
    await Array.fromAsync(events ?? []);
    return info.threadId;
  };
  const question = ["add turn_claims", "add messages", "add turns", "update threads"];
  const reply = ["append turns", "add messages", "update threads"];
  const end = ["append turns", "update turns", "delete turn_claims"];
  writes.length = 0;
  const threadId = await turn();
  expect(writes).toEqual(["add threads", ...question, ...reply, ...end]);
  writes.length = 0;
  await turn(threadId);
  expect(writes).toEqual([...question, ...reply, ...end]);
});

test("whoever hears of the question finds no turn yet, and at once; whoever hears of the turn finds it", async () => {
  const upstream = startUpstream({ models: ["m"] });
  const core = await startCore({ config: { openaiBaseUrl: upstream.baseUrl } });
  const ann: User = { username: "ann", role: "user" };
  const { id: threadId } = await core.thread.create("ann", { title: "Found" });
  const heard: Promise<unknown>[] = [];
  await core.bus.subscribe("user:ann", (fact) => {
    const { type } = fact as { type: string };
    const begun = performance.now();
    const found = async () => [type, (await core.turns.live(ann, threadId))?.id, performance.now() - begun < 1000];
    if (type === "message-added" || type === "turn-started") heard.push(found());
  });
  const open = gate();
  upstream.script({ parts: [{ wait: open.opened }, "Done."] });
  const { id } = await core.turns.start(ann, { content: "Go", threadId });
  expect(await Promise.all(heard)).toEqual([
    ["message-added", undefined, true],
    ["turn-started", id, true],
  ]);
  open.open();
  await until(async () => (await core.turns.running(ann)).length === 0);
});

test("a message, another version of a reply, or more of one brings an archived chat back into list and search", async () => {
  const upstream = startUpstream({ models: ["m"] });
  const core = await startCore({ config: { openaiBaseUrl: upstream.baseUrl } });
  const ann: User = { username: "ann", role: "user" };
  const ended = async ({ id }: { readonly id: string }) => {
    await Array.fromAsync((await core.turns.follow(ann, id, 0, new AbortController().signal)) ?? []);
  };
  const first = await core.turns.start(ann, { content: "Walrus" });
  await ended(first);
  const { threadId } = first;
  const [question] = await core.thread.messages("ann", threadId);
  const ways = [
    () => core.turns.start(ann, { content: "More", threadId }),
    () => core.turns.start(ann, { content: null, threadId, parentId: question?.id ?? null }),
    async () => {
      upstream.script({ parts: ["Begun", { reset: true }] });
      const broken = await core.turns.start(ann, { content: "Again", threadId });
      await ended(broken);
      await core.thread.archive("ann", threadId);
      return core.turns.continue(ann, broken.id);
    },
  ];
  for (const begin of ways) {
    await core.thread.archive("ann", threadId);
    const turn = await begin();
    const found = (await core.thread.search("ann", "walrus")).map(({ thread }) => thread.id);
    expect([(await core.thread.list("ann")).map(({ id }) => id), found]).toEqual([[threadId], [threadId]]);
    await ended(turn);
  }
});
