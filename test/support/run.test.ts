import { expect, test } from "bun:test";
import { join } from "node:path";
import { projectFolder } from "./project";
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

/** A file of one test, which writes when it begins and ends, and in which process. */
function logging(log: string, name: string): string {
  return `
    import { appendFileSync } from "node:fs";
    import { expect, test } from "bun:test";
    test("one", async () => {
      appendFileSync(${JSON.stringify(log)}, "+${name} " + process.pid + "\\n");
      await Bun.sleep(300);
      appendFileSync(${JSON.stringify(log)}, "-${name} " + process.pid + "\\n");
      expect(1).toBe(1);
    });`;
}

test("files share a process, those of the browser another at the same time, and one that needs the machine alone runs by itself", async () => {
  const root = temporaryFolder();
  const log = join(root, "log");
  const write = (name: string, opening = "") =>
    Bun.write(join(root, `test/${name}.test.ts`), opening + logging(log, name));
  await write("a", "/** It measures. Needs the machine alone. */");
  await write("b", "const noBrowser = null;");
  for (const name of ["c", "d"]) await write(name);

  const outcome = await runFiles({ root, words: [], env: process.env, hasBrowser: true, print: () => {} });

  expect(outcome).toMatchObject({ passed: 4, failures: [] });
  expect(Math.min(...outcome.seconds.values())).toBeGreaterThanOrEqual(0.3);
  const lines = (await Bun.file(log).text()).trim().split("\n");
  const order = lines.map((line) => line.split(" ", 1)[0]);
  expect(order.slice(0, 2).sort()).toEqual(["+b", "+c"]);
  expect(order.slice(-2)).toEqual(["+a", "-a"]);
  const pidOf = (name: string) => lines.find((line) => line.startsWith(`+${name} `))?.split(" ")[1];
  expect(pidOf("c")).toBe(pidOf("d"));
  expect(new Set(["a", "b", "c"].map(pidOf)).size).toBe(3);
});

test("a file that fails only beside others is a failure, and one that fails alone is told apart from those beside it", async () => {
  const root = temporaryFolder();
  const start = 'import { expect, test } from "bun:test";\n';
  await Bun.write(
    join(root, "test/a.test.ts"),
    `${start}globalThis.left = 1; test("leaves", () => expect(1).toBe(1));`,
  );
  await Bun.write(
    join(root, "test/b.test.ts"),
    `${start}test("finds", () => expect(globalThis.left).toBe(undefined));`,
  );
  const run = { root, words: [], env: process.env, hasBrowser: true, print: () => {} };

  expect((await runFiles(run)).failures).toEqual([
    "test/b.test.ts: finds (only in one process: test/a.test.ts test/b.test.ts)",
  ]);

  await Bun.write(join(root, "test/c.test.ts"), `${start}test("fails", () => expect(1).toBe(2));`);
  expect((await runFiles(run)).failures).toEqual(["test/c.test.ts: fails"]);
});

test("the command ends with what it left out for want of a browser, how to get one, the slowest files, and the count", async () => {
  const command = [process.execPath, join(projectFolder, "test/support/run.ts"), "browser/streams", "views/html"];
  const child = Bun.spawn(command, { env: { ...process.env, CHROMIUM: "/nowhere" }, stdout: "pipe" });
  const lines = (await child.stdout.text()).trimEnd().split("\n");
  expect(await child.exited).toBe(0);
  expect(lines.slice(-4)).toEqual([
    expect.stringMatching(/^LEFT OUT test\/browser\/streams\.test\.ts: \d+, for want of a browser$/),
    expect.stringContaining("Install Chromium"),
    expect.stringMatching(/^The slowest: test\/\S+ \d+\.\d s, test\/\S+ \d+\.\d s\.$/),
    expect.stringMatching(/^[1-9]\d* passed, 0 failed$/),
  ]);
});
