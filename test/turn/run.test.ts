import { expect, test } from "bun:test";
import { userTopic } from "../../src/basics/facts";
import type { Fact, Plugin, User } from "../../src/protocols";
import { unfinishedParts } from "../../src/turn/recover";
import { LENGTH_MAX, TOO_LONG } from "../../src/turn/run";
import { startCore } from "../support/test-core";
import { until } from "../support/until";

const ANN: User = { username: "ann", role: "user" };

test("a processor that looks at no signal may still clean up when its turn is stopped", async () => {
  const cleaned = Promise.withResolvers<void>();
  const endless: Plugin = {
    name: "endless",
    provide: {
      model: (_core, base) => ({ ...base, list: async () => ["m"] }),
      messageProcessor: () => ({
        async *run() {
          try {
            for (;;) {
              yield { type: "text", text: "on " } as const;
              await Bun.sleep(5);
            }
          } finally {
            cleaned.resolve();
          }
        },
      }),
    },
  };
  const core = await startCore({ plugins: [endless] });
  const turn = await core.turns.start(ANN, { content: "Go" });
  await core.turns.stop(ANN, turn.id);
  expect(await core.turns.get(ANN, turn.id)).toMatchObject({ status: "stopped" });
  await cleaned.promise;
});

test("a reply that does not end is ended, and what came before is kept", async () => {
  const piece = "x".repeat(LENGTH_MAX / 10);
  let pieces = 0;
  const broken: Plugin = {
    name: "broken",
    provide: {
      model: (_core, base) => ({
        ...base,
        list: async () => ["m"],
        async *stream() {
          while (pieces++ < 20) yield { type: "text", text: piece };
          yield { type: "finish", reason: "stop" };
        },
      }),
    },
  };
  const core = await startCore({ plugins: [broken] });
  const ended = Promise.withResolvers<void>();
  await core.bus.subscribe(userTopic("ann"), (fact) => {
    if ((fact as unknown as Fact).type === "turn-ended") ended.resolve();
  });
  const turn = await core.turns.start(ANN, { content: "Go" });
  await ended.promise;
  expect(await core.turns.get(ANN, turn.id)).toMatchObject({ status: "failed", error: TOO_LONG });
  expect((await core.thread.messages("ann", turn.threadId)).at(-1)?.content).toBe(piece.repeat(10));
  expect(pieces).toBe(11);
});

test("a remark that comes while a step is being stored is found again after a crash", async () => {
  const noted = Promise.withResolvers<void>();
  let remark = () => {};
  const remarking: Plugin = {
    name: "remarking",
    provide: {
      model: (_core, base) => ({ ...base, list: async () => ["m"] }),
      // As a tool that goes on beside the turn: its remark comes between the parts of the step and the mark of its end.
      thread: (_core, base) => ({
        ...base,
        async append(...args) {
          if (args[2].role === "assistant") remark();
          return base.append(...args);
        },
      }),
      messageProcessor: () => ({
        async *run(turn) {
          remark = () => turn.notify("by the way");
          yield { type: "text", text: "one" } as const;
          yield { type: "step", model: "m", usage: null } as const;
          noted.resolve();
          await new Promise(() => {});
          return "stop";
        },
      }),
    },
  };
  const core = await startCore({ plugins: [remarking] });
  const turn = await core.turns.start(ANN, { content: "Go" });
  await noted.promise;
  const partsNow = async () => [...((await core.turns.live(ANN, turn.threadId))?.parts ?? [])];
  await until(async () => (await partsNow()).length > 0);
  const live = await partsNow();
  expect(live.map(({ content }) => content)).toEqual(["by the way"]);
  const [batch = []] = await Array.fromAsync(
    (await core.turns.follow(ANN, turn.id, 0, AbortSignal.timeout(200))) ?? [],
  );
  expect(unfinishedParts(turn, batch).list()).toEqual(live);
  await core.turns.stop(ANN, turn.id);
});

test("with a store whose commits take 100 ms readers have their text so much later, and nothing else stalls", async () => {
  const COMMIT_MS = 100;
  const slow: Plugin = {
    name: "slow",
    provide: {
      store: (_core, base) => ({
        ...base,
        async collectionAppend(...args) {
          await Bun.sleep(COMMIT_MS);
          return base.collectionAppend(...args);
        },
      }),
      model: (_core, base) => ({ ...base, list: async () => ["m"] }),
      messageProcessor: () => ({
        async *run() {
          for (let n = 0; n < 100; n++) {
            await Bun.sleep(5);
            yield { type: "text", text: `${Date.now()} ` } as const;
          }
          yield { type: "step", model: "m", usage: null } as const;
          return "stop" as const;
        },
      }),
    },
  };
  const core = await startCore({ plugins: [slow] });
  const begun = performance.now();
  const turn = await core.turns.start(ANN, { content: "Go" });
  let text = "";
  let batches = 0;
  let latestMs = 0;
  for await (const events of (await core.turns.follow(ANN, turn.id, 0, AbortSignal.timeout(20_000))) ?? []) {
    const said = events.map(({ event }) => (event.type === "text" ? event.text : "")).join("");
    if (said) {
      latestMs = Date.now() - Number(said.trim().split(" ")[0]);
      expect(latestMs).toBeGreaterThanOrEqual(COMMIT_MS - 2);
      batches++;
    }
    text += said;
  }
  expect(text.trim().split(" ")).toHaveLength(100);
  // As many commits as fit, and not one for each of a hundred words.
  expect(batches).toBeLessThanOrEqual((performance.now() - begun) / COMMIT_MS);
  expect(batches).toBeGreaterThan(2);
}, 20_000);

test("whoever follows a turn that runs here is answered from memory, and the store is not read", async () => {
  const counts = { reads: 0 };
  const said = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const counting: Plugin = {
    name: "counting",
    provide: {
      store: (_core, base) => ({
        ...base,
        collectionGet(...args) {
          counts.reads++;
          return base.collectionGet(...args);
        },
      }),
      model: (_core, base) => ({ ...base, list: async () => ["m"] }),
      messageProcessor: () => ({
        async *run() {
          yield { type: "text", text: "one " } as const;
          said.resolve();
          await goOn.promise;
          yield { type: "text", text: "two" } as const;
          yield { type: "step", model: "m", usage: null } as const;
          return "stop" as const;
        },
      }),
    },
  };
  const core = await startCore({ plugins: [counting] });
  const turn = await core.turns.start(ANN, { content: "Go" });
  await said.promise;
  const followers = Array.from({ length: 20 }, async () => {
    const batches = (await core.turns.follow(ANN, turn.id, 0, AbortSignal.timeout(20_000))) ?? [];
    let text = "";
    for await (const events of batches) {
      text += events.map(({ event }) => (event.type === "text" ? event.text : "")).join("");
      if (text === "one ") goOn.resolve();
    }
    return text;
  });
  expect(new Set(await Promise.all(followers))).toEqual(new Set(["one two"]));
  expect(counts.reads).toBe(0);
});
