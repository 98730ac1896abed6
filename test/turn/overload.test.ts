import { expect, test } from "bun:test";
import type { Plugin, User } from "../../src/protocols";
import { createLateness } from "../../src/turn/overload";
import { startCore } from "../support/test-core";
import { until } from "../support/until";

const ANN: User = { username: "ann", role: "user" };

function isTooLateAfter(...pausesMs: readonly number[]): boolean {
  const lateness = createLateness();
  let nowMs = 5000;
  lateness.look(nowMs);
  for (const pauseMs of pausesMs) {
    nowMs += pauseMs;
    lateness.look(nowMs);
  }
  return lateness.isTooLate();
}

test("a loop is too late when it was late by more than 250 ms for three seconds on end, and not for having slept", () => {
  expect(isTooLateAfter(...Array(7).fill(400))).toBe(false);
  expect(isTooLateAfter(...Array(8).fill(400))).toBe(true);
  expect(isTooLateAfter(...Array(50).fill(340))).toBe(false);
  expect(isTooLateAfter(3_600_000)).toBe(false);
  expect(isTooLateAfter(60_000, 60_000)).toBe(false);
  expect(isTooLateAfter(1000, 1000, 1000)).toBe(true);
  expect(isTooLateAfter(...Array(8).fill(400), 101)).toBe(false);
});

test("while the loop is late new turns are refused and the one that runs goes on; afterwards they are taken", async () => {
  const goOn = Promise.withResolvers<void>();
  const plugin: Plugin = {
    name: "held",
    provide: {
      model: (_core, base) => ({ ...base, list: async () => ["m"] }),
      messageProcessor: () => ({
        async *run() {
          yield { type: "text", text: "one " } as const;
          await goOn.promise;
          yield { type: "text", text: "two" } as const;
          yield { type: "step", model: "m", usage: null } as const;
          return "stop" as const;
        },
      }),
    },
  };
  const core = await startCore({ plugins: [plugin] });
  const turn = await core.turns.start(ANN, { content: "Go" });
  // Work that holds the loop, as more turns than it can take do.
  for (let n = 0; n < 10; n++) {
    Bun.sleepSync(400);
    await Bun.sleep(1);
  }
  const refused = await core.turns.start(ANN, { content: "And?" }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "unavailable", reason: "overloaded", retryAfterS: 5 });
  goOn.resolve();
  let text = "";
  for await (const events of (await core.turns.follow(ANN, turn.id, 0, AbortSignal.timeout(10_000))) ?? [])
    text += events.map(({ event }) => (event.type === "text" ? event.text : "")).join("");
  expect(text).toBe("one two");
  await until(() =>
    core.turns.start(ANN, { content: "And now?" }).then(
      () => true,
      () => false,
    ),
  );
}, 20_000);
