import { expect, test } from "bun:test";
import { join } from "node:path";
import { runFiles } from "./run";
import { temporaryFolder } from "./temporary";

test("the test command counts every file, also one that does not load, has no test, or exits in the middle", async () => {
  const root = temporaryFolder();
  const start = 'import { expect, test } from "bun:test";\n';
  const files = {
    "good.test.ts":
      'test("good", () => expect(1).toBe(1)); test.skip("later", () => {}); test("b", () => expect(1).toBe(1));',
    "bad.test.ts": 'test("a < b", () => expect(1).toBe(2)); test("good", () => expect(1).toBe(1));',
    "unloadable.test.ts": 'import { it } from "./missing"; test("never", () => expect(it).toBe(1));',
    "exits.test.ts": 'test("good", () => expect(1).toBe(1)); test("exits", () => process.exit(0));',
    "empty.test.ts": "",
    "rejects.test.ts": 'test("never", () => expect(1).toBe(1)); Promise.reject(new Error("nobody waits for this"));',
    "browser.test.ts": 'const noBrowser = "none"; test.skipIf(noBrowser !== null)("seen", () => expect(1).toBe(1));',
    "folder/other_spec.ts": 'test("deep", () => expect(1).toBe(1));',
  };
  for (const [name, text] of Object.entries(files)) await Bun.write(join(root, "test", name), start + text);

  let shown = "";
  const outcome = await runFiles({
    root,
    words: [],
    env: process.env,
    hasBrowser: false,
    print: (text) => (shown += text),
  });

  expect(outcome.leftOut).toEqual(["test/browser.test.ts: 1, for want of a browser", "test/good.test.ts: 1"]);
  expect(outcome.failures.map((line) => line.replace(/ended.*/, "ended"))).toEqual([
    "test/bad.test.ts: a < b",
    "test/empty.test.ts: ended",
    "test/exits.test.ts: ended",
    "test/rejects.test.ts: an error outside the tests (1)",
    "test/unloadable.test.ts: an error outside the tests (1)",
  ]);
  expect(outcome.passed).toBe(4);
  expect(outcome.skipped).toBe(2);
  expect(shown).toContain("nobody waits for this");
  expect(outcome.said).toHaveLength(5);
  expect(outcome.said[0]).toContain("Expected: 2");
});

test("files run two at a time, and one that needs the machine alone by itself", async () => {
  const root = temporaryFolder();
  const log = join(root, "log");
  const text = (name: string) => `
    import { appendFileSync } from "node:fs";
    import { expect, test } from "bun:test";
    test("one", async () => {
      appendFileSync(${JSON.stringify(log)}, "+${name} ");
      await Bun.sleep(300);
      appendFileSync(${JSON.stringify(log)}, "-${name} ");
      expect(1).toBe(1);
    });`;
  await Bun.write(join(root, "test/a.test.ts"), `/** It measures. Needs the machine alone. */${text("a")}`);
  for (const name of ["b", "c"]) await Bun.write(join(root, `test/${name}.test.ts`), text(name));

  const outcome = await runFiles({ root, words: [], env: process.env, hasBrowser: true, print: () => {} });

  expect(outcome).toMatchObject({ passed: 3, failures: [] });
  const order = (await Bun.file(log).text()).trim().split(" ");
  expect(order.slice(0, 2).sort()).toEqual(["+b", "+c"]);
  expect(order.slice(-2)).toEqual(["+a", "-a"]);
});
