import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { limitContract } from "../../src/contracts/limit";
import { createBus } from "../../src/core/bus";
import { createLimit } from "../../src/core/limit";
import type { Core } from "../../src/protocols";

let nowMs = 0;

function at(seconds: number): void {
  nowMs = seconds * 1000;
}

const withBus = () => {
  const core = {} as Core;
  return Object.assign(core, { bus: createBus(core) });
};
const onClock = (core = withBus()) => createLimit(core, () => nowMs);

test("what is taken in one process counts in the others", async () => {
  const core = withBus();
  const [one, other] = [onClock(core), onClock(core)];
  at(0);
  // Each hears the others from its own first take on.
  for (const limit of [one, other]) await limit.take("first", 9, 60);
  expect(await one.take("key", 3, 60, 2)).toEqual({ allowed: true, remaining: 1 });
  await Bun.sleep(0);
  expect(await other.take("key", 3, 60)).toEqual({ allowed: true, remaining: 0 });
  await Bun.sleep(0);
  for (const limit of [one, other]) expect((await limit.take("key", 3, 60)).allowed).toBe(false);
  at(61);
  expect(await one.take("key", 3, 60)).toEqual({ allowed: true, remaining: 2 });
});

test("what others take of a key that is in use for ever is forgotten when it is over", async () => {
  const core = withBus();
  const [one, other] = [onClock(core), onClock(core)];
  at(0);
  for (const limit of [one, other]) await limit.take("first", 9, 60);
  const takes = async (from: number, to: number) => {
    for (let n = from; n < to; n += 1) {
      at(n * 10);
      await one.take("key", 9, 60);
    }
    await Bun.sleep(0); // Until the other has heard of them.
    Bun.gc(true);
    return heapStats().objectTypeCounts.Object ?? 0;
  };
  const few = await takes(0, 1000);
  expect((await takes(1000, 11_000)) - few).toBeLessThan(1000);
  expect(await other.take("key", 9, 60)).toEqual({ allowed: true, remaining: 2 });
});

describe("the limit keeps its contract", () => {
  for (const { name, run } of limitContract) {
    test(name, () => run({ limit: createLimit(withBus()) } as Core));
  }
});

test("no window of that length ever sees more than the maximum, wherever it begins", async () => {
  const limit = onClock();
  const allowed: number[] = [];
  for (let second = 0; second < 300; second += 1) {
    at(second);
    if ((await limit.take("key", 5, 60)).allowed) allowed.push(second);
  }
  expect(allowed.slice(0, 7)).toEqual([0, 1, 2, 3, 4, 60, 61]);
  for (const from of allowed) {
    expect(allowed.filter((second) => second >= from && second < from + 60).length).toBeLessThanOrEqual(5);
  }
});

test("retryAfterS is when a take of that cost succeeds, and not a second sooner", async () => {
  const limit = onClock();
  at(0);
  await limit.take("key", 4, 60, 2);
  at(10);
  await limit.take("key", 4, 60, 1);
  at(20);
  await limit.take("key", 4, 60, 1);
  expect(await limit.take("key", 4, 60, 2)).toEqual({ allowed: false, retryAfterS: 40 });
  expect(await limit.take("key", 4, 60, 3)).toEqual({ allowed: false, retryAfterS: 50 });
  expect(await limit.take("key", 4, 60, 0)).toEqual({ allowed: false, retryAfterS: 40 });
  at(59.9);
  expect(await limit.take("key", 4, 60, 2)).toEqual({ allowed: false, retryAfterS: 1 });
  at(60);
  expect(await limit.take("key", 4, 60, 2)).toEqual({ allowed: true, remaining: 0 });
});

test("keys that nobody uses any more are forgotten while others are used", async () => {
  const limit = onClock();
  const flood = async (name: string, keys: number) => {
    for (let n = 0; n < keys; n += 1) await limit.take(`${name} ${n}`, 5, 60);
    Bun.gc(true);
    return heapStats().objectTypeCounts.Array ?? 0;
  };
  at(0);
  const before = await flood("warm", 1);
  const full = await flood("stranger", 20_000);
  expect(full).toBeGreaterThan(before + 15_000);
  at(61);
  for (let n = 0; n < 20_000; n += 1) await limit.take("regular", 1_000_000, 60, 0);
  expect(await flood("last", 1)).toBeLessThan(before + 1000);
});
