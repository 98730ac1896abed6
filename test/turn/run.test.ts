import { expect, test } from "bun:test";
import type { Plugin, User } from "../../src/protocols";
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
