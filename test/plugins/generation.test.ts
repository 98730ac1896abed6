import { describe, expect, test } from "bun:test";
import { appending, loadPlugins } from "../support/plugin-files";

/** A file that provides these protocols. */
const providing = (name: string, provide: string, more = "") =>
  `export default { name: "${name}", provide: { ${provide} }, ${more} };`;

describe("providers", () => {
  test("wrap one another by priority, and by file name where it is the same", async () => {
    const { core, lines } = await loadPlugins({
      "core/a.ts": appending("a", "priority: 30,"),
      "core/b.ts": appending("b"),
      "core/c.ts": appending("c"),
      "tools/aa.ts": appending("z", "priority: 9,"),
    });
    expect(await core.model.list()).toEqual(["basezbca"]);
    expect(lines).toContain("INFO model is provided by core/a.ts");
    expect(lines).toContain("INFO store is provided by built-in");
  });

  test("keep what they do not replace", async () => {
    const { core } = await loadPlugins({ "core/a.ts": appending("a") });
    const events = await Array.fromAsync(
      core.model.stream({ model: "base", messages: [], tools: [], parameters: {} }, new AbortController().signal),
    );
    expect(events).toContainEqual({ type: "text", text: "base" });
  });

  test("are reached by other parts through core, also by those built before them", async () => {
    const search = "search: async () => [{ thread: null, snippet: 'mine' }]";
    const { core } = await loadPlugins({
      "core/a.ts": providing("a", `thread: (core, base) => ({ ...base, ${search} })`),
      "core/b.ts": providing("b", "context: (core, base) => ({ ...base, get: () => core.thread.search('ann', 'x') })"),
    });
    expect(await core.context.get("ann", "t")).toMatchObject([{ snippet: "mine" }]);
  });
});

describe("a plugin that cannot provide is left out, and what it would have replaced stays:", () => {
  const bad: [what: string, factory: string, message: RegExp][] = [
    ["it lacks methods", "() => ({ list: async () => ['bad'] })", /^Its model lacks stream\.$/],
    [
      "a method is no function",
      "(core, base) => ({ ...base, list: ['bad'] })",
      /^Its model\.list must be a function\.$/,
    ],
    ["its factory throws", "() => { throw new Error('no key'); }", /^Its factory of model failed: no key$/],
    ["its factory returns nothing", "() => {}", /did not return an object/],
    ["its factory is async", "async (core, base) => base", /^Its factory of model must not be async/],
    ["its factory uses a part too early", "(core, base) => { core.hooks.preCall(); return base; }", /./],
  ];
  test.each(bad)("%s", async (_, factory, message) => {
    const { core, wrong, lines } = await loadPlugins({
      "core/a.ts": appending("a"),
      "functions/bad.ts": providing("bad", `model: ${factory}`),
      "core/c.ts": appending("c"),
    });
    expect(wrong).toEqual([["functions/bad.ts", expect.stringMatching(message)]]);
    expect(lines).toContainEqual(expect.stringMatching(/^WARNING .* plugin=bad file=functions\/bad\.ts reason=/));
    expect(await core.model.list()).toEqual(["baseac"]);
  });

  test("a member that may be missing may be missing", async () => {
    const { core, wrong } = await loadPlugins({
      "core/a.ts": providing("a", "auth: (core, { setup, ...base }) => base"),
    });
    expect(wrong).toEqual([]);
    expect(core.auth.setup).toBeUndefined();
  });

  test("with all its parts: other providers, hooks, tools and start", async () => {
    const { core, wrong } = await loadPlugins({
      "functions/bad.ts": providing(
        "bad",
        `model: (core, base) => ({ ...base, list: async () => ["bad"] }),
         limit: () => ({}),`,
        `required: false, hooks: { filterStream: (events) => events },
         tools: [{ name: "bad", description: "", parameters: {}, execute: async () => "" }],
         start() { globalThis.startedBad = true; },`,
      ),
    });
    expect(wrong).toEqual([["functions/bad.ts", "Its limit lacks take."]]);
    expect(await core.model.list()).toEqual(["base"]);
    expect(core.hooks.filtersStream).toBe(false);
    expect(await core.tools.list({} as never)).toEqual([]);
    expect("startedBad" in globalThis).toBe(false);
  });
});
