import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { type Counterpart, runWorld } from "./counterpart";

async function told(counterpart: Counterpart, limitMs = 20_000) {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line.replace(/ \(\d+\.\d s\)/, ""));
  return { outcome: await runWorld([counterpart], { limitMs, print }), lines };
}

test("each check is a line, and one that fails keeps no other from running", async () => {
  let folder = "";
  const ended: string[] = [];
  const { outcome, lines } = await told({
    name: "A",
    async run(stage) {
      folder = stage.folder;
      for (const name of ["first", "second"]) stage.atEnd(() => ended.push(name));
      await stage.check("breaks", () => Promise.reject(new Error("it broke")));
      await stage.check("works", () => {});
      stage.report("of another program", "why");
    },
  });
  expect(lines).toEqual(["FAIL A: breaks: it broke", "ok A: works", "FAIL A: of another program: why"]);
  expect(outcome).toEqual({ passed: 1, failed: 2, skipped: 0 });
  expect(ended).toEqual(["second", "first"]);
  expect(existsSync(folder)).toBe(false);
});

test("what cannot be had is said, and is no failure", async () => {
  const { outcome, lines } = await told({
    name: "B",
    obstacle: () => "it is not here",
    run: () => Promise.reject("run"),
  });
  expect(lines).toEqual(["skipped: B: it is not here"]);
  expect(outcome).toEqual({ passed: 0, failed: 0, skipped: 1 });
});

test("a counterpart that breaks, or does not end, is a failure, and what it opened is closed", async () => {
  const broken = await told({ name: "C", run: () => Promise.reject(new Error("no start")) });
  expect(broken.lines).toEqual(["FAIL C: all of it: no start"]);
  let isEnded = false;
  const hung = await told(
    {
      name: "D",
      run(stage) {
        stage.atEnd(() => {
          isEnded = true;
        });
        return stage.check("waits", () => new Promise(() => {}));
      },
    },
    10,
  );
  expect(hung.lines).toEqual(["FAIL D: all of it: it did not end within 0.01 s"]);
  expect([hung.outcome.failed, isEnded]).toEqual([1, true]);
});
