import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { createLog } from "../../../src/basics/log";
import { busContract } from "../../../src/contracts/bus";
import { createBus } from "../../../src/core/bus";
import type { Core } from "../../../src/protocols";

function busCore(lines: string[] = []): Core {
  const core = { log: createLog("error", (_level, line) => lines.push(line)) } as Core;
  return Object.assign(core, { bus: createBus(core) });
}

describe("the bus keeps its contract", () => {
  for (const { name, run } of busContract) test(name, () => run(busCore()));
});

test("a handler that throws or rejects is logged with its topic", async () => {
  const lines: string[] = [];
  const { bus } = busCore(lines);
  await bus.subscribe("one", () => {
    throw new Error("thrown");
  });
  await bus.subscribe("two", async () => {
    throw new Error("rejected");
  });
  await bus.publish("one", null);
  await bus.publish("two", null);
  await Bun.sleep(0);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain("topic=one error=thrown");
  expect(lines[1]).toContain("topic=two error=rejected");
});

test("a subscription that was ended by an earlier handler gets nothing more", async () => {
  const { bus } = busCore();
  const got: string[] = [];
  const ends: (() => void)[] = [];
  await bus.subscribe("a", () => {
    for (const end of ends) end();
  });
  ends.push(await bus.subscribe("a", () => void got.push("ended")));
  await bus.publish("a", null);
  expect(got).toEqual([]);
});

test("topics without subscribers leave nothing in memory", async () => {
  const { bus } = busCore();
  const use = async (topics: number) => {
    for (let n = 0; n < topics; n += 1) {
      const end = await bus.subscribe(`topic ${n}`, () => undefined);
      await bus.publish(`topic ${n}`, n);
      end();
    }
    Bun.gc(true);
    return heapStats().objectTypeCounts.Set ?? 0;
  };
  const before = await use(100);
  expect(await use(5000)).toBeLessThan(before + 100);
});
