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
  const child = Bun.spawn(
    [process.execPath, join(projectFolder, "src/main.ts"), "check", "plugin_library/tools/ping.ts"],
    {
      cwd: projectFolder,
      env: { DATA_PATH: temporaryFolder() },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  const [output, code] = [await child.stdout.text(), await child.exited];
  expect(output).toBe(`${join(projectFolder, "plugin_library/tools/ping.ts")}\n  ok    ping: tools ping\n`);
  expect(code).toBe(0);
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
