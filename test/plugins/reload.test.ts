import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { User } from "../../src/protocols";
import { appending, loadPlugins, writePlugins } from "../support/plugin-files";
import { temporaryFolder } from "../support/temporary";
import { until } from "../support/until";

const ANN: User = { username: "ann", role: "user" };

/** A plugin whose only tool, named like it, answers with the text. */
const answering = (name: string, text: string, more = "") =>
  `${more}
export default { name: "${name}", tools: [{ name: "${name}", description: "", parameters: {}, execute: async () => ${text} }] };`;

async function open(files: Record<string, string>, overrides: Parameters<typeof loadPlugins>[1] = {}) {
  const dataPath = temporaryFolder();
  const loaded = await loadPlugins(files, { dataPath, ...overrides });
  const folder = join(dataPath, "plugins");
  return {
    ...loaded,
    dataPath,
    folder,
    /** Writes files (null removes one) and has them taken as they are. */
    async save(changes: Record<string, string | null>) {
      for (const [path, text] of Object.entries(changes)) {
        if (text === null) rmSync(join(folder, path));
        else writePlugins(folder, { [path]: text });
      }
      await loaded.core.plugins.reload();
    },
    // biome-ignore lint/suspicious/noExplicitAny: what they are is what is tested.
    answers: async (): Promise<Record<string, any>> => {
      const tools = await loaded.core.tools.list({} as never);
      const pairs = tools.map(async (tool) => [tool.name, await tool.execute({}, {} as never)] as const);
      return Object.fromEntries(await Promise.all(pairs));
    },
    faults: () => loaded.core.plugins.faults().map(({ file, message }) => [file, message] as const),
  };
}

describe("what is saved is used:", () => {
  test("a file that is changed, added, removed or renamed, without another being loaded anew", async () => {
    const { save, answers, folder, core } = await open({
      "tools/a.ts": answering("a", "1"),
      "tools/still.ts": answering("still", "born", "const born = Math.random();"),
    });
    const { still } = await answers();
    await save({ "tools/a.ts": answering("a", "2") });
    expect(await answers()).toEqual({ a: 2, still });
    await save({ "tools/b.ts": answering("b", "3") });
    expect(await answers()).toEqual({ a: 2, b: 3, still });
    renameSync(join(folder, "tools/b.ts"), join(folder, "tools/z.ts"));
    await save({ "tools/a.ts": null });
    expect(await answers()).toEqual({ b: 3, still });
    expect(core.plugins.list().flatMap(({ file }) => file ?? [])).toEqual(["tools/still.ts", "tools/z.ts"]);
  });

  test("a local import at any depth, also of two plugins, and one that was not there before", async () => {
    const { save, answers, faults } = await open({
      "tools/a.ts": answering("a", "words()", 'import { words } from "./_lib/middle";'),
      "tools/b.ts": answering("b", "words()", 'import { words } from "./_lib/middle";'),
      "tools/c.ts": answering("c", "later", 'import { later } from "./_lib/later";'),
      "tools/_lib/middle.ts":
        'import { word } from "./deep";\nexport const words = () => [word, born];\nconst born = Math.random();',
      "tools/_lib/deep.ts": 'export const word = "old";',
    });
    const before = await answers();
    expect([before.a[0], before.a[1] === before.b[1], faults()[0]?.[0]]).toEqual(["old", true, "tools/c.ts"]);
    await save({
      "tools/_lib/deep.ts": 'export const word = "fresh";',
      "tools/_lib/later.ts": 'export const later = "here";',
    });
    const after = await answers();
    expect([after.a[0], after.b[0], after.c]).toEqual(["fresh", "fresh", "here"]);
    // They share it, as they did.
    expect([after.a[1] === after.b[1], after.a[1] === before.a[1], faults()]).toEqual([true, false, []]);
  });

  test("a file whose top-level await failed, and a helper that another plugin imports goes on with its state", async () => {
    const helped = (name: string, more = "") => answering(name, "born", `import { born } from "./_born";\n${more}`);
    const { save, answers, faults } = await open({
      "tools/a.ts": helped("a", 'await Promise.resolve().then(() => { throw new Error("no network"); });'),
      "tools/b.ts": helped("b"),
      "tools/_born.ts": "export const born = Math.random();",
    });
    const { b } = await answers();
    expect(faults()).toEqual([["tools/a.ts", "It cannot be loaded: line 2: no network"]]);
    await save({ "tools/a.ts": `// Two lines more.\n\n${helped("a", 'throw new Error("no luck");')}` });
    expect(faults()).toEqual([["tools/a.ts", "It cannot be loaded: line 4: no luck"]]);
    await save({ "tools/a.ts": helped("a") });
    expect([await answers(), faults()]).toEqual([{ a: b, b }, []]);
  });

  test("without anybody asking, also when what was missing comes later", async () => {
    const { answers, faults, folder } = await open({
      "tools/a.ts": answering("a", "later", 'import { later } from "./_lib/later";'),
    });
    expect(faults()[0]?.[1]).toContain("It cannot be loaded");
    writePlugins(folder, { "tools/_lib/later.ts": 'export const later = "here";' });
    await until(async () => "a" in (await answers()));
    expect([await answers(), faults()]).toEqual([{ a: "here" }, []]);
    rmSync(join(folder, "tools/a.ts"));
    await until(async () => Object.keys(await answers()).length === 0);
  });

  test("a link that leads elsewhere, and a changed file behind a link", async () => {
    const library = temporaryFolder();
    writePlugins(library, { "one.ts": answering("x", "1"), "two.ts": answering("x", "2") });
    const { answers, folder, core } = await open({});
    const link = join(folder, "tools/x.ts");
    mkdirSync(join(folder, "tools"), { recursive: true });
    symlinkSync(join(library, "one.ts"), link);
    await core.plugins.reload();
    expect(await answers()).toEqual({ x: 1 });
    rmSync(link);
    symlinkSync(join(library, "two.ts"), link);
    await core.plugins.reload();
    expect(await answers()).toEqual({ x: 2 });
    writeFileSync(join(library, "two.ts"), answering("x", "3"));
    await core.plugins.reload();
    expect(await answers()).toEqual({ x: 3 });
  });

  test("the types of functions", async () => {
    const go = (types: string) => ({ "tools/go.ts": `${types}\nexport function go(where: Where) { return where; }` });
    const { save, core, faults } = await open(go('type Where = "home";'));
    const schema = async () => JSON.stringify((await core.tools.list({} as never))[0]?.parameters);
    expect(await schema()).toContain('"home"');
    await save(go('type Where = "work";'));
    expect(await schema()).toContain('"work"');
    await save({ ...go('import type { Where } from "./_where";'), "tools/_where.ts": 'export type Where = "home";' });
    expect([await schema(), faults()[0]?.[0]]).toEqual([expect.stringContaining('"work"'), "tools/go.ts"]);
    await save(go('type Where = "home";'));
    expect([await schema(), faults()]).toEqual([expect.stringContaining('"home"'), []]);
  });

  test("settings: a plugin is loaded anew with them, and those that do not fit change nothing", async () => {
    const files = {
      "tools/greet.ts": answering(
        "greet",
        "[word, born]",
        'import { t } from "skeleton";\nconst born = Math.random();\nlet word;',
      ).replace(
        "tools:",
        'settings: t.Object({ word: t.String({ default: "Hi" }) }), start: (core) => { word = core.settings("greet").word; }, tools:',
      ),
    };
    const { answers, save, dataPath, faults, core, lines } = await open(files);
    const write = async (text: string) => {
      writeFileSync(join(dataPath, "plugins.yaml"), text);
      await core.plugins.reload();
    };
    const [first, born] = (await answers()).greet;
    await write("greet: { word: Hello }");
    const [second, bornAgain] = (await answers()).greet;
    expect([first, second, born === bornAgain, core.settings("greet")]).toEqual([
      "Hi",
      "Hello",
      false,
      { word: "Hello" },
    ]);
    await write("greet: { word: [secret] }");
    expect([(await answers()).greet[0], core.settings("greet")]).toEqual(["Hello", { word: "Hello" }]);
    expect(faults()).toEqual([["tools/greet.ts", "Its settings in plugins.yaml do not fit: /word must be a string."]]);
    expect(lines.filter((line) => line.startsWith("ERROR")).join()).toContain(
      "what was there before stays in use plugin=greet",
    );
    await write("greet: { word: Hello }\nother: 1");
    expect([(await answers()).greet[0], faults()]).toEqual(["Hello", []]);
    await write("greet: { wo");
    await save({});
    expect((await answers()).greet[0]).toBe("Hello");
  });
});

describe("a change that cannot be used leaves the earlier plugin in use, and says why:", () => {
  const good = answering("a", "1").replace("export default {", "export default { start() {},");
  const bad: [what: string, text: string, message: RegExp][] = [
    ["it does not parse", "export default {", /^It cannot be loaded: line 1/],
    ["it throws", "throw new Error('no disk');", /no disk/],
    ["it is no plugin", "export default 1;", /must be a plugin object, .* and is a number/],
    [
      "its start fails",
      good.replace("start() {}", "start() { throw new Error('no network'); }"),
      /^Its start failed: no network$/,
    ],
    [
      "its start hangs",
      good.replace("start() {}", "start: () => new Promise(() => {})"),
      /^Its start took longer than 0.2 seconds/,
    ],
    ["its file hangs", `await new Promise(() => {});\n${good}`, /its top-level `await` took longer than 0.2 seconds/],
    ["its tools are wrong", good.replace("parameters: {}", "parameters: 1"), /needs parameters/],
    ["its provider lacks a method", good.replace("start() {}", "provide: { model: () => ({}) }"), /^Its model lacks/],
  ];
  test.each(bad)("%s", async (_, text, message) => {
    const { save, answers, faults, lines } = await open(
      { "tools/a.ts": good, "tools/b.ts": answering("b", "2") },
      { patience: { loadS: 0.2, startS: 0.2 } },
    );
    await save({ "tools/a.ts": text });
    expect(await answers()).toEqual({ a: 1, b: 2 });
    expect(faults()).toEqual([["tools/a.ts", expect.stringMatching(message)]]);
    expect(lines.join("\n")).toMatch(
      /ERROR A changed plugin cannot be used; what was there before stays in use plugin=\S+ file=tools\/a\.ts/,
    );
    await save({ "tools/b.ts": answering("b", "3") });
    expect(await answers()).toEqual({ a: 1, b: 3 });
    await save({ "tools/a.ts": answering("a", "4") });
    expect([await answers(), faults()]).toEqual([{ a: 4, b: 3 }, []]);
  });

  test("it provided the store when the server started: it stays, in its place among the others", async () => {
    const store = "store: (core, base) => ({ ...base, find: async () => [] }), model:";
    const { save, core, faults } = await open({
      "core/a.ts": appending("a"),
      "core/m.ts": appending("m").replace("model:", store),
      "core/z.ts": appending("z"),
    });
    await save({ "core/m.ts": appending("n"), "core/a.ts": appending("b") });
    expect(await core.model.list()).toEqual(["basebmz"]);
    expect(faults()).toEqual([["core/m.ts", expect.stringMatching(/when the server starts again/)]]);
    await save({ "core/m.ts": null });
    expect(await core.thread.list("ann")).toEqual([]);
    expect(core.plugins.list().map(({ name }) => name)).toContain("appends-m");
  });

  test("it provides the store, on which running turns depend", async () => {
    const { save, core, faults } = await open({ "core/a.ts": appending("a") });
    const text =
      'export default { name: "keeper", provide: { store: (core, base) => ({ ...base, find: async () => [] }) } };';
    await save({ "core/keeper.ts": text, "core/a.ts": appending("b") });
    expect(await core.model.list()).toEqual(["baseb"]);
    expect(faults()).toEqual([["core/keeper.ts", expect.stringMatching(/takes effect when the server starts again/)]]);
    expect(core.plugins.list().map(({ name }) => name)).not.toContain("keeper");
  });
});

test("a tool keeps its name when a plugin comes that is before its own and has one of that name", async () => {
  const { save, answers, faults } = await open({ "tools/b.ts": answering("b", "1") });
  const other = answering("b", "2").replace('name: "b", tools', 'name: "a", tools');
  await save({ "tools/a.ts": other });
  expect([await answers(), faults()]).toEqual([
    { b: 1 },
    [["tools/a.ts", "There is a tool b already, in tools/b.ts. Give one of them another name."]],
  ]);
  await save({ "tools/b.ts": null });
  expect([await answers(), faults()]).toEqual([{ b: 2 }, []]);
});

test("what cannot be built for a reason that nobody foresaw leaves all as it was, and is told once", async () => {
  const { save, folder, core, lines } = await open({ "core/a.ts": appending("a") });
  const views = "views: (core, base) => ({ ...base, get extra() { throw new Error('gotcha'); } }),";
  writePlugins(folder, { "core/b.ts": appending("b").replace("model:", `${views} model:`) });
  const told = () => lines.filter((line) => line.includes("could not be loaded anew") && line.includes("gotcha"));
  await until(() => told().length > 0);
  await core.plugins.reload();
  expect([await core.model.list(), told().length]).toEqual([["basea"], 1]);
  await save({ "core/b.ts": appending("b") });
  expect(await core.model.list()).toEqual(["baseab"]);
});

describe("providers", () => {
  test("are wrapped anew around what was changed, and made once where nothing below them changed", async () => {
    const counting = `globalThis.made = (globalThis.made ?? 0) + 1;`;
    const outer = appending("o", "priority: 20,").replace(
      "(core, base) => ({",
      `(core, base) => (${counting.slice(0, -1)}, {`,
    );
    const { save, core } = await open({ "core/inner.ts": appending("i"), "core/outer.ts": outer });
    const made = () => (globalThis as { made?: number }).made;
    expect([await core.model.list(), made()]).toEqual([["baseio"], 1]);
    await save({ "tools/a.ts": answering("a", "1") });
    expect([await core.model.list(), made()]).toEqual([["baseio"], 1]);
    await save({ "core/inner.ts": appending("x") });
    expect([await core.model.list(), made()]).toEqual([["basexo"], 2]);
    await save({ "core/inner.ts": null });
    expect([await core.model.list(), made()]).toEqual([["baseo"], 3]);
  });
});

describe("a running turn", () => {
  /** A model whose reply waits for the test between its two halves, and names the plugin in each. */
  const halves = (word: string) => `export default {
    name: "halves",
    provide: { model: (core, base) => ({ ...base, async *stream(call) {
      yield { type: "text", text: "${word} " };
      await globalThis.nextHalf;
      yield { type: "text", text: "${word}" };
      yield { type: "finish", reason: "stop" };
    } }) },
    hooks: { async *filterStream(events) { for await (const event of events) yield event.type === "text" ? { ...event, text: event.text.${word === "old" ? "toUpperCase" : "trim"}() } : event; } },
    stop() { globalThis.stopped = [...(globalThis.stopped ?? []), "${word}"]; },
  };`;

  test("leaves background work that its plugin began, and that is told to end before a plugin which was replaced stops", async () => {
    const shared = globalThis as { told?: string[] };
    shared.told = [];
    const working = (word: string) => `export default { name: "worker", start(core) {
        core.background("worker", async (signal) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          await Bun.sleep(1);
          globalThis.told.push("${word} work ends");
        });
      }, stop() { globalThis.told.push("${word} stops"); } };`;
    const { save, stop } = await open({ "core/worker.ts": working("old") });
    await save({ "core/worker.ts": working("fresh") });
    await until(() => shared.told?.length === 2);
    expect(shared.told).toEqual(["old work ends", "old stops"]);
    await stop(0);
    expect(shared.told.slice(2)).toEqual(["fresh work ends", "fresh stops"]);
  });

  test("ends with what it began with, and only then the old plugin stops; the next one has what was saved before it", async () => {
    const shared = globalThis as { nextHalf?: Promise<void>; stopped?: string[] };
    const half = Promise.withResolvers<void>();
    shared.nextHalf = half.promise;
    const { core, folder, stop } = await open({ "core/halves.ts": halves("old") });
    const textOf = async (turnId: string) => {
      let text = "";
      for await (const events of (await core.turns.follow(ANN, turnId, 0, new AbortController().signal)) ?? [])
        for (const { event } of events) if (event.type === "text") text += event.text;
      return text;
    };
    const first = await core.turns.start(ANN, { content: "one" });
    // Nobody asks for a reload: the start of the next turn looks by itself.
    writePlugins(folder, { "core/halves.ts": halves("fresh") });
    await Bun.sleep(60); // The pause between two looks.
    const second = await core.turns.start(ANN, { content: "two" });
    expect(shared.stopped).toBeUndefined();
    half.resolve();
    expect(await Promise.all([textOf(first.id), textOf(second.id)])).toEqual(["OLD OLD", "freshfresh"]);
    await until(() => shared.stopped);
    expect(shared.stopped).toEqual(["old"]);
    await stop(0);
    expect(shared.stopped).toEqual(["old", "fresh"]);
  });
});

test("two thousand reloads leave nothing behind, and each state of the plugin but the last is stopped", async () => {
  const shared = globalThis as { stops?: number };
  const text = (n: number) =>
    answering(
      "a",
      `[${n}, helper]`,
      `import { helper } from "./_helper";
export const ballast = new Uint8Array(100_000).fill(${n % 200});`,
    ).replace("tools:", "stop() { globalThis.stops = (globalThis.stops ?? 0) + 1; ballast.fill(1); }, tools:");
  const { save, answers } = await open({ "tools/a.ts": text(0), "tools/_helper.ts": "export const helper = 0;" });
  const used = () => {
    Bun.gc(true);
    const { heapSize, extraMemorySize } = heapStats();
    return (heapSize + extraMemorySize) / 1e6;
  };
  const usedOnceStopped = async (stops: number) => {
    await until(() => (shared.stops ?? 0) >= stops);
    // What the last reloads left on the stack, and in timers that have just ended, is not collected at once.
    let least = used();
    for (let again = 0; again < 10; again++) {
      await Bun.sleep(100);
      least = Math.min(least, used());
    }
    return least;
  };
  let before = 0;
  for (let n = 1; n <= 2000; n++) {
    await save({ "tools/a.ts": text(n), ...(n % 2 === 0 && { "tools/_helper.ts": `export const helper = ${n};` }) });
    if (n === 500) before = await usedOnceStopped(500);
  }
  expect((await answers()).a).toEqual([2000, 2000]);
  const after = await usedOnceStopped(2000);
  console.log(`2,000 reloads: ${before.toFixed(1)} MB after 500, ${after.toFixed(1)} MB after 2,000`);
  expect(shared.stops).toBe(2000);
  // Of 1,500 states that were kept the ballast alone would be 150 MB.
  expect(after - before).toBeLessThan(15);
}, 120_000);

test("SKELETON_SKIP_PLUGINS starts without any file, and looks at none later", async () => {
  const { save, answers, core } = await open({ "tools/a.ts": answering("a", "1") }, { skipPlugins: true });
  await save({ "tools/b.ts": answering("b", "1") });
  expect([await answers(), core.plugins.faults()]).toEqual([{}, []]);
});
