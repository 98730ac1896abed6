import { describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { appending, loadFiles, loadPlugins, writePlugins } from "../support/plugin-files";
import { projectFolder } from "../support/project";
import { temporaryFolder } from "../support/temporary";

const SMALL = 'export default { name: "small" };';

async function find(folder: string) {
  const { plugins, faults } = await loadFiles(folder);
  return { files: plugins.map(({ file }) => file), faults, plugins };
}

describe("plugin files", () => {
  test("are the .ts files of core, functions and tools, one level deep, by their names whatever the folder", async () => {
    const folder = temporaryFolder();
    writePlugins(folder, {
      "core/b.ts": 'export default { name: "b" };',
      "tools/a.ts": 'export default { name: "a" };',
      "functions/c.ts": 'export default { name: "c" };',
      "core/types.d.ts": "throw 1;",
      "core/b.test.ts": "throw 1;",
      "core/_draft.ts": "throw 1;",
      "core/.hidden.ts": "throw 1;",
      "core/readme.md": "throw 1;",
      "core/deep/d.ts": "throw 1;",
      "html/page.ts": "throw 1;",
      "node_modules/x.ts": "throw 1;",
      "_shared/words.ts": "throw 1;",
    });
    expect(await find(folder)).toMatchObject({ files: ["tools/a.ts", "core/b.ts", "functions/c.ts"], faults: [] });
  });

  test("the folder as the repository has it holds no plugin and no fault", async () => {
    const folder = temporaryFolder();
    copyFileSync(join(projectFolder, "plugins/README.md"), join(folder, "README.md"));
    expect(await find(folder)).toMatchObject({ files: [], faults: [] });
  });

  test("that lie elsewhere or end otherwise are named, for nobody would learn why nothing happens", async () => {
    const folder = temporaryFolder();
    writePlugins(folder, {
      "top.ts": "throw 1;",
      "pages/visits.ts": "throw 1;",
      "core/old.js": "throw 1;",
      "core/page.tsx": "throw 1;",
      "core/_own.js": "throw 1;",
      "core/old.test.js": "throw 1;",
      "notes/readme.md": "throw 1;",
    });
    const { files, faults } = await find(folder);
    expect(files).toEqual([]);
    expect(faults.map(({ file }) => file)).toEqual(["top.ts", "pages/visits.ts", "core/old.js", "core/page.tsx"]);
    expect(faults[0]?.message).toContain("folders core, functions, tools");
    expect(faults[3]?.message).toContain("ends in .ts");
  });

  test("are UTF-8", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "core"));
    writeFileSync(join(folder, "core/utf-16.ts"), Buffer.from("\ufeffexport default {}", "utf16le"));
    expect((await find(folder)).faults).toMatchObject([
      { file: "core/utf-16.ts", message: "It cannot be loaded: it is no text in UTF-8; save it as such." },
    ]);
  });

  test("name the file and line of what is wrong also when it is in one that they import", async () => {
    const folder = temporaryFolder();
    writePlugins(folder, {
      "core/a.ts": 'import { x } from "./_typo";\nexport default { name: x };',
      "core/_typo.ts": "export const x = 'a';\nexport const y = ;",
      "core/b.ts": 'import { x } from "./_throws";\nexport default { name: x };',
      "core/_throws.ts": "interface A {\n  a: string;\n}\nexport const x = (undefined as unknown as A).a;",
      "core/c.ts": 'import d from "./d";\nexport const name = d.name;\nexport default { name: "c" };',
      "core/d.ts": 'import c from "./c";\nexport const name = c.name;\nexport default { name: "d" };',
      "core/e.ts": 'import { x } from "./_lost";\nexport default { name: x };',
      "core/_lost.ts": 'import { x } from "no-such-package-of-anybody";\nexport { x };',
    });
    const messages = (await find(folder)).faults.map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringMatching(/^It cannot be loaded: line 2 of _typo\.ts: /),
      expect.stringMatching(/^It cannot be loaded: line 4 of _throws\.ts: undefined is not an object/),
      expect.stringMatching(/line 2( of d\.ts)?: .* Do two files import one another\?$/),
      expect.stringMatching(/line 2( of d\.ts)?: .* Do two files import one another\?$/),
      expect.stringMatching(
        /there is no package no-such-package-of-anybody here, which _lost\.ts imports\. Bundle .*--outfile=e\.ts/,
      ),
    ]);
  });

  test("may be missing altogether, folder and all", async () => {
    expect(await find(join(temporaryFolder(), "nowhere"))).toMatchObject({ files: [], faults: [] });
  });

  test("may be links, and a linked one finds its own helpers beside the file and not beside the link", async () => {
    const [folder, library] = [temporaryFolder(), temporaryFolder()];
    writePlugins(library, {
      "linked.ts": 'import { name } from "./helper-of-linked";\nexport default { name };',
      "helper-of-linked.ts": 'export const name = "linked";',
    });
    mkdirSync(join(folder, "core"));
    symlinkSync(join(library, "linked.ts"), join(folder, "core", "mine.ts"));
    const { files, plugins, faults } = await find(folder);
    expect([files, plugins[0]?.name, faults]).toEqual([["core/mine.ts"], "linked", []]);
  });

  test("a link that leads nowhere and a folder that is named like a file are faults, and the rest is found", async () => {
    const folder = temporaryFolder();
    writePlugins(folder, { "core/small.ts": SMALL });
    symlinkSync(join(folder, "nowhere.ts"), join(folder, "core", "broken.ts"));
    mkdirSync(join(folder, "core", "folder.ts"));
    const { files, faults } = await find(folder);
    expect(files).toEqual(["core/small.ts"]);
    expect(faults).toEqual([
      { file: "core/broken.ts", message: expect.stringContaining("a link to a file that is not there") },
      { file: "core/folder.ts", message: "It cannot be loaded: it is not a file." },
    ]);
  });

  test("that are larger than any bundle are not read, and what an error quotes of a file is cut", async () => {
    const folder = temporaryFolder();
    writePlugins(folder, {
      "core/huge.ts": "x".repeat(17 * 1024 ** 2),
      "core/long.ts": `throw "${"y ".repeat(5000)}";`,
    });
    const messages = (await find(folder)).faults.map(({ message }) => message);
    expect(messages[0]).toBe("It cannot be loaded: it is larger than 16 MiB.");
    expect(messages[1]).toMatch(/^It cannot be loaded: y .*…$/);
    expect(messages[1]?.length).toBeLessThan(600);
  });

  test("may not have the name of a built-in", async () => {
    const { core, wrong } = await loadPlugins({ "functions/mine.ts": 'export default { name: "admin" };' });
    expect(wrong).toEqual([
      ["functions/mine.ts", "The name admin is taken by a built-in plugin. Give one of them another name."],
    ]);
    expect(core.plugins.page("admin")).not.toBeNull();
  });

  test("go from low priority to high, 10 when they do not say, equal ones by file name", async () => {
    const { core } = await loadPlugins({
      "core/a.ts": 'export default { name: "a", priority: 20 };',
      "core/b.ts": 'export default { name: "b" };',
      "core/c.ts": 'export default { name: "c", priority: 10 };',
      "core/d.ts": 'export default { name: "d", priority: 5.5 };',
    });
    const own = core.plugins.list().filter(({ file }) => file !== null);
    expect(own.map(({ name }) => name)).toEqual(["d", "b", "c", "a"]);
  });
});

const bad: [what: string, text: string, message: RegExp][] = [
  ["does not parse", "export default {\n  name: 'x',,\n};", /^It cannot be loaded: line 2: .*","/],
  ["ends too early", "export default { name: 'x'", /^It cannot be loaded: line 1: /],
  ["throws when it is evaluated", "throw new Error('no disk');", /^It cannot be loaded: line 1: no disk$/],
  ["throws what is no error", "throw null;", /^It cannot be loaded: null$/],
  [
    "imports what is not there",
    "import x from './nope';\nexport default x;",
    /^It cannot be loaded: there is no file \.\/nope, which it imports\.$/,
  ],
  ["has no default export", "export const name = 'x';", /^It has no default export; /],
  [
    "exports a function",
    "export default () => ({ name: 'x' });",
    /must be a plugin object, .* and is a function or class\./,
  ],
  ["exports null", "export default null;", /must be a plugin object, .* and is null\./],
  ["exports a list", "export default [];", /must be a plugin object, .* and is a list\./],
  ["has no name", "export default {};", /^Its name must be /],
  ["has a name for people", "export default { name: 'My Plugin' };", /^Its name must be /],
  ["has an unknown member", "export default { name: 'x', provides: {} };", /no member provides; there are .*provide,/],
  [
    "provides an unknown protocol",
    "export default { name: 'x', provide: { models() {} } };",
    /no protocol models; .*model,/,
  ],
  ["has an unknown hook", "export default { name: 'x', hooks: { onCall() {} } };", /no hook onCall; .*preCall/],
  [
    "provides what is no function",
    "export default { name: 'x', provide: { model: {} } };",
    /provide\.model must be a function/,
  ],
  ["has hooks that are no object", "export default { name: 'x', hooks: [] };", /hooks must be an object/],
  ["has a priority that is no number", "export default { name: 'x', priority: '9' };", /priority must be a number/],
  [
    "wants below the built-ins",
    "export default { name: 'x', priority: -1, provide: {} };",
    /priority must be 0 or more/,
  ],
  [
    "has an unknown access",
    "export default { name: 'x', access: 'root' };",
    /access must be one of public, user, admin/,
  ],
  ["has a start that is no function", "export default { name: 'x', start: true };", /start must be a function/],
  ["has tools that are no list", "export default { name: 'x', tools: {} };", /tools must be a list/],
  ["has a tool without a name", "export default { name: 'x', tools: [{}] };", /name of each of its tools/],
  [
    "has a tool that cannot run",
    "export default { name: 'x', tools: [{ name: 'look', description: '', parameters: {} }] };",
    /tool look needs a function execute/,
  ],
  [
    "throws when it is looked at",
    "export default { name: 'x', get hooks() { throw new Error('gotcha'); } };",
    /^gotcha$/,
  ],
];

test.each(bad)("a file that %s is left out with a warning, and the rest runs", async (_, text, message) => {
  const { core, wrong, lines } = await loadPlugins({ "functions/bad.ts": text, "core/good.ts": appending("g") });
  expect(wrong).toEqual([["functions/bad.ts", expect.stringMatching(message)]]);
  const warnings = lines.filter((line) => line.startsWith("WARNING"));
  expect(warnings).toEqual([expect.stringMatching(/plugin=\S+ file=functions\/bad\.ts reason=/)]);
  expect(await core.model.list()).toEqual(["baseg"]);
});

test("of two files with one name the first is used and the second is told whose name it has", async () => {
  const { core, wrong } = await loadPlugins({ "core/one.ts": appending("a"), "tools/two.ts": appending("a") });
  expect(wrong).toEqual([
    ["tools/two.ts", "The name appends-a is taken by core/one.ts. Give one of them another name."],
  ]);
  expect(await core.model.list()).toEqual(["basea"]);
});
