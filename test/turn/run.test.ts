import { expect, test } from "bun:test";
import { userTopic } from "../../src/basics/facts";
import type { Fact, Plugin, User } from "../../src/protocols";
import { unfinishedParts } from "../../src/turn/recover";
import { LENGTH_MAX, TOO_LONG } from "../../src/turn/run";
import { startCore } from "../support/test-core";

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
  const live = [...((await core.turns.live(ANN, turn.threadId))?.parts ?? [])];
  expect(live.map(({ content }) => content)).toEqual(["by the way"]);
  const [batch = []] = await Array.fromAsync(
    (await core.turns.follow(ANN, turn.id, 0, AbortSignal.timeout(200))) ?? [],
  );
  expect(unfinishedParts(turn, batch).list()).toEqual(live);
  await core.turns.stop(ANN, turn.id);
});
