import { expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkPlugins } from "../src/check";
import { writePlugins } from "./support/plugin-files";
import { projectFolder } from "./support/project";
import { temporaryFolder, testConfig } from "./support/temporary";

/** Exit code and lines, with the folder of the files left out. */
async function check(files: Record<string, string>, named: readonly string[] = [], yaml = "") {
  const dataPath = temporaryFolder();
  const config = testConfig(dataPath);
  writePlugins(config.pluginsPath, files);
  if (yaml) writeFileSync(join(dataPath, "plugins.yaml"), yaml);
  const lines: string[] = [];
  const paths = named.map((path) => join(config.pluginsPath, path));
  const code = await checkPlugins(paths, config, (line) => void lines.push(line.replace(`${config.pluginsPath}/`, "")));
  return { code, lines, left: readdirSync(dataPath).sort() };
}

const FULL = `import { t } from "skeleton";
export default {
  name: "full",
  settings: t.Object({ key: t.String() }),
  hooks: { preCall() {} },
  tools: (core) => [{ name: core.settings("full").key, description: "", parameters: {}, execute: async () => 1 }],
  page: () => ({ handle: () => new Response("") }),
  provide: { limit: (core, base) => ({ ...base }) },
};`;

test("what is good is said with all that it gives, and the owner's folder stays as it was", async () => {
  const { code, lines, left } = await check({ "core/full.ts": FULL }, [], "full: { key: look }");
  expect(lines).toEqual([
    "core/full.ts",
    "  ok    full: provides limit; hooks preCall; tools look; page for user; settings",
    expect.stringMatching(/^ {2}ok {4}limit keeps its \d+ promises$/),
  ]);
  expect([code, left]).toEqual([0, ["plugins", "plugins.yaml"]]);
});

test("each fault is said below its file, and the exit code is 1", async () => {
  const { code, lines } = await check({
    "core/full.ts": FULL,
    "tools/a.ts": "export function roll(sides: bigint) { return 1; }",
    "tools/b.ts": "export function go() { return 1; }",
  });
  expect(code).toBe(1);
  expect(lines).toEqual([
    "tools/a.ts",
    expect.stringMatching(/^ {2}FAULT .*roll.*sides.*bigint/),
    "core/full.ts",
    "  FAULT Its settings in plugins.yaml do not fit: they must have key.",
    "tools/b.ts",
    "  ok    b: tools go",
  ]);
});

test("a provider that does not keep its contract is told which promise it breaks", async () => {
  const deaf = `export default { name: "deaf", provide: { bus: (core, base) => ({ ...base, publish: async () => {} }) } };`;
  const { code, lines } = await check({ "core/deaf.ts": deaf, "tools/b.ts": "throw 1;" }, ["core/deaf.ts"]);
  expect(lines.slice(0, 2)).toEqual(["core/deaf.ts", "  ok    deaf: provides bus"]);
  expect(lines.slice(2)).toContainEqual(expect.stringMatching(/^ {2}FAULT bus: \S.*: \S/));
  expect(code).toBe(1);
}, 120_000);

test("a provider of the store is held to its contract, of which a case closes it", async () => {
  const wrapped = 'export default { name: "wrapped", provide: { store: (core, base) => ({ ...base }) } };';
  const { code, lines } = await check({ "core/wrapped.ts": wrapped });
  expect(lines.at(-1)).toMatch(/^ {2}ok {4}store keeps its \d+ promises$/);
  expect(code).toBe(0);
}, 120_000);

test("a file that is not there is a fault, and a folder without plugins is not", async () => {
  expect(await check({}, ["nowhere.ts"])).toMatchObject({
    code: 1,
    lines: ["nowhere.ts", "  FAULT There is no such file."],
  });
  expect(await check({})).toMatchObject({ code: 0, lines: [expect.stringContaining("There are no plugins in")] });
});

test("the command checks files of the library where they are", async () => {
  const { lines, code } = await runCheck(temporaryFolder(), ["plugin_library/tools/ping.ts"]);
  expect(lines).toEqual([join(projectFolder, "plugin_library/tools/ping.ts"), "  ok    ping: tools ping"]);
  expect(code).toBe(0);
});

/** The command, in a process of its own. */
async function runCheck(folder: string, files: readonly string[] = []) {
  const child = Bun.spawn([process.execPath, join(projectFolder, "src/main.ts"), "check", ...files], {
    cwd: projectFolder,
    env: { DATA_PATH: folder, PLUGINS_PATH: join(folder, "plugins") },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors, code] = [await child.stdout.text(), await child.stderr.text(), await child.exited];
  return { lines: output.trimEnd().split("\n"), errors, code };
}

test("what a plugin throws where nobody catches it is a fault of its file, said once and without a stack", async () => {
  const folder = temporaryFolder();
  const timer = `setTimeout(() => {
    throw new Error("later");
  }, 1)`;
  writePlugins(join(folder, "plugins"), {
    "core/late.ts": `export default {
  name: "late",
  start() { ${timer}; },
  provide: { limit: (core, base) => ({ ...base }) },
};`,
    "functions/lost.ts": `export default { name: "lost", start() { void Promise.reject(new Error("for nobody")); } };`,
    "functions/placeless.ts": `export default { name: "placeless", start() { void Promise.reject("no error"); } };`,
    "functions/quiet.ts": `export default { name: "quiet" };`,
  });
  const all = await runCheck(folder);
  expect(all.errors).toBe("");
  expect(all.lines).toEqual([
    join(folder, "plugins"),
    "  FAULT Nobody catches what one of the plugins throws: no error",
    "core/late.ts",
    "  ok    late: provides limit",
    expect.stringMatching(/^ {2}ok {4}limit keeps its \d+ promises$/),
    "  FAULT Nobody catches what it throws in line 4: later",
    "functions/lost.ts",
    "  ok    lost: nothing",
    "  FAULT Nobody catches what it throws in line 1: for nobody",
    "functions/placeless.ts",
    "  ok    placeless: nothing",
    "functions/quiet.ts",
    "  ok    quiet: nothing",
  ]);
  const files = ["functions/placeless.ts", "functions/quiet.ts"].map((file) => join(folder, "plugins", file));
  const alone = await runCheck(folder, files);
  expect(alone.lines).toEqual([
    files[0] ?? "",
    "  ok    placeless: nothing",
    "  FAULT Nobody catches what it throws: no error",
    files[1] ?? "",
    "  ok    quiet: nothing",
  ]);
  expect([all.code, alone.code, (await runCheck(folder, files.slice(1))).code]).toEqual([1, 1, 0]);
}, 60_000);

test("names in plugins.yaml that no plugin reads are said, and those of one that is left out are not", async () => {
  const files = { "core/full.ts": FULL, "tools/b.ts": "export function go() { return 1; }" };
  const { code, lines } = await check(files, [], "ful: { key: look }\nb: { x: 1 }\nfull: { key: 3 }");
  expect(lines.slice(-2)).toEqual(["plugins.yaml", "  note  No plugin reads the settings of ful, b."]);
  expect([code, lines[1]]).toEqual([1, expect.stringContaining("must be")]);
  expect((await check(files, ["tools/b.ts"], "ful: { key: look }")).lines).not.toContain("plugins.yaml");
});

test("a plugin that adds a model is held to its promises with that one, and one that wraps models with one that is there", async () => {
  const adding = (list: string) => `export default {
  name: "adding",
  provide: {
    model: (core, base) => ({
      ...base,
      list: async () => ${list},
      async *stream(call, signal) {
        if (call.model === "mine") yield { type: "text", text: "It never finishes." };
        else yield* base.stream(call, signal);
      },
    }),
  },
};`;
  for (const list of ['["mine", ...(await base.list())]', '[...(await base.list()), "mine"]']) {
    const { code, lines } = await check({ "core/adding.ts": adding(list) });
    expect([code, lines.join("\n")]).toEqual([1, expect.stringContaining("exactly one finish")]);
  }
  const { lines } = await check({ "core/adding.ts": adding("base.list()") });
  expect(lines.at(-1)).toMatch(/model keeps its \d+ promises, with a stand-in: it lists no model of its own now$/);
});
