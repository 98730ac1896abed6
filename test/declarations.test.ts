import { beforeAll, expect, test } from "bun:test";
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createFinder } from "../src/plugins/find";
import { projectFolder, runTool } from "./support/project";
import { temporaryFolder } from "./support/temporary";

const folder = temporaryFolder();
const plugins = join(folder, "plugins");

const MADE_MS = 120_000; // The compiler reads all packages, which takes some seconds of a machine that is not busy.

/** The command, away from the project. The folder of plugins is not there at first. */
async function types(...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, join(projectFolder, "src/main.ts"), "types", ...args], {
    cwd: folder,
    env: { ...process.env, PLUGINS_PATH: plugins, DATA_PATH: folder },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, lines: (stdout + stderr).replaceAll(`${folder}/`, "").trim().split("\n") };
}

beforeAll(async () => {
  const said = await types();
  expect(said).toEqual({
    code: 0,
    lines: ["plugins/skeleton.d.ts is written.", "plugins/tsconfig.json is written."],
  });
}, MADE_MS);

test(
  "an editor knows the contract by what is written alone: the library is right, and a wrong plugin is wrong in its line",
  async () => {
    const right = join(folder, "right");
    cpSync(join(projectFolder, "plugin_library"), right, { recursive: true });
    for (const name of readdirSync(plugins)) cpSync(join(plugins, name), join(right, name));
    expect(await runTool("tsc", "-p", right)).toEqual({ code: 0, output: "" });
    const wrong = [
      'import { Elysia, type Plugin, t } from "skeleton";',
      "export default {",
      '  name: "wrong",',
      "  hooks: {",
      "    postCall: (reply, turn) => void turn.core.thread.get(turn.user.username, 5),",
      "    preCal: (call) => call,",
      "  },",
      "  page: () =>",
      '    new Elysia().get("/_plugin/wrong/", ({ query }) => query.at.length, { query: t.Object({ at: t.Number() }) }),',
      '  start: () => Bun.sleep("soon"),',
      "} satisfies Plugin;",
    ];
    writeFileSync(join(right, "functions/wrong.ts"), wrong.join("\n"));
    const { code, output } = await runTool("tsc", "-p", right);
    const places = [...output.matchAll(/^\S*functions\/wrong\.ts\((\d+),\d+\): error/gm)].map(([, line]) =>
      Number(line),
    );
    expect([code === 0, [...new Set(places)]]).toEqual([false, [5, 6, 9, 10]]);
    expect(output.match(/: error/g)).toHaveLength(places.length);
  },
  MADE_MS,
);

test("in the repository nothing is written, since a second description of `skeleton` would be in its way", async () => {
  const { code, lines } = await types(join(projectFolder, "plugins"));
  expect([code, lines.join("\n")]).toEqual([1, expect.stringContaining("lies in the repository")]);
  expect(existsSync(join(projectFolder, "plugins/skeleton.d.ts"))).toBe(false);
});

test("skeleton.d.ts says what each value is for, with its example, and has no name of the machine that made it", () => {
  const text = readFileSync(join(plugins, "skeleton.d.ts"), "utf8");
  const own = text.slice(0, text.indexOf("declare module", 1000));
  expect(own).toContain("Markup in which every value is escaped");
  expect(own.match(/@example/g)?.length).toBeGreaterThan(10);
  expect(text).not.toContain(projectFolder);
});

test(
  "what was written is no plugin, and is written anew unless somebody changed it",
  async () => {
    expect(await createFinder(plugins)()).toEqual([]);
    appendFileSync(join(plugins, "tsconfig.json"), "\n");
    const changed = "was changed and stays as it is; remove it to have it written anew.";
    expect((await types(plugins)).lines).toEqual([
      "plugins/skeleton.d.ts is written.",
      `plugins/tsconfig.json ${changed}`,
    ]);
    expect(readFileSync(join(plugins, "tsconfig.json"), "utf8")).toEndWith("}\n\n");
  },
  MADE_MS,
);

test(
  "it takes one folder and nothing else",
  async () => {
    expect(await types("--help")).toEqual({ code: 2, lines: [expect.stringContaining("skeleton types [FOLDER]")] });
    expect((await types("a", "b")).code).toBe(2);
  },
  MADE_MS,
);
