import { expect, test } from "bun:test";
import type { Config, Core, Plugin, User } from "../../src/protocols";
import { startCore } from "../support/test-core";

const ANN: User = { username: "ann", role: "user" };
const BOB: User = { username: "bob", role: "user" };

/** A model that says a word and then waits for ever, so that each turn ends by being stopped. */
const waiting: Plugin = {
  name: "waiting",
  provide: {
    model: (_core, base) => ({
      ...base,
      list: async () => ["large", "small"],
      async *stream() {
        yield { type: "text", text: "Once" };
        await new Promise(() => {});
      },
    }),
  },
};

const start = (config: Partial<Config> = {}): Promise<Core> => startCore({ config, plugins: [waiting] });

test("who sends too much is refused, sending and continuing alike, and others are not", async () => {
  const core = await start({ rateLimitMessage: { max: 1, windowS: 60 } });
  const { id, threadId } = await core.turns.start(ANN, { content: "One" });
  await core.turns.stop(ANN, id);
  const limited = { code: "limited", retryAfterS: expect.any(Number) };
  await expect(core.turns.start(ANN, { content: "Two", threadId })).rejects.toMatchObject(limited);
  await expect(core.turns.start(ANN, { content: "Two" })).rejects.toMatchObject(limited);
  await expect(core.turns.continue(ANN, id)).rejects.toMatchObject(limited);
  expect(await core.turns.list(ANN, threadId)).toHaveLength(1);
  expect(await core.thread.list("ann")).toHaveLength(1);
  await core.turns.start(BOB, { content: "One" });
});

test("continuing counts as a message", async () => {
  const core = await start({ rateLimitMessage: { max: 2, windowS: 60 } });
  const { id } = await core.turns.start(ANN, { content: "One" });
  await core.turns.stop(ANN, id);
  await core.turns.continue(ANN, id);
  await expect(core.turns.start(ANN, { content: "Two" })).rejects.toMatchObject({ code: "limited" });
});

test("a reply is not continued by a model that the user may not use any more", async () => {
  const core = await start();
  const { id, threadId } = await core.turns.start(ANN, { content: "Go", model: "large" });
  await core.turns.stop(ANN, id);
  const masked = { ...ANN, modelMask: "small" };
  await expect(core.turns.continue(masked, id)).rejects.toMatchObject({ code: "forbidden" });
  expect((await core.turns.list(ANN, threadId)).map((turn) => turn.id)).toEqual([id]);
  expect(await core.turns.running(ANN)).toEqual([]);
});

test("what is being written is there for its user, and for nobody else", async () => {
  const core = await start();
  const { id, threadId } = await core.turns.start(ANN, { content: "Go" });
  expect(await core.turns.live(ANN, threadId)).toMatchObject({ id });
  expect(await core.turns.live(BOB, threadId)).toBeNull();
});
