/** Holds the guides to the code: everything that a person may use is named there, and what is shown there works. */

import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createApp } from "../src/app";
import { CONFIG_VARIABLES } from "../src/config";
import { checkPlugins } from "../src/contracts/check";
import { parseEndpoints } from "../src/core/model/models-yaml";
import * as skeleton from "../src/kit";
import type { Plugin } from "../src/protocols";
import { type CodeBlock, codeBlocks, missingPaths, readExamples, readGuides, sectionOf } from "./support/guides";
import { projectFolder, runTool } from "./support/project";
import { createProtocolGuide, PROTOCOL_GUIDE } from "./support/protocol-guide";
import { membersOf, readSources } from "./support/sources";
import { temporaryFolder, testConfig } from "./support/temporary";
import { startCore } from "./support/test-core";

const guides = readGuides();
const examples = readExamples(readSources("src", "views"));
const everything = guides.map(({ text }) => text).join("\n");
const protocolGuide = guideAt(PROTOCOL_GUIDE);
const pluginGuide = guideAt("docs/plugins.md");
const configurationGuide = guideAt("docs/configuration.md");
const protocolSources = readSources("src/protocols");

test("docs/protocols.md is what the comments of src/protocols say", () => {
  const isUpToDate = protocolGuide.text === createProtocolGuide();
  expect(isUpToDate, `Run \`bun run docs\`, which writes ${PROTOCOL_GUIDE}.`).toBe(true);
});

test("docs/protocols.md has a section for each protocol, with a part for its interface that names each of its members", () => {
  const keys = membersOf(protocolSources, "Protocols");
  expect(keys.length).toBeGreaterThan(10);
  const missing = keys.flatMap((key) => {
    const section = sectionOf(protocolGuide, key);
    if (section === null) return [`${key} (no section)`];
    return unnamedMembers(section, `${key.charAt(0).toUpperCase()}${key.slice(1)}Protocol`);
  });
  expect(missing).toEqual([]);
});

test("docs/protocols.md has a part for each type of src/protocols, and it names each member", () => {
  const declared = /^export (interface|type) (\w+)/gm;
  const types = protocolSources.flatMap(({ text }) => [...text.matchAll(declared)].map((it) => [it[1], it[2] ?? ""]));
  expect(types.length).toBeGreaterThan(100);
  const missing = types.flatMap(([kind, name = ""]) => {
    if (kind === "interface") return unnamedMembers(protocolGuide.text, name);
    return partOf(protocolGuide.text, name)?.includes(`type ${name} =`) ? [] : [`${name} (no part)`];
  });
  expect(missing).toEqual([]);
});

/** What the part of an interface does not name: in backticks as an entry, or in the interface as it is written. */
function unnamedMembers(text: string, name: string): string[] {
  const part = partOf(text, name);
  if (part === null) return [`${name} (no part)`];
  const members = membersOf(protocolSources, name);
  const hasOthers = part.includes("all members of") || part.includes("\n- `[");
  if (members.length === 0 && !hasOthers) return [`${name} (no members found in src/protocols)`];
  const isEntry = (member: string) => new RegExp(`^(?:- \`|  (?:readonly )?)${member}\\??[(:<]`, "m").test(part);
  return members.filter((member) => !isEntry(member)).map((member) => `${name}.${member}`);
}

function partOf(text: string, name: string): string | null {
  const begin = text.indexOf(`\n### \`${name}\`\n`);
  const rest = text.slice(begin + 1);
  const end = rest.search(/\n##/);
  return begin < 0 ? null : rest.slice(0, end < 0 ? undefined : end);
}

test("every configuration variable is in .env.example and, with its default, in docs/configuration.md", () => {
  const example = readFileSync(join(projectFolder, ".env.example"), "utf8");
  const rows = configurationGuide.text.split("\n").filter((line) => line.startsWith("|"));
  const missing = CONFIG_VARIABLES.filter(({ name, fallback }) => {
    const row = rows.find((line) => line.startsWith(`| \`${name}\` |`));
    return !new RegExp(`^#? ?${name}=`, "m").test(example) || !row?.includes(fallback ? `\`${fallback}\`` : "none");
  });
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test("docs/configuration.md names no variable that the server does not read", () => {
  const rows = [...configurationGuide.text.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map((it) => it[1] ?? "");
  const known = CONFIG_VARIABLES.map(({ name }) => name);
  expect(rows.filter((name) => !known.includes(name))).toEqual([]);
});

test("docs/api.md names each route of the API document", async () => {
  const core = await startCore();
  const document = await createApp(core).handle(new Request("http://localhost/openapi/json"));
  const { paths } = (await document.json()) as { paths: Record<string, object> };
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path: path.replace(/\{(\w+)\}/g, ":$1") })),
  );
  const { text } = guideAt("docs/api.md");
  const isInGuide = ({ method, path }: (typeof routes)[number]) => text.includes(`\`${method} ${path}\``);
  expect(routes.length).toBeGreaterThan(20);
  expect(routes.filter((route) => !isInGuide(route)).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});

test("every plugin of the library is named in a guide", () => {
  const files = [...new Bun.Glob("plugin_library/**/*.ts").scanSync({ cwd: projectFolder })];
  expect(files.filter((path) => !everything.includes(path.replace("plugin_library/", "")))).toEqual([]);
});

test("docs/plugins.md has a row for each protocol and hook, for tools and pages, with a plugin that uses it", () => {
  const names = [...membersOf(protocolSources, "Protocols"), ...membersOf(protocolSources, "Hooks"), "tools", "page"];
  const rows = pluginGuide.text.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const wrong = names.filter((name) => {
    const cells = rows.find((row) => row.length === 8 && row[1] === `\`${name}\``)?.slice(1, -1) ?? [];
    return cells.length < 6 || cells.includes("") || !/^`[\w./-]+\.ts`$/.test(cells[5] ?? "");
  });
  expect([names.length > 10, wrong]).toEqual([true, []]);
});

test("the section of each hook, and of each kind of plugin, opens with a whole one", () => {
  const sections = [...membersOf(protocolSources, "Hooks"), "Providers", "Tools", "Pages"];
  const opening = (name: string) =>
    new RegExp(`\n##+ ${name}\n\n\`\`\`ts\n(.*?)\n\`\`\`\n`, "s").exec(pluginGuide.text)?.[1] ?? "";
  expect([sections.length > 5, sections.filter((name) => !/^export /m.test(opening(name)))]).toEqual([true, []]);
});

test("docs/plugins.md names each value that a plugin can import", () => {
  const names = Object.keys(skeleton);
  expect([names.length > 5, names.filter((name) => !isNamed(pluginGuide.text, name))]).toEqual([true, []]);
});

test("each value that a plugin can import has an example where it is defined", () => {
  const names = Object.keys(skeleton);
  expect([names.length > 5, names.filter((name) => !examples.has(name))]).toEqual([true, []]);
});

test("docs/plugins.md names each setting of each plugin of the library in the row of its file", async () => {
  const files = [...new Bun.Glob("**/*.ts").scanSync({ cwd: join(projectFolder, "plugin_library") })];
  const missing: string[] = [];
  for (const file of files) {
    const { default: plugin }: { default?: Plugin } = await import(join(projectFolder, "plugin_library", file));
    const row = pluginGuide.text.split("\n").find((line) => line.startsWith(`| \`${file}\` |`));
    const settings = Object.keys(plugin?.settings?.properties ?? {});
    missing.push(...settings.filter((name) => !row || !isNamed(row, name)).map((name) => `${file}: ${name}`));
  }
  expect(missing).toEqual([]);
}, 60_000);

test("every plugin of the library opens with what it does, its settings and the day of its last change", async () => {
  const wrong: string[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync({ cwd: join(projectFolder, "plugin_library") })) {
    const path = join(projectFolder, "plugin_library", file);
    const { default: plugin }: { default?: Plugin } = await import(path);
    const text = readFileSync(path, "utf8");
    const opening = text.slice(0, text.indexOf("*/")).replace(/\n \*/g, "");
    const settings = Object.keys(plugin?.settings?.properties ?? {});
    const told = plugin?.settings ? `Settings (plugins.yaml, \`${plugin.name}\`): ` : "Settings: none. ";
    if (!/^\/\*\* [A-Z]/.test(opening)) wrong.push(`${file}: what it does`);
    if (!opening.includes(told)) wrong.push(`${file}: ${told}`);
    wrong.push(...settings.filter((name) => !isNamed(opening, name)).map((name) => `${file}: ${name}`));
    const day = /Last change: (\d{4}-\d\d-\d\d)\.\s*$/.exec(opening)?.[1];
    if (!day || Number.isNaN(Date.parse(day))) wrong.push(`${file}: Last change`);
  }
  expect(wrong).toEqual([]);
}, 60_000);

test("decision records have a number each and the headings of the template", () => {
  const records = guides.filter(({ path }) => /\/\d{4}-[a-z0-9-]+\.md$/.test(path));
  const headings = (text: string) => text.match(/^## .*$/gm)?.join() ?? "";
  const template = headings(records[0]?.text ?? "");
  expect(template).toContain("## Cost");
  expect(records.filter(({ text }) => headings(text) !== template).map(({ path }) => path)).toEqual([]);
  const numbers = records.map(({ path }) => /\d{4}/.exec(path)?.[0]);
  expect(numbers.filter((number, at) => numbers.indexOf(number) !== at)).toEqual([]);
});

test("every path that a guide names exists", () => {
  expect(guides.flatMap((guide) => missingPaths(guide).map((path) => `${guide.path} names ${path}`))).toEqual([]);
});

/** What the examples of values are given, as a plugin is. */
const GIVEN = `import { ${Object.keys(skeleton).join(", ")} } from "skeleton";
import type { Core, ModelCall, Plugin, PluginPage, Static, Tool, Turn, User } from "skeleton";
declare const core: Core, turn: Turn, call: ModelCall, user: User, request: Request, signal: AbortSignal;`;

test("every TypeScript block of the guides type-checks, and every example of a value that a plugin can import", async () => {
  const folder = join(projectFolder, "dist/guides"); // Inside the project, so that `skeleton` resolves to it.
  rmSync(folder, { recursive: true, force: true });
  const blocks = guides.flatMap((guide) => codeBlocks(guide, "ts"));
  for (const { guide, line, code } of blocks) {
    await Bun.write(join(folder, `${guide.replace(/\W+/g, "-")}-line-${line}.ts`), `${code}\nexport {};\n`);
  }
  for (const name of Object.keys(skeleton)) {
    // In a block, so that an example may give a name to what has one outside.
    const code = `${GIVEN}\n{\n${examples.get(name)}}\n`;
    await Bun.write(join(folder, `example-of-${name}.ts`), code);
  }
  await Bun.write(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      // What an example leaves unused is not its fault.
      compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
      include: ["*.ts"],
    }),
  );
  expect(blocks.length).toBeGreaterThan(0);
  const { code, output } = await runTool("tsc", "--noEmit", "-p", folder);
  rmSync(folder, { recursive: true, force: true });
  expect({ code, output }).toEqual({ code: 0, output: "" });
}, 60_000);

test("every plugin of the guides passes `skeleton check`, with the settings that its guide shows", async () => {
  const blocks = guides.flatMap((guide) => codeBlocks(guide, "ts").filter(({ code }) => /^export /m.test(code)));
  expect(blocks.length).toBeGreaterThan(10);
  const notes = Bun.serve({
    port: 0,
    routes: {
      "/ask": () => new Response("Nothing is known of that."),
      "/events": () => {
        const headers = { "content-type": "text/event-stream" };
        return new Response('data: {"text":"Nothing."}\n\ndata: {"done":true}\n\n', { headers });
      },
    },
  });
  const reports = await Promise.all(
    blocks.map((block) => checked({ ...block, code: block.code.replace("127.0.0.1:9000", `127.0.0.1:${notes.port}`) })),
  );
  await notes.stop(true);
  expect(reports.filter(({ code }) => code !== 0)).toEqual([]);
}, 120_000);

async function checked({ guide, line, code }: CodeBlock) {
  const dataPath = temporaryFolder();
  const kind = code.includes("export default") ? "functions" : "tools";
  const file = join(dataPath, "plugins", kind, `${guide.replace(/\W+/g, "-")}-line-${line}.ts`);
  await Bun.write(file, code);
  const parts = codeBlocks(guideAt(guide), "yaml").map((block) => Bun.YAML.parse(block.code));
  const settings = Object.assign({}, ...parts.filter((part) => !Array.isArray(part)));
  const text = JSON.stringify(settings).replace(/\$\{[A-Z_]+\}/g, "a value of the environment");
  await Bun.write(join(dataPath, "plugins.yaml"), text);
  const lines: string[] = [];
  return { code: await checkPlugins([file], testConfig(dataPath), (said) => void lines.push(said)), lines };
}

test("every models.yaml that docs/model-provider.md shows is taken as it is", () => {
  const blocks = codeBlocks(guideAt("docs/model-provider.md"), "yaml");
  expect(blocks.length).toBeGreaterThan(0);
  expect(blocks.flatMap(({ code }) => parseEndpoints(Bun.YAML.parse(code), () => "a key").problems)).toEqual([]);
});

function guideAt(path: string) {
  return guides.find((guide) => guide.path === path) ?? { path, text: "" };
}

/** In backticks, alone or with what follows a name: `list`, `list()`, `get(id)`, `setup?`. */
function isNamed(section: string, member: string): boolean {
  return new RegExp(`\`${member}\\b`).test(section);
}
