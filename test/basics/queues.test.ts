import { expect, test } from "bun:test";
import { createLanes } from "../../src/basics/queues";

test("two jobs are done at a time, and one of each key", async () => {
  const lanes = createLanes(2);
  const log: string[] = [];
  const gates = new Map<string, () => void>();
  const job = (name: string) => () => {
    log.push(name);
    return new Promise<void>((resolve) => gates.set(name, resolve));
  };
  const jobs = [
    lanes.run("ann", job("ann 1")),
    lanes.run("ann", job("ann 2")),
    lanes.run("bob", job("bob 1")),
    lanes.run("cat", job("cat 1")),
  ];
  await Bun.sleep(0);
  expect(log).toEqual(["ann 1", "bob 1"]);
  gates.get("bob 1")?.();
  await jobs[2];
  expect(log).toEqual(["ann 1", "bob 1", "cat 1"]);
  gates.get("ann 1")?.();
  await jobs[0];
  await Bun.sleep(0);
  expect(log.at(-1)).toBe("ann 2");
  gates.get("ann 2")?.();
  gates.get("cat 1")?.();
  await Promise.all(jobs);
});
