import { expect, test } from "bun:test";
import { userTopic } from "../../src/basics/facts";
import type { Fact, Plugin, User } from "../../src/protocols";
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
