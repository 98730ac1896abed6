import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import type { Tool, Turn } from "../../src/protocols";
import { codeBlocks, readGuides } from "../support/guides";
import { type Files, loadFiles, writePlugins } from "../support/plugin-files";
import { temporaryFolder } from "../support/temporary";

/** Through the real loader: the tools of the files, and what is wrong with files. */
async function load(files: Files) {
  const folder = temporaryFolder();
  writePlugins(folder, files);
  const { plugins, faults } = await loadFiles(folder);
  const tools = plugins.flatMap(({ tools }) => (Array.isArray(tools) ? (tools as Tool[]) : []));
  return { folder, plugins, tools, wrong: faults.map(({ file, message }) => [file, message]) };
}

/** The one tool of a file. */
async function only(text: string, more: Files = {}): Promise<Tool> {
  const { tools, wrong } = await load({ "tools/one.ts": text, ...more });
  expect(wrong).toEqual([]);
  expect(tools).toHaveLength(1);
  return tools[0] as Tool;
}

/** What a function with these parameters is refused for. */
async function refusal(text: string, more: Files = {}): Promise<unknown> {
  const { tools, wrong } = await load({ "tools/one.ts": text, ...more });
  expect(tools).toEqual([]);
  expect(wrong.map(([file]) => file)).toEqual(["tools/one.ts"]);
  return wrong[0]?.[1];
}

/** As it is sent. */
function propertiesOf({ parameters }: Tool): unknown {
  return JSON.parse(JSON.stringify(parameters)).properties;
}

const string = { type: "string" };
const number = { type: "number" };
const nothing = { type: "null" };
const object = (properties: object, required: readonly string[]) => ({ type: "object", properties, required });

const types: [type: string, schema: object, declarations?: string][] = [
  ["string", string],
  ["number", number],
  ["boolean", { type: "boolean" }],
  ["unknown", {}],
  ["'a'", { const: "a", type: "string" }],
  ["-1", { const: -1, type: "number" }],
  ["'a' | 'b'", { type: "string", enum: ["a", "b"] }],
  ["1 | 2", { type: "number", enum: [1, 2] }],
  [
    "'auto' | 1",
    {
      anyOf: [
        { ...string, enum: ["auto"] },
        { ...number, enum: [1] },
      ],
    },
  ],
  ["string | null", { anyOf: [string, nothing] }],
  ["'a' | 'b' | null", { anyOf: [{ type: "string", enum: ["a", "b"] }, nothing] }],
  ["string[]", { type: "array", items: string }],
  ["readonly (string | number)[]", { type: "array", items: { anyOf: [string, number] } }],
  ["Array<ReadonlyArray<string>>", { type: "array", items: { type: "array", items: string } }],
  [
    "[x: number, y: string]",
    { type: "array", items: [number, string], additionalItems: false, minItems: 2, maxItems: 2 },
  ],
  ["{ a: string; b?: number }", object({ a: string, b: number }, ["a"])],
  ["{ 'a-b': string; readonly 1: number }", object({ "a-b": string, 1: number }, ["1", "a-b"])],
  ["{ a: string | undefined }", { type: "object", properties: { a: string } }],
  ["{ a: { b: { c: string } } }", object({ a: object({ b: object({ c: string }, ["c"]) }, ["b"]) }, ["a"])],
  ["{ a: string } & { b: number }", object({ a: string, b: number }, ["a", "b"])],
  ["Record<string, number>", { type: "object", properties: {}, additionalProperties: number }],
  ["{ [key: string]: number }", { type: "object", properties: {}, additionalProperties: number }],
  ["Date", { type: "string", format: "date-time" }],
  ["Date[] | null", { anyOf: [{ type: "array", items: { type: "string", format: "date-time" } }, nothing] }],
  ["Level", { type: "string", enum: ["low", "high"] }, "type Level = 'low' | 'high';"],
  ["Place", object({ city: string }, ["city"]), "interface Place { city: string }"],
  [
    "Home",
    object({ city: string, no: number }, ["city", "no"]),
    "interface Place { city: string } interface Home extends Place { no: number }",
  ],
  ["Place & { no: number }", object({ city: string, no: number }, ["city", "no"]), "type Place = { city: string };"],
  [
    "Place",
    object({ city: { type: "string", description: "Its name." } }, ["city"]),
    "interface Place {\n  /** Its name. */\n  city: string\n}",
  ],
  ["Color", { type: "string", enum: ["r", "g"] }, "enum Color { Red = 'r', Green = 'g' }"],
  [
    "Level",
    { type: "number", enum: [0, 5, 6, -1], description: "0 = Low, 5 = High, 6 = Top, -1 = None" },
    "export enum Level { Low, High = 5, Top, None = -1 }",
  ],
  ["Date", object({ day: number }, ["day"]), "interface Date { day: number }"],
  ["constructor", string, "type constructor = string;"],
];

test.each(types)("a parameter of type %s has the schema %j", async (type, schema, declarations = "") => {
  const { parameters } = await only(`${declarations}\nexport function look(value: ${type}) {}`);
  expect(JSON.parse(JSON.stringify(parameters))).toEqual({
    type: "object",
    required: ["value"],
    properties: { value: schema },
    additionalProperties: false,
  });
  expect([...Value.Errors(parameters, {})].length).toBeGreaterThan(0);
});

const optional: [parameter: string, schema: object][] = [
  ["value?: string", string],
  ["value: string | undefined", string],
  ["value: number = 3", { type: "number", default: 3 }],
  ["value = -3", { type: "number", default: -3 }],
  ["value = 'x'", { type: "string", default: "x" }],
  ["value = false", { type: "boolean", default: false }],
  ["value: string | null = null", { anyOf: [string, nothing], default: null }],
  ["value: string[] = []", { type: "array", items: string }],
  ["value: Date = new Date()", { type: "string", format: "date-time" }],
];

test.each(optional)("(%s) need not be given", async (parameter, schema) => {
  const { parameters } = await only(`export function look(${parameter}) {}`);
  expect(JSON.parse(JSON.stringify(parameters))).toEqual({
    type: "object",
    properties: { value: schema },
    additionalProperties: false,
  });
  expect(Value.Check(parameters, {})).toBe(true);
});

const refused: [parameters: string, message: string | RegExp, declarations?: string][] = [
  ["value", "it has no type; write one, such as `name: string`."],
  ["value = [1]", "it has no type; write one, such as `name: string`."],
  ["value: () => void", /^the type \(\) => void \(line 2\) is nothing that JSON has; use string, number, /],
  ["value: Map<string, number>", /^the type Map<string, number> \(line 2\) is generic; /],
  ["value: Partial<{ a: 1 }>", /^the type Partial<{ a: 1 }> \(line 2\) is generic; /],
  ["value: Box<string>", /^the type Box<string> \(line 2\) is generic; /, "type Box<T> = { in: T };"],
  [
    "value: Box",
    /^the type Box \(line 2\) is generic; .* must be written out\.$/,
    "interface Box<T = string> { in: T };",
  ],
  ["value: Missing", /^the type Missing \(line 2\) is not found in this file\.$/],
  [
    "value: Foreign[]",
    "the type Foreign (line 2) is imported from elsewhere; copy it into this file, or write the tool as an object with a schema.",
    "import type { Foreign } from 'elsewhere';",
  ],
  [
    "value: { a: Near }",
    /^the type Near \(line 2\) is imported from \.\/_near\.ts; copy it into this file, /,
    "import { type Far as Near } from './_near.ts';",
  ],
  ["value: all.Near", /^the type all\.Near \(line 2\) is imported; copy it /, "import type * as all from './_near';"],
  [
    "value: Place",
    /^the type Near \(line 1\) is imported from \.\/_near; copy it /,
    "import type { Near } from './_near'; interface Place extends Near { city: string }",
  ],
  ["value: User", /^the type User \(line 2\) is imported from skeleton; /, "import type { User } from 'skeleton';"],
  ["value: Thing", /^the type Thing \(line 2\) is not found /, "class Thing {}"],
  [
    "value: keyof Place",
    /^the type keyof Place \(line 2\) is nothing that JSON has/,
    "interface Place { city: string }",
  ],
  ["value: Place['city']", /^the type Place\['city'\] \(line 2\) is nothing /, "interface Place { city: string }"],
  ["value: typeof place", /^the type typeof place \(line 2\) is nothing /, "const place = '';"],
  ["value: { [K in 'a']: K }", /^the type { \[K in 'a'\]: K } \(line 2\) is nothing /],
  ["value: string extends 'a' ? 1 : 2", /^the type string extends 'a' \? 1 : 2 \(line 2\) is nothing /],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a type.
  ["value: `a${string}`", /^the type `a\$\{string\}` \(line 2\) is nothing /],
  ["value: bigint", /^the type bigint \(line 2\) is nothing /],
  ["value: 1n", /^the type 1n \(line 2\) is nothing /],
  ["value: undefined", /^the type undefined \(line 2\) is nothing /],
  ["value: [string, number?]", /^the type number\? \(line 2\) is nothing /],
  ["value: [...string[]]", /^the type \.\.\.string\[\] \(line 2\) is nothing /],
  ["value: { go(): void }", /^the type go\(\): void \(line 2\) is nothing /],
  [
    "value: Place",
    /^the type go: \(\) => void \(line 1\)|^the type \(\) => void/,
    "interface Place { go: () => void }",
  ],
  ["value: { a: 1 } & string", /^the type string \(line 2\) is no object type, and only those can be joined\.$/],
  [
    "value: Late",
    /^the type B = 'x'\.length \(line 1\) has a value that is computed; /,
    "enum Late { B = 'x'.length }",
  ],
  ["value: Tree", /^the type Tree \(line 1\) refers to itself\.$/, "interface Tree { left: Tree | null }"],
  ["value: A", /^the type A \(line 1\) refers to itself\.$/, "type A = B[]; type B = { a: A };"],
  ["größe: string", /^endpoints take 1 to 64 of a-z, A-Z, 0-9 and _ only\.$/],
];

test.each(refused)("(%s) is refused by name", async (parameters, message, declarations = "") => {
  const said = await refusal(`${declarations}\nexport function look(fine: string, ${parameters}) {}`);
  const name = /^[\p{L}]+/u.exec(parameters)?.[0];
  const start = `Function look, parameter ${name}: `;
  expect(said).toStartWith(start);
  expect(String(said).slice(start.length)).toMatch(message);
});

describe("a function is refused that", () => {
  const functions: [what: string, text: string, message: RegExp][] = [
    [
      "takes its parameter apart",
      "export function look({ a }: { a: string }) {}",
      /^Function look, parameter 1: give it a name/,
    ],
    ["takes the rest", "export function look(...all: string[]) {}", /^Function look, parameter 1: give it a name/],
    ["has a this", "export function look(this: string) {}", /^Function look, parameter this: /],
    ["is generic", "export function look<T>(value: T) {}", /^Function look: it is generic; write its types out\.$/],
    ["is a plain generator", "export function* look() {}", /^Function look: a generator must be `async function\*`\.$/],
    [
      "is made by another",
      "const make = () => () => 1; export const look = make();",
      /^Function look: its types are not found; write it in this file as `export function look\(…\)`\.$/,
    ],
    [
      "has a name of other letters",
      "export function grüßen() {}",
      /^Function grüßen: the name of a tool must be 1 to 64/,
    ],
    [
      "is the default export",
      "export default function look() {}",
      /^Its default export is a function; export it under its name/,
    ],
  ];
  test.each(functions)("%s", async (_, text, message) => {
    expect(await refusal(text)).toMatch(message);
  });
});

describe("what is exported", () => {
  test("makes tools of functions in all their forms, and of nothing else", async () => {
    const { plugins, tools, wrong } = await load({
      "tools/allForms.ts": `
        import { helper } from "./_helper";
        export function plain() { return helper(); }
        export async function later() {}
        export async function* progress() {}
        export const arrow = (a: string) => a;
        export const expression = function (a: string) { return a; };
        function hidden() {}
        function renamed(a: number) {}
        export { renamed as called };
        export function constructor() {}
        export function __proto__() {}
        export class Thing {}
        export enum Level { Low }
        export const list = [hidden];
        export type Name = string;
        export interface Place { city: string }
      `,
      "tools/_helper.ts": "export function helper() {}",
    });
    expect(wrong).toEqual([]);
    expect(plugins.map(({ name }) => name)).toEqual(["all-forms"]);
    const names = ["__proto__", "arrow", "called", "constructor", "expression", "later", "plain", "progress"];
    expect(tools.map(({ name }) => name).sort()).toEqual(names);
    expect(tools.find(({ name }) => name === "called")?.parameters).toMatchObject({ properties: { a: number } });
  });

  test("from another file is refused, and the others are tools", async () => {
    const { tools, wrong } = await load({
      "tools/one.ts": `
        import { helper } from "./_helper";
        function elsewhere() {}
        export { helper };
        export { elsewhere } from "./_helper";
        export * from "./_stars";
        export function own(a: number) {}
      `,
      "tools/_helper.ts": "export function helper() {}\nexport const elsewhere = (a: string) => a;",
      "tools/_stars.ts": "export * from './one'; export function star(a: number) {}\nexport class Thing {}",
    });
    expect(tools.map(({ name }) => name)).toEqual(["own"]);
    const said = ["elsewhere", "helper", "star"].map(
      (name) => `Function ${name}: its types are not found; write it in this file as \`export function ${name}(…)\`.`,
    );
    expect(wrong).toEqual([["tools/one.ts", said.join(" ")]]);
  });

  test("may be a plugin beside functions, with tools of its own, listed or asked for", async () => {
    const own = "{ name: 'own', description: '', parameters: {}, execute: async () => 1 }";
    const text = (tools: string) =>
      `export default { name: "mine", priority: 3, ${tools} };\nexport function more() { return 2; }`;
    for (const tools of [
      "",
      `tools: [${own}]`,
      `tools: async (core) => [${own}]`,
      `tools: () => ({ list: () => [${own}] })`,
    ]) {
      const { plugins, wrong } = await load({ "tools/x.ts": text(tools) });
      expect(wrong).toEqual([]);
      const [plugin] = plugins;
      const given = typeof plugin?.tools === "function" ? await plugin.tools({} as never) : plugin?.tools;
      const found = given && "list" in given ? given.list() : given;
      expect([plugin?.name, plugin?.priority]).toEqual(["mine", 3]);
      expect(found?.map(({ name }) => name).sort()).toEqual(tools === "" ? ["more"] : ["more", "own"]);
    }
  });

  test("of functions counts in tools/ alone", async () => {
    const { plugins, wrong } = await load({
      "functions/a.ts": "export default { name: 'a' };\nexport function helper(x) {}",
      "core/b.ts": "export function helper(x) {}",
    });
    expect(plugins.map(({ name, tools }) => [name, tools])).toEqual([["a", undefined]]);
    expect(wrong).toEqual([["core/b.ts", expect.stringContaining("no default export")]]);
  });

  test.each([
    ["fetchPage", "fetch-page"],
    ["HTML2Text", "html2-text"],
    ["my tool_2", "my-tool-2"],
    ["Über", "uber"],
  ])("in %s.ts is the plugin %s", async (file, name) => {
    const { plugins, wrong } = await load({ [`tools/${file}.ts`]: "export function look() {}" });
    expect([plugins.map((it) => it.name), wrong]).toEqual([[name], []]);
  });

  test("in a file whose name has no letter that a plugin may have is refused", async () => {
    const { wrong } = await load({ "tools/时间.ts": "export function look() {}" });
    expect(wrong).toEqual([
      ["tools/时间.ts", expect.stringMatching(/^Its plugin is named like the file, which must /)],
    ]);
  });
});

describe("the words of the comment", () => {
  test("describe the tool and its parameters", async () => {
    const tool = await only(`
      /** About the file. */

      /**
       * Finds places,
       * and tells of them.
       *
       * - Be brief.
       *
       * @param city - The name, in
       *   English.
       * @param {number} [radius=5] Kilometres
       * @param {Level} level
       * @returns nothing of interest @param quality not me
       */
      export function find(city: string, radius = 5, level: Level, quality?: string) {}
      enum Level { Low, High }
    `);
    expect(tool.description).toBe("Finds places, and tells of them.\n\n- Be brief.");
    expect(propertiesOf(tool)).toEqual({
      city: { type: "string", description: "The name, in English." },
      radius: { type: "number", description: "Kilometres", default: 5 },
      level: { type: "number", enum: [0, 1], description: "0 = Low, 1 = High" },
      quality: { type: "string", description: "not me" },
    });
  });

  test("may stand in one line, and may be missing", async () => {
    const text =
      "/** Mails to a@b.c. @param to whom */\nexport const mail = (to: string) => to;\n// Not this.\nexport function bare() {}";
    const { tools } = await load({ "tools/x.ts": text });
    const described = tools.map((tool) => [tool.name, tool.description, propertiesOf(tool)]);
    expect(described).toContainEqual(["mail", "Mails to a@b.c.", { to: { type: "string", description: "whom" } }]);
    expect(described).toContainEqual(["bare", "", {}]);
  });
});

describe("a call", () => {
  const turn = { id: "t1", threadId: "here" } as Turn;

  test("passes arguments by position, the turn wherever it is asked for, and leaves defaults to the function", async () => {
    const tool = await only(
      `
      import type { Turn as T } from "skeleton";
      export function look(first: string, turn: T, second = 2) { return [first, turn.threadId, second]; }
    `,
    );
    expect(Object.keys(tool.parameters.properties)).toEqual(["first", "second"]);
    expect(await tool.execute({ second: 3, first: "a" }, turn)).toEqual(["a", "here", 3]);
    expect(await tool.execute({ first: "a" }, turn)).toEqual(["a", "here", 2]);
  });

  test("finds arguments called like what every object has, and only when they are given", async () => {
    const tool = await only(
      "export function look(constructor?: string, __proto__?: string) { return [constructor, __proto__]; }",
    );
    expect(await tool.execute({}, turn)).toEqual([undefined, undefined]);
    expect(await tool.execute(JSON.parse('{"constructor":"a","__proto__":"b"}'), turn)).toEqual(["a", "b"]);
  });

  test("makes dates of texts wherever the type says Date", async () => {
    const text = "2026-01-31T09:00:00Z";
    const tool = await only(`
      type When = { at: Date; other?: string };
      export function look(
        a: Date, b: Date | null, c: When[], d: Record<string, Date>, e: [Date, string], f: "now" | Date, g?: Date
      ) { return [a, b, c, d, e, f, g]; }
    `);
    const args = { a: text, b: null, c: [{ at: text, other: text }], d: { x: text }, e: [text, text], f: "now" };
    const date = new Date(text);
    expect(await tool.execute(args, turn)).toEqual([
      ...[date, null, [{ at: date, other: text }], { x: date }, [date, text], "now", undefined],
    ]);
    expect(await tool.execute({ ...args, b: text, f: text, g: text }, turn)).toMatchObject({
      1: date,
      5: date,
      6: date,
    });
    expect(Value.Check(tool.parameters, args)).toBe(true);
    expect(Value.Check(tool.parameters, { ...args, a: "yesterday" })).toBe(false);
  });

  test("of a generator gives progress and result", async () => {
    const tool = await only(
      "export async function* count(to: number) { for (let i = 1; i <= to; i++) yield i; return 'done'; }",
    );
    const run = tool.execute({ to: 2 }, turn) as AsyncGenerator<unknown, unknown>;
    expect([await run.next(), await run.next(), await run.next()]).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
      { done: true, value: "done" },
    ]);
  });
});

describe("a hostile file", () => {
  test("whose types grow without end when they are spelled out is refused soon", async () => {
    const levels = Array.from({ length: 40 }, (_, at) => `type T${at} = { a: T${at + 1}; b: T${at + 1} };`).join("\n");
    const text = `${levels}\ntype T40 = string;\nexport function look(value: T0) {}`;
    expect(await refusal(text)).toMatch(/^Function look, parameter value: .* is part of one that is too large\.$/);
  });

  test.each([50, 900, 20_000])("with a type of %i levels is refused", async (levels) => {
    const text = `export function look(value: ${"[".repeat(levels)}string${"]".repeat(levels)}) {}`;
    expect(await refusal(text)).toMatch(/too large|nests too deep/);
  });

  test("too long to be parsed while others wait is refused, unless it exports no function", async () => {
    const padding = `// ${"x".repeat(200_000)}\n`;
    expect(await refusal(`${padding}export function look() {}`)).toMatch(
      /^The types in one\.ts cannot be read: it is too long\.$/,
    );
    const { plugins } = await load({ "tools/one.ts": `${padding}export default { name: "bundled" };` });
    expect(plugins.map(({ name }) => name)).toEqual(["bundled"]);
  });

  test("of which nothing can be used leaves the others as they are", async () => {
    const { plugins, tools, wrong } = await load({
      "tools/a.ts": "export function bad(x: never) {}",
      "tools/b.ts": "export function fine() {}",
    });
    expect([plugins.map(({ name }) => name), tools.map(({ name }) => name)]).toEqual([["b"], ["fine"]]);
    expect(wrong).toEqual([["tools/a.ts", expect.stringMatching(/^Function bad, parameter x: the type never /)]]);
  });
});

test("a function that cannot be a tool is named, and what else its file has is in use", async () => {
  const functions =
    "import type { Far } from './_far';\nexport function bad(x: Far) {}\nexport function good() {}\nexport function worse(y) {}";
  const { plugins, tools, wrong } = await load({
    "tools/a.ts": functions,
    "tools/b.ts": `${functions.replaceAll("good", "better")}\nexport default { name: "mine", hooks: { postCall() {} } };`,
    "tools/c.ts":
      "import type { Far } from './_far';\nexport default { name: 'bare' };\nexport function only(x: Far) {}",
  });
  expect(plugins.map(({ name }) => name)).toEqual(["a", "mine", "bare"]);
  expect(tools.map(({ name }) => name)).toEqual(["good", "better"]);
  const bad = "parameter x: the type Far (line 2) is imported from ./_far; copy it into this file, ";
  const worse = "Function worse, parameter y: it has no type; write one, such as `name: string`.";
  expect(wrong).toEqual([
    ["tools/a.ts", expect.stringContaining(`Function bad, ${bad}`)],
    ["tools/b.ts", expect.stringContaining(worse)],
    ["tools/c.ts", expect.stringMatching(/^Function only, parameter x: /)],
  ]);
});

test("code that the parser and the runtime judge differently is no obstacle", async () => {
  const tool = await only(
    `
    import data from "./_data.json" with { type: "json" };
    @sealed class Thing { accessor x = 1; }
    function sealed(value: unknown) { return value as never; }
    using nothing = null;
    export async function look(value: string): Promise<string> { return value + data.suffix satisfies string; }
    let x = <any>1;
  `,
    { "tools/_data.json": '{"suffix":"!"}' },
  );
  expect(await tool.execute({ value: "a" }, {} as Turn)).toBe("a!");
});

test("every function that docs/tools.md shows is a tool", async () => {
  const guide = readGuides().find(({ path }) => path === "docs/tools.md") ?? { path: "", text: "" };
  const blocks = codeBlocks(guide, "ts").filter(({ code }) => !code.includes("export default"));
  const { tools, wrong } = await load(
    Object.fromEntries(blocks.map(({ line, code }) => [`tools/line-${line}.ts`, code])),
  );
  expect(wrong).toEqual([]);
  expect(tools.map(({ name }) => name).sort()).toEqual(["forecast", "roll_dice"]);
});
