import { describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkPlugins } from "../src/contracts/check";
import { writePlugins } from "./support/plugin-files";
import { projectFolder } from "./support/project";
import { temporaryFolder, testConfig } from "./support/temporary";

const LIMITS = { caseS: 30, hookS: 20, lingerMs: 5 };

/** Exit code and lines, with the folder of the files left out. */
async function check(files: Record<string, string>, named: readonly string[] = [], yaml = "", limits = LIMITS) {
  const dataPath = temporaryFolder();
  const config = testConfig(dataPath);
  writePlugins(config.pluginsPath, files);
  if (yaml) writeFileSync(join(dataPath, "plugins.yaml"), yaml);
  const lines: string[] = [];
  const paths = named.map((path) => join(config.pluginsPath, path));
  const print = (line: string) => void lines.push(line.replace(`${config.pluginsPath}/`, ""));
  const code = await checkPlugins(paths, config, print, limits);
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
    "  ok    full: provides limit; hooks preCall; tools look; page for user; settings; required",
    "  tool  look: {}",
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
    expect.stringMatching(/^ {2}tool {2}go: \{.*"type":"object"/),
  ]);
});

test("of functions that cannot be tools check names the file, the type and what to write, beside those that can", async () => {
  const { code, lines } = await check({
    "tools/trip.ts": `import type { Place } from "./_places";
export function plan(place: Place) { return place; }
export function roll(sides: number) { return sides; }`,
    "tools/_places.ts": "export interface Place { city: string }",
  });
  expect(code).toBe(1);
  expect(lines).toEqual([
    "tools/trip.ts",
    "  FAULT Function plan, parameter place: the type Place (line 2) is imported from ./_places; copy it into this file, or write the tool as an object with a schema.",
    "tools/trip.ts",
    "  ok    trip: tools roll",
    expect.stringMatching(/^ {2}tool {2}roll: \{.*"required":\["sides"\],"properties":\{"sides":\{"type":"number"\}\}/),
  ]);
});

test("a provider that does not keep its contract is told which promises it breaks, what it gave and what was due", async () => {
  const lax = `export default { name: "lax", provide: { limit: () => ({ take: async (key) => ({ allowed: true, remaining: 0, why: key.repeat(99) }) }) } };`;
  const { code, lines } = await check({ "core/lax.ts": lax, "tools/b.ts": "throw 1;" }, ["core/lax.ts"]);
  expect(lines.slice(0, 2)).toEqual(["core/lax.ts", "  ok    lax: provides limit; required"]);
  const gave = '{ allowed: true, remaining: 0, why: "keykey';
  const faults = [
    ["takes are allowed up to the maximum", gave, "and not { allowed: true, remaining: 2 }"],
    ["a cost over the maximum is always refused", gave, "and not a refusal for 1 to 60 seconds"],
    ["a limit that makes no sense is refused", gave, 'and not an AppError("invalid")'],
  ] as const;
  for (const [promise, came, due] of faults) {
    const line = lines.find((it) => it.startsWith(`  FAULT limit: ${promise}`)) ?? "";
    expect(line).toContain(`: it gave ${came}`);
    expect(line).toEndWith(`… ${due}`);
    expect(line.length).toBeLessThan(300);
  }
  expect(code).toBe(1);
});

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
  expect(lines.slice(0, 2)).toEqual([join(projectFolder, "plugin_library/tools/ping.ts"), "  ok    ping: tools ping"]);
  expect(lines.slice(2)).toEqual([expect.stringContaining("  tool  ping: {")]);
  expect(code).toBe(0);
});

test("a file that holds up its process for ever is named and ended, and the others are checked", async () => {
  const folder = temporaryFolder();
  const files = { "functions/loops.ts": "while (true) {}", "functions/quiet.ts": 'export default { name: "quiet" };' };
  writePlugins(join(folder, "plugins"), files);
  const [loops = "", quiet = ""] = Object.keys(files).map((file) => join(folder, "plugins", file));
  const call = (named: readonly string[]) => `import { checkBeside } from "${projectFolder}/src/contracts/check/beside";
    process.exit(await checkBeside(${JSON.stringify(named)}, ${JSON.stringify(join(folder, "plugins"))}, console.log, 2));`;
  const heldUp = "held up the process for 2 seconds, and the process was ended.";
  const named = [loops, `  FAULT It ${heldUp}`, quiet, "  ok    quiet: nothing"];
  const [alone, all] = await Promise.all([[loops, quiet], []].map((paths) => runIn(folder, ["-e", call(paths)])));
  expect([alone?.code, alone?.lines]).toEqual([1, named]);
  const whole = [join(folder, "plugins"), `  FAULT One of the plugins ${heldUp} Each is checked alone.`];
  expect([all?.code, all?.lines]).toEqual([1, [...whole, ...named]]);
  expect(readdirSync(join(folder, "tmp"))).toEqual([]);
}, 60_000);

/** The command, in a process of its own. */
async function runCheck(folder: string, files: readonly string[] = [], cwd = projectFolder) {
  return runIn(folder, [join(projectFolder, "src/main.ts"), "check", ...files], cwd);
}

async function runIn(folder: string, command: readonly string[], cwd = projectFolder) {
  mkdirSync(join(folder, "tmp"), { recursive: true });
  const child = Bun.spawn([process.execPath, ...command], {
    cwd,
    env: {
      TMPDIR: join(folder, "tmp"),
      DATA_PATH: folder,
      PLUGINS_PATH: join(folder, "plugins"),
      USERS_FILENAME: join(folder, "users.yaml"),
      UPLOAD_DIR: join(folder, "uploads"),
    },
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
  const files = ["functions/placeless.ts", "functions/quiet.ts"].map((file) => join(folder, "plugins", file));
  const runs = [[], files, files.slice(1)].map((paths) => runCheck(folder, paths));
  const [all, alone, quiet] = await Promise.all(runs as [(typeof runs)[0], (typeof runs)[0], (typeof runs)[0]]);
  expect(all.errors).toBe("");
  expect(all.lines).toEqual([
    join(folder, "plugins"),
    "  FAULT Nobody catches what one of the plugins throws: no error",
    "core/late.ts",
    "  ok    late: provides limit; required",
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
  expect(alone.lines).toEqual([
    files[0] ?? "",
    "  ok    placeless: nothing",
    "  FAULT Nobody catches what it throws: no error",
    files[1] ?? "",
    "  ok    quiet: nothing",
  ]);
  expect([all.code, alone.code, quiet.code]).toEqual([1, 1, 0]);
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

/** What is said to be wrong with a plugin of these members, without the word before it. */
async function faultsOf(members: string, limits = LIMITS): Promise<string[]> {
  const text = `import { AppError, t } from "skeleton";\nexport default { name: "x", ${members} };`;
  const { code, lines } = await check({ "functions/x.ts": text }, [], "", limits);
  const faults = lines.filter((line) => line.startsWith("  FAULT ")).map((line) => line.slice("  FAULT ".length));
  expect(code).toBe(faults.length > 0 ? 1 : 0);
  return faults;
}

describe("hooks are run in a turn, and it is a fault", () => {
  const bad: [what: string, hooks: string, message: string][] = [
    ["that preCall throws", "preCall() { throw new Error('no index'); }", "Its preCall failed in a turn: no index"],
    [
      "that preCall hangs",
      "preCall: () => new Promise(() => {})",
      "Its preCall failed in a turn: It took longer than 0.2",
    ],
    [
      "what preCall returns",
      "preCall: () => ({ model: 1 })",
      "Its preCall failed in a turn: It must return a model call",
    ],
    [
      "that preCall fails at the second step",
      "preCall(call) { if (call.messages.at(-1).role === 'tool') throw new Error('a result'); }",
      "Its preCall failed in a turn: a result",
    ],
    [
      "that filterStream throws",
      "async *filterStream(events) { throw new Error('no filter'); }",
      "Its filterStream failed in a turn: no filter",
    ],
    [
      "that filterStream hangs",
      "async *filterStream(events) { await new Promise(() => {}); }",
      "Its filterStream failed in a turn: It neither took nor gave",
    ],
    ["that it ends too early", "async *filterStream(events) {}", "Its filterStream failed in a turn: It ended before"],
    [
      "that it does not know of thinking",
      "async *filterStream(events) { for await (const event of events) yield event.type === 'thinking' ? { ...event, text: event.words.trim() } : event; }",
      "Its filterStream failed in a turn: undefined is not an object",
    ],
    [
      "that it swallows a call",
      "async *filterStream(events) { for await (const event of events) if (event.type !== 'toolCall') yield event; }",
      "Its filterStream does not pass toolCall on.",
    ],
    [
      "that it swallows the usage",
      "async *filterStream(events) { for await (const event of events) if (event.type !== 'usage') yield event; }",
      "Its filterStream does not pass usage on.",
    ],
    [
      "that postCall throws",
      "postCall(reply) { reply.nothing.trim(); }",
      "Its postCall failed in a turn: undefined is not an object",
    ],
    [
      "that what one begins fails",
      "postCall(reply, turn) { turn.core.background('x', async () => { throw new Error('no summary'); }); }",
      "Background work of a plugin failed: no summary",
    ],
  ];
  test.each(bad)("%s", async (_, hooks, message) => {
    expect(await faultsOf(`hooks: { ${hooks} }`, { ...LIMITS, caseS: 30, hookS: 0.2 })).toEqual([
      expect.stringContaining(message),
    ]);
  });

  test("that what hangs is waited for in one turn, of two steps, and not in another", async () => {
    const counted = globalThis as { hung?: number };
    counted.hung = 0;
    const hanging = "hooks: { postCall: () => { globalThis.hung += 1; return new Promise(() => {}); } }";
    expect(await faultsOf(hanging, { ...LIMITS, caseS: 30, hookS: 0.5 })).toEqual([
      "Its postCall failed in a turn: It took longer than 0.5 seconds.",
    ]);
    expect(counted.hung).toBe(2);
  });

  test("that they are not called, because the plugin's own turns know none; those that do their work are good", async () => {
    const none =
      "{ preCall: async (call) => call, filtersStream: false, filterStream: (events) => events, postCall: async () => {} }";
    const silent = `messageProcessor: (core, base) => ({ run: (turn, ...rest) => base.run({ ...turn, core: { ...turn.core, hooks: ${none} } }, ...rest) })`;
    expect(await faultsOf(`provide: { ${silent} }, hooks: { preCall() {} }`)).toContain(
      "Its preCall was not called in a turn.",
    );
    const good = `hooks: {
      preCall: (call) => ({ ...call, tools: [] }),
      async *filterStream(events) { for await (const event of events) yield event.type === "text" ? { ...event, text: event.text.toUpperCase() } : event; },
      async postCall(reply, turn) { await turn.core.thread.update(turn.user.username, turn.threadId, { title: reply.content.slice(0, 20) }); },
    }`;
    expect(await faultsOf(good)).toEqual([]);
  });
});

test("the schemas of tools are read, and their tools are not called", async () => {
  const bad: [schema: string, message: RegExp][] = [
    [
      "{ properties: { a: { type: 'text' } } }",
      /^The parameters of its tool go0 are no JSON schema: \/properties\/a\/type must be one of string, /,
    ],
    ["{ required: 'a' }", /\/required must be a list of names\.$/],
    ["{ properties: [] }", /\/properties must be an object/],
    ["{ properties: { a: { enum: [] } } }", /a\/enum must be a list of values/],
    ["{ properties: { a: { pattern: '(' } } }", /a\/pattern must be a regular expression/],
    ["{ properties: { a: { anyOf: [] } } }", /a\/anyOf must be a list of schemas/],
    ["{ properties: { a: { items: [{ type: 1 }] } } }", /items\/0\/type must be one of/],
    ["{ properties: {}, required: ['b'], additionalProperties: false }", /names b, which is none of the properties/],
    ["(() => { const a = {}; a.items = a; return { properties: { a } }; })()", /nests too deep/],
  ];
  const good = "t.Object({ a: t.Union([t.Literal('x'), t.Null()]), b: t.Array(t.String({ pattern: '^[\\\\w-]+$' })) })";
  const tools = [...bad.map(([schema]) => schema), good].map(
    (schema, at) =>
      `{ name: "go${at}", description: "", parameters: ${schema}, execute: async () => { throw new Error("called"); } }`,
  );
  expect(await faultsOf(`tools: [${tools.join(", ")}]`)).toEqual(
    bad.map(([, message]) => expect.stringMatching(message)),
  );
});

test("a page is asked once, with a GET of somebody who may", async () => {
  const shared = globalThis as { asked?: string[] };
  shared.asked = [];
  const page = (body: string) => `access: "admin", page: () => ({ handle(request, user, look) { ${body} } })`;
  const told = "globalThis.asked.push([request.method, new URL(request.url).pathname, user.role].join(' '));";
  expect(await faultsOf(page(`${told} return look.page({ title: "x", body: "" });`))).toEqual([]);
  expect(shared.asked).toEqual(["GET /_plugin/x/ admin"]);
  expect(await faultsOf(page("throw new AppError('notFound', 'Nothing here.');"))).toEqual([]);
  expect(await faultsOf(page("throw new Error('no table');"))).toEqual(["The page of a plugin failed: no table"]);
  expect(await faultsOf(page("return 'text';"))).toEqual([
    "The page of a plugin failed: It did not answer with a Response.",
  ]);
  expect(await faultsOf(page("return new Response('', { status: 503 });"))).toEqual([
    "Its page answered a GET with 503.",
  ]);
  expect(await faultsOf(page("return new Promise(() => {});"), { ...LIMITS, caseS: 0.5, hookS: 1 })).toEqual([
    "Its page took longer than 0.5 seconds.",
  ]);
});

test("a part that is not in use when it is tested is a fault, and nothing else is praised in its place", async () => {
  const once =
    "start() { globalThis.starts = (globalThis.starts ?? 0) + 1; if (globalThis.starts > 1) throw new Error('the port is taken'); },";
  const { code, lines } = await check({
    "core/x.ts": `export default { name: "x", ${once} provide: { limit: (core, base) => base } };`,
  });
  expect([code, lines]).toEqual([
    1,
    [
      "core/x.ts",
      "  ok    x: provides limit; required",
      "  FAULT limit: It was not used, so nothing of it was tested: Its start failed: the port is taken",
    ],
  ]);
});

test("one that keeps its data elsewhere is found out by the first record, which is taken back, unless it keeps it under a scratch name", async () => {
  const shared = globalThis as { elsewhere?: Map<string, unknown>; kept?: string[] };
  const keeping = (name: string, end: string) => `const all = globalThis.elsewhere;
export default { name: "far", provide: { store: (core, base) => ({
  ...base,
  async add(owner, store, fields, id = "x") {
    all.set([${name}, owner, store, id].join(), fields);
    globalThis.kept.push(store);
    return base.add(owner, store, fields, id);
  },
  async get(owner, store, id) {
    const fields = all.get([${name}, owner, store, id].join());
    return (await base.get(owner, store, id)) ?? (fields ? { id, ...fields } : null);
  },
  async delete(owner, store, id, where) {
    const isGone = await base.delete(owner, store, id, where);
    return all.delete([${name}, owner, store, id].join()) || isGone;
  },
  async close() { ${end} await base.close(); },
}) } };`;
  shared.kept = [];
  shared.elsewhere = new Map([["real", "chats"]]);
  const bad = await check({ "core/far.ts": keeping('"real"', "") });
  expect(bad.code).toBe(1);
  expect(bad.lines.at(-1)).toMatch(
    /^ {2}FAULT store: It keeps what it is given elsewhere .* config\.scratch\. Nothing more was tried/,
  );
  const tried = shared.kept.filter((name) => name.startsWith("check_"));
  expect([[...shared.elsewhere], tried.length]).toEqual([[["real", "chats"]], 1]);
  const counting = (name: string, end = "") => `const all = globalThis.elsewhere;
export default { name: "far", provide: { limit: (core, base) => {
  const limit = () => all.get(${name}) ?? all.set(${name}, base).get(${name});
  return { take: (...take) => limit().take(...take) };
} }, stop() { ${end} } };`;
  const counted = await check({ "core/far.ts": counting('"shared"') });
  expect(counted.lines.at(-1)).toContain("FAULT limit: It keeps what it is given elsewhere");
  const filing = `const all = globalThis.elsewhere;
export default { name: "far", provide: { file: (core, base) => ({
  ...base,
  async put(user, file) { const info = await base.put(user, file); all.set(info.id, info); return info; },
  get: async (user, id) => (user === "check" && all.get(id)) || base.get(user, id),
  remove: async (user, id) => all.delete(id),
}) } };`;
  shared.elsewhere.clear();
  const filed = await check({ "core/far.ts": filing });
  expect([filed.lines.at(-1), shared.elsewhere.size]).toEqual([expect.stringContaining("FAULT file: It keeps"), 0]);
  const good = await check({ "core/far.ts": counting("core.config.scratch", "all.clear();") });
  expect([good.code, good.lines.at(-1), shared.elsewhere.size]).toEqual([
    0,
    expect.stringContaining("limit keeps its"),
    0,
  ]);
}, 60_000);

test("a plugin with which nothing can be installed, or that hangs, ends neither the check nor that of the others", async () => {
  const others = { "core/deaf.ts": "export default {", "tools/b.ts": "export function go() { return 1; }" };
  const broken =
    'export default { name: "mute", provide: { store: (core, base) => ({ ...base, find: async () => { throw new Error("no route"); } }) } };';
  const { code, lines } = await check({ ...others, "core/mute.ts": broken });
  expect(code).toBe(1);
  expect(lines.filter((line) => !line.startsWith(" "))).toEqual([
    expect.stringContaining("plugins"),
    "tools/b.ts",
    "core/deaf.ts",
    "core/mute.ts",
  ]);
  expect(lines[1]).toMatch(/^ {2}FAULT All together they cannot be installed: .*no route/);
  expect(lines).toContain("  ok    b: tools go");
  expect(lines.at(-1)).toMatch(/^ {2}FAULT It cannot be installed: .*no route/);
  const stuck =
    'export default { name: "stuck", provide: { store: (core, base) => ({ ...base, createStoreIfNotExists: () => new Promise(() => {}) }) } };';
  const hanging = await check({ ...others, "core/stuck.ts": stuck }, [], "", { ...LIMITS, caseS: 0.5, hookS: 1 });
  expect([hanging.code, hanging.lines.at(-1)]).toEqual([
    1,
    "  FAULT It cannot be installed: Its installation took longer than 1 seconds.",
  ]);
  expect(hanging.lines).toContain("  ok    b: tools go");
});

test("what plugins.yaml requires and is not there is a fault, and so is a plugins.yaml that ends a start", async () => {
  const files = { "tools/b.ts": "export function go() { return 1; }" };
  const { code, lines } = await check(files, [], "require: [spam, b]");
  expect([code, lines.slice(-2)]).toEqual([
    1,
    ["plugins.yaml", expect.stringMatching(/^ {2}FAULT spam: plugins\.yaml requires it, and there is no/)],
  ]);
  const broken = await check(files, [], "require: b");
  expect([broken.code, broken.lines.slice(-2)]).toEqual([
    1,
    ["plugins.yaml", expect.stringMatching(/^ {2}FAULT plugins\.yaml cannot be used: /)],
  ]);
});

describe("in a process of its own", () => {
  test("a plugin finds nothing of the owner's, wherever it looks for the data folder", async () => {
    const folder = temporaryFolder();
    const real = { "skeleton.db": "real", "users.yaml": "users: {}", "uploads/x": "real" };
    writePlugins(folder, real);
    const text = `import { writeFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
const roots = [process.cwd(), process.env.DATA_PATH, "."];
const write = (path) => { mkdirSync(dirname(path), { recursive: true }); writeFileSync(path, "spoilt"); };
export default { name: "writes", start(core) {
  for (const root of [...roots, core.config.dataPath]) for (const name of ["skeleton.db", "users.yaml", "uploads/x"]) write(join(root, name));
  for (const path of [core.config.usersFile, join(core.config.uploadDir, "x"), process.env.USERS_FILENAME ?? "users.yaml", process.env.UPLOAD_DIR ?? "uploads2"]) write(path);
} };`;
    writePlugins(join(folder, "plugins"), { "functions/writes.ts": text });
    const { lines, code } = await runCheck(folder, [], folder);
    expect([code, lines]).toEqual([0, ["functions/writes.ts", "  ok    writes: nothing"]]);
    for (const [name, content] of Object.entries(real))
      expect([name, readFileSync(join(folder, name), "utf8")]).toEqual([name, content]);
    expect(readdirSync(folder).sort()).toEqual(["plugins", "skeleton.db", "tmp", "uploads", "users.yaml"]);
    expect(readdirSync(join(folder, "tmp"))).toEqual([]);
  });

  test("a plugin that ends the process does not end the check as if all were well", async () => {
    const folder = temporaryFolder();
    writePlugins(join(folder, "plugins"), { "functions/ends.ts": "process.exit(0);" });
    const { code, lines } = await runCheck(folder);
    expect(readdirSync(join(folder, "tmp"))).toEqual([]);
    expect([code, lines]).toEqual([1, ["  FAULT The process was ended by one of the plugins before all was checked."]]);
  });
});
