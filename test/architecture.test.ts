/** Holds the tree to its floor plan: who may import whom, how long files are, what they are called, what has tests. */

import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./support/project";
import { findCircle, functionsOf, importsOf, readSources, type Source } from "./support/sources";

const sources = readSources("src", "views", "plugin_library");
const imports = sources.flatMap(importsOf);
const localImports = imports.filter((it) => !it.isPackage);

const BASICS = ["src/protocols", "src/basics"];

/** For each part of the tree the parts it may import, itself included. A part that is not here may import nothing. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "src/protocols": [],
  "src/basics": ["src/protocols"],
  "src/production": [],
  "src/documents": BASICS,
  "src/formulas": BASICS,
  "src/config": BASICS,
  "src/core": [...BASICS, "src/documents"],
  "src/tools": BASICS,
  "src/turn": [...BASICS, "src/tools"],
  "src/kit": BASICS,
  "src/contracts": [...BASICS, "src/kit"],
  "src/routes": [...BASICS, "src/turn", "src/tools", "src/formulas"],
  "src/pages": [],
  "src/plugins": [...BASICS, "src/core", "src/tools", "src/turn", "src/kit", "src/config", "src/pages"],
  "src/app": [...BASICS, "src/routes"],
  "src/users": BASICS,
  "src/terminal": [...BASICS, "src/users"],
  "src/contracts/check": [
    ...BASICS,
    "src/production",
    "src/config",
    "src/app",
    "src/plugins",
    "src/contracts",
    "src/uncaught",
  ],
  "src/uncaught": BASICS,
  "src/data-lock": BASICS,
  "src/backup": [...BASICS, "src/data-lock", "package.json"],
  "src/declarations": [],
  "src/descriptors": BASICS,
  "src/tls": BASICS,
  "src/serve": [...BASICS, "src/descriptors", "src/tls", "src/app", "src/data-lock", "src/plugins"],
  "src/workers": [...BASICS, "src/serve"],
  "src/main": [
    ...BASICS,
    "src/production",
    "src/config",
    "src/data-lock",
    "src/serve",
    "src/workers",
    "src/contracts/check",
    "src/uncaught",
    "src/documents",
    "src/declarations",
    "src/users",
    "src/backup",
    "src/terminal",
    "src/plugins",
  ],
  views: [...BASICS, "src/formulas"],
  plugin_library: [],
};

/** The single files that may reach further, with the reason. */
const ALSO: Record<string, { readonly to: readonly string[]; readonly because: string }> = {
  "src/core/views.ts": {
    to: ["views"],
    because: "it makes the functions of views/ the default of the protocol `views`",
  },
  "src/kit/index.ts": {
    to: ["views", "src/core", "src/tools"],
    because: "it gives plugins what the defaults themselves are made with",
  },
  "src/users.ts": { to: ["src/core"], because: "it edits the file that the default of `auth` reads, without a server" },
};

const MAX_FILE_LINES = 400; // A file is a subject, and a subject that needs more is likely two.
const MAX_PLUGIN_LINES = 300; // Of the library: each is one file by its nature, and an example that is read as a whole.
const MAX_FUNCTION_LINES = 70;

/** Names that say nothing without a noun before them: each once meant several things. */
const BARE_TYPES = new Set("Asked Change Entry Failure Found Parts Place Reply Shape Shown Source".split(" "));

/** What may be longer, with the reason. */
const LONGER: Record<string, string> = {
  "plugin_library/functions/usage.ts":
    "it counts, refuses and shows, with a chart and in two languages, and its parts are of no use alone",
  "plugin_library/functions/openai-endpoint.ts":
    "it reads and writes all of a large API, and a plugin of the library is one file",
  "plugin_library/core/postgres.ts":
    "it keeps the promises of four protocols on one connection to one database, and a plugin of the library is one file",
  "plugin_library/tools/mcp.ts":
    "it bears with whatever servers of others send, and a plugin of the library is one file",
};

/** What has no test file of its own, with the reason. */
const UNTESTED: Record<string, string> = {};

const BAD_WORDS = new Set(
  "action base callback common conversation extension handler helper helpers impl manager middleware misc module service util utils".split(
    " ",
  ),
);

test("each part imports only the parts below it", () => {
  const wrong = localImports.filter(({ from, to }) => {
    const [here, there] = [partOf(from), partOf(to)];
    return here !== there && !MAY_IMPORT[here]?.includes(there) && !ALSO[from]?.to.includes(there);
  });
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("protocols are types alone, and know no package but TypeBox's types", () => {
  const wrong = imports.filter(
    ({ from, to, isPackage, isType }) =>
      from.startsWith("src/protocols/") && (!isType || (isPackage && to !== "@sinclair/typebox")),
  );
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("the default of a protocol reaches another through core and not by import", () => {
  const protocols = readSources("src/protocols").map(({ path }) => path.replace(/.*\/|\.ts$/g, ""));
  const providerOf = (path: string) =>
    protocols.find((name) => path === `src/core/${name}.ts` || path.startsWith(`src/core/${name}/`));
  const wrong = localImports.filter(({ from, to }) => {
    const target = providerOf(to);
    return from.startsWith("src/core/") && target !== undefined && target !== providerOf(from);
  });
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("a plugin of the library is one file that needs nothing of the tree but `skeleton`", () => {
  const wrong = localImports.filter(({ from }) => from.startsWith("plugin_library/"));
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("nothing imports in a circle, types included", () => {
  expect(findCircle(localImports)?.join(" → ") ?? null).toBeNull();
});

test("only src/config.ts reads the environment, and only src/production.ts sets it", () => {
  const readers = sources.filter(
    ({ path, text }) => !["src/config.ts", "src/production.ts"].includes(path) && /\b(?:process|Bun)\.env\b/.test(text),
  );
  expect(readers.map(({ path }) => path)).toEqual([]);
});

test("only src/basics/body.ts reads the body of a request, which has bounds there", () => {
  const reading = /\brequest\.(?:body|json|formData|text|bytes|arrayBuffer|blob)\b/;
  const readers = sources.filter(({ path, text }) => path !== "src/basics/body.ts" && reading.test(text));
  expect(readers.map(({ path }) => path)).toEqual([]);
});

test(`files have at most ${MAX_FILE_LINES} lines and functions ${MAX_FUNCTION_LINES}`, () => {
  const long = sources.flatMap((source) => (LONGER[source.path] ? [] : longPartsOf(source)));
  expect(long).toEqual([]);
});

test("a type has a name of its own, and one that says what it is", () => {
  const declared = sources
    .filter(({ path }) => !path.startsWith("plugin_library/"))
    .flatMap(({ path, text }) => typesOf(text).map(({ name, isExported }) => ({ path, name, isExported })));
  const shared = Map.groupBy(
    declared.filter(({ isExported }) => isExported),
    ({ name }) => name,
  );
  const twice = [...shared].filter(([, places]) => places.length > 1);
  expect(twice.map(([name, places]) => `${name}: ${places.map(({ path }) => path).join(", ")}`)).toEqual([]);
  expect(declared.filter(({ name }) => BARE_TYPES.has(name)).map(({ path, name }) => `${path}: ${name}`)).toEqual([]);
});

test("what a file exports has a name that no other file exports", () => {
  // Contracts have the names of what they hold, and languages those of each other.
  const own = sources.filter(({ path }) => !/^(?:plugin_library|src\/contracts|views\/words)\//.test(path));
  const exported = own.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async )?(?:function\*?|const) (\w+)/gm)].map(([, name = ""]) => ({ path, name })),
  );
  const twice = [...Map.groupBy(exported, ({ name }) => name)].filter(([, places]) => places.length > 1);
  expect(exported.length).toBeGreaterThan(300);
  expect(twice.map(([name, places]) => `${name}: ${places.map(({ path }) => path).join(", ")}`)).toEqual([]);
});

test("each part of core and turn, and each resource of routes, has tests under the same name", () => {
  const parts = sources.filter(
    // What the resources of src/routes share serves nothing itself and is tested through them.
    ({ path, text }) =>
      /^src\/(core|tools|turn)\//.test(path) || (path.startsWith("src/routes/") && text.includes("new Elysia(")),
  );
  const untested = parts.filter(
    ({ path }) => !UNTESTED[path] && !testsOf(path).some((it) => existsSync(join(projectFolder, it))),
  );
  expect(untested.map(({ path }) => path)).toEqual([]);
});

test("each source file opens with a comment that says what it is", () => {
  const files = [...sources, ...readSources("test/support")].filter(({ path }) => !path.endsWith(".test.ts"));
  expect(files.filter(({ text }) => !/^(?:#!.*\n)?\/[*/]/.test(text)).map(({ path }) => path)).toEqual([]);
});

test("files are named in kebab case, by a noun that means something", () => {
  const files = [...sources, ...readSources("test")].map(({ path }) => path);
  const wrong = files.filter((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1).replace(/(\.test)?\.ts$/, "");
    return !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || name.split("-").some((word) => BAD_WORDS.has(word));
  });
  expect(wrong).toEqual([]);
});

test("no exception outlives its reason", () => {
  const excepted = [...Object.keys(ALSO), ...Object.keys(LONGER), ...Object.keys(UNTESTED)];
  expect(excepted.filter((path) => !existsSync(join(projectFolder, path)))).toEqual([]);
  const long = sources.filter((source) => longPartsOf(source).length > 0).map(({ path }) => path);
  expect(Object.keys(LONGER).filter((path) => !long.includes(path))).toEqual([]);
  const reached = localImports.filter(({ from, to }) => ALSO[from]?.to.includes(partOf(to))).map(({ from }) => from);
  expect(Object.keys(ALSO).filter((path) => !reached.includes(path))).toEqual([]);
});

/** `src/core/auth.ts` belongs to `src/core`, `src/app.ts` is the part `src/app`. */
function partOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  if (path.startsWith("src/contracts/check/")) return "src/contracts/check";
  return top === "src" ? `src/${second.replace(/\.ts$/, "")}` : top;
}

/** Where tests of `src/core/store/schema.ts` may be: under its own name, or for the whole of `store`. For turn, the whole of it. */
function testsOf(path: string): string[] {
  const mirrored = path.replace(/^src\//, "test/").replace(/(\/index)?\.ts$/, "");
  const part = mirrored.split("/").slice(0, 3).join("/");
  const whole = path.startsWith("src/turn/") ? ["test/turn.test.ts", "test/turn/turn.test.ts"] : [];
  return [
    `${mirrored}.test.ts`,
    `${part}.test.ts`,
    `${part}/${part.slice(part.lastIndexOf("/") + 1)}.test.ts`,
    ...whole,
  ];
}

function typesOf(text: string): { readonly name: string; readonly isExported: boolean }[] {
  const declarations = text.matchAll(/^(export )?(?:declare )?(?:abstract )?(?:interface|type|class|enum) (\w+)/gm);
  return [...declarations].map(([, exported, name = ""]) => ({ name, isExported: exported !== undefined }));
}

/** The file and those of its functions that are too long, each with its length. */
function longPartsOf(source: Source): string[] {
  const fileLines = lineCount(source.text);
  const functions = functionsOf(source).filter(({ lines }) => lines > MAX_FUNCTION_LINES);
  return [
    ...(fileLines > maxLines(source.path) ? [`${source.path}: ${fileLines} lines`] : []),
    ...functions.map(({ name, lines }) => `${source.path}: ${name} has ${lines} lines`),
  ];
}

function maxLines(path: string): number {
  return path.startsWith("plugin_library/") ? MAX_PLUGIN_LINES : MAX_FILE_LINES;
}

function lineCount(text: string): number {
  return text.split("\n").length - 1;
}
