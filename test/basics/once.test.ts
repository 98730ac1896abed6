import { describe, expect, test } from "bun:test";
import { createCoalesced, onceDone, share } from "../../src/basics/once";

test("work is done once for all who ask, and again only after a failure", async () => {
  let begun = 0;
  const work = onceDone(async () => {
    begun++;
    if (begun === 1) throw new Error("broken");
    return begun;
  });
  const failed = [work(), work()];
  for (const it of failed) await expect(it).rejects.toThrow("broken");
  expect(await Promise.all([work(), work()])).toEqual([2, 2]);
  expect(await work()).toBe(2);
});

test("work that is under way is shared by key, and begun anew when it has ended, also with a failure", async () => {
  const running = new Map<string, Promise<number>>();
  const gate = Promise.withResolvers<number>();
  const shared = [share(running, "a", () => gate.promise), share(running, "a", async () => 9)];
  expect(await share(running, "b", async () => 2)).toBe(2);
  expect([...running.keys()]).toEqual(["a"]);
  gate.reject(new Error("broken"));
  for (const it of shared) await expect(it).rejects.toThrow("broken");
  expect(running.size).toBe(0);
  expect(await share(running, "a", async () => 3)).toBe(3);
});

describe("coalesced work", () => {
  test("whoever asks while it is under way shares the next one, which begins after they asked; a failure is only theirs", async () => {
    const coalesced = createCoalesced<number>();
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let begun = 0;
    const work = async (): Promise<number> => {
      const n = begun++;
      await gates[n]?.promise;
      return n;
    };
    const first = coalesced("a", work);
    const others = [coalesced("a", work), coalesced("a", work)];
    const elsewhere = coalesced("b", work);
    expect(begun).toBe(2);
    gates[1]?.resolve();
    expect(await elsewhere).toBe(1);
    gates[0]?.reject(new Error("broken"));
    await expect(first).rejects.toThrow("broken");
    gates[2]?.resolve();
    expect(await Promise.all(others)).toEqual([2, 2]);
    expect(await coalesced("a", async () => 9)).toBe(9);
  });

  test("whoever asks while the next one is under way is not given it", async () => {
    const coalesced = createCoalesced<number>();
    const gate = Promise.withResolvers<number>();
    const first = coalesced("a", async () => 0);
    const second = coalesced("a", () => gate.promise);
    await first;
    await Promise.resolve();
    const third = coalesced("a", async () => 2);
    gate.resolve(1);
    expect(await Promise.all([second, third])).toEqual([1, 2]);
  });
});
