import { expect, test } from "bun:test";
import { createLog } from "../../src/basics/log";
import { watchHeldUp } from "../../src/tools/held-up";

test("what runs for long at a stretch is named, also when it throws, and what waits is not", async () => {
  const logged: string[] = [];
  const log = createLog("warn", (_level, line) => void logged.push(line));
  const watch = <T>(plugin: string, run: () => T) => watchHeldUp(log, () => ({ plugin }), run);
  expect(watch("quick", () => 1)).toBe(1);
  expect(await watch("waiting", () => Bun.sleep(250).then(() => 2))).toBe(2);
  expect(logged).toEqual([]);
  const slow = () => {
    Bun.sleepSync(250);
    throw new Error("too late");
  };
  expect(() => watch("slow", slow)).toThrow("too late");
  expect(logged).toEqual([expect.stringMatching(/held up the whole server plugin=slow ms=\d{3}$/)]);
});
