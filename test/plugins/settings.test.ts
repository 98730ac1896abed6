import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadPlugins } from "../support/plugin-files";
import { temporaryFolder } from "../support/temporary";

/** A plugin whose settings say how to greet; its only tool tells what it was given. */
const GREETER = `import { t } from "skeleton";
const settings = t.Object({
  word: t.String({ minLength: 2 }),
  times: t.Integer({ default: 2, minimum: 1 }),
  people: t.Array(t.Object({ name: t.String(), key: t.Optional(t.String()) }), { default: [] }),
});
export default {
  name: "greeter",
  settings,
  tools: (core) => [{ name: "greet", description: "", parameters: {}, execute: async () => core.settings("greeter") }],
};`;

const SECRET = "a-key-that-must-not-be-seen";
process.env.TEST_PLUGIN_KEY = SECRET;

async function load(yaml: string | null) {
  const dataPath = temporaryFolder();
  if (yaml !== null) writeFileSync(join(dataPath, "plugins.yaml"), yaml);
  const files = { "tools/greeter.ts": GREETER, "tools/other.ts": 'export default { name: "other" };' };
  const loaded = await loadPlugins(files, { dataPath });
  const [greet] = await loaded.core.tools.list({} as never);
  const given = await greet?.execute({}, {} as never);
  return { ...loaded, given: given as Record<string, unknown> | undefined };
}

test("a plugin gets its part of plugins.yaml, with defaults, and cannot change it", async () => {
  const { given, wrong, lines } = await load("greeter:\n  word: Hello\n  people: [{ name: Ann }]\n");
  expect([wrong, given]).toEqual([[], { word: "Hello", times: 2, people: [{ name: "Ann" }] }]);
  expect([given, Object.values(given?.people ?? {})[0]].map(Object.isFrozen)).toEqual([true, true]);
  expect(lines.join("\n")).not.toContain("plugins.yaml");
});

test("a variable is named as in a shell, at any depth, and a second dollar sign makes it a text", async () => {
  const key = "$" + "{TEST_PLUGIN_KEY}";
  const yaml = `greeter:\n  word: 'Bearer ${key}!'\n  people: [{ name: '$${key}', key: '${key}' }]\n`;
  const { given, lines } = await load(yaml);
  expect(given).toMatchObject({ word: `Bearer ${SECRET}!`, people: [{ name: key, key: SECRET }] });
  expect(lines.join("\n")).not.toContain(SECRET);
});

describe("settings that do not fit leave their plugin out, with a sentence and without a value:", () => {
  const bad: [what: string, yaml: string | null, message: string][] = [
    ["none at all", null, "they must have word"],
    ["an empty part", "greeter:\n", "they must have word"],
    ["a wrong type", `greeter: { word: Hello, times: ${SECRET} }`, "/times must be an integer"],
    [
      "a wrong type below",
      `greeter: { word: Hello, people: [{ name: [${SECRET}] }] }`,
      "/people/0/name must be a string",
    ],
    ["a value out of range", "greeter: { word: H }", "/word must have 2 characters or more"],
    ["a name mistyped", "greeter: { word: Hello, tims: 3 }", "they must not have tims, only word, times, people"],
    ["a part that is no map", "greeter: Hello", "they must be an object"],
    ["a part that contains itself", "greeter: &g { word: Hello, people: [*g] }", "they contain themselves"],
    [
      "a variable that is not set",
      `greeter: { word: '\${TEST_PLUGIN_NONE}' }`,
      "they need the environment variable TEST_PLUGIN_NONE, which is not set",
    ],
    [
      "a variable whose value is wrong",
      `greeter: { word: Hello, times: '\${TEST_PLUGIN_KEY}' }`,
      "/times must be an integer",
    ],
  ];
  test.each(bad)("%s", async (_, yaml, message) => {
    const { given, wrong, lines, core } = await load(yaml);
    expect(wrong).toEqual([["tools/greeter.ts", `Its settings in plugins.yaml do not fit: ${message}.`]]);
    expect(given).toBeUndefined();
    expect(() => core.settings("greeter")).toThrow("There is no plugin greeter that has settings.");
    expect(lines.join("\n")).not.toContain(SECRET);
  });
});

test("a file that cannot be used ends the start: nobody knows what it requires", async () => {
  for (const yaml of [
    `greeter: { word: ${SECRET}`,
    `[${SECRET}]`,
    `require: ${SECRET}`,
    `require: [{ a: ${SECRET} }]`,
  ]) {
    const error: unknown = await load(yaml).catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/^Error: plugins\.yaml cannot be used: .*mend it/);
    expect(String(error)).not.toContain(SECRET);
  }
});

test("a part that no plugin reads is named in the log, and asking for the settings of such a plugin is an error", async () => {
  const { lines, core } = await load("greeter: { word: Hello }\ngreter: { word: Hello }\nother: { a: 1 }\n");
  expect(lines).toContain("WARNING plugins.yaml: no plugin reads the settings of greter, other");
  expect(() => core.settings("other")).toThrow("There is no plugin other that has settings.");
});

describe("a pattern in the schema of settings", () => {
  const withPattern = async (pattern: string, word: string) => {
    const dataPath = temporaryFolder();
    writeFileSync(join(dataPath, "plugins.yaml"), `strict: { word: ${JSON.stringify(word)} }\n`);
    const plugin = `import { t } from "skeleton";
      export default { name: "strict", settings: t.Object({ word: t.String({ pattern: ${JSON.stringify(pattern)} }) }) };`;
    const { wrong } = await loadPlugins({ "tools/strict.ts": plugin }, { dataPath });
    return wrong.map(([, message]) => message);
  };
  const refused = (pattern: string) => [`Its settings in plugins.yaml do not fit: /word must match ${pattern}.`];

  test.each([
    ["looks ahead", "^(?!http:)", "https://a", "http://a"],
    ["looks behind", "(?<=-)b$", "a-b", "ab"],
    ["looks back", "^(a|b)\\1$", "aa", "ab"],
    ["repeats much", "^(?:a{1,100}){1,100}$", "aaa", "aab"],
    ["is of before Unicode", "^a\\-b$", "a-b", "ab"],
  ])("that %s holds", async (_what, pattern, right, wrong) => {
    expect(await withPattern(pattern, right)).toEqual([]);
    expect(await withPattern(pattern, wrong)).toEqual(refused(pattern));
  });

  test("that is none leaves the plugin out", async () => {
    expect(await withPattern("(", "a")).toEqual([
      "The schema of its settings has a pattern that is no regular expression: (",
    ]);
  });
});
