import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { Plugin, Tool } from "../../src/protocols";
import { appending, loadPlugins } from "../support/plugin-files";
import { temporaryFolder } from "../support/temporary";

const tool = (name: string): Tool => ({ name, description: "", parameters: {} as never, execute: async () => "" });

/** A plugin that tells when it starts and stops. */
function told(name: string, events: string[], more: Partial<Plugin> = {}): Plugin {
  return {
    name,
    start: () => void events.push(`${name} starts`),
    stop: () => void events.push(`${name} stops`),
    ...more,
  };
}

async function toolNames({ core }: Awaited<ReturnType<typeof loadPlugins>>): Promise<string[]> {
  return (await core.tools.list({} as never)).map(({ name }) => name);
}

describe("plugins", () => {
  test("start from low priority to high, when all of the core is there, and stop the other way round", async () => {
    const events: string[] = [];
    const parts: string[] = [];
    const loaded = await loadPlugins(
      {},
      {
        plugins: [
          told("high", events, { priority: 20 }),
          told("low", events, { priority: 5, start: (core) => void parts.push(...Object.keys(core)) }),
          told("middle", events),
        ],
      },
    );
    expect(events).toEqual(["middle starts", "high starts"]);
    expect(parts).toEqual(expect.arrayContaining(["store", "model", "views", "hooks", "turns"]));
    await loaded.stop(0);
    expect(events.slice(2)).toEqual(["high stops", "middle stops", "low stops"]);
  });

  test("may use the store when they stop, and one that cannot stop does not keep the others from it", async () => {
    const events: string[] = [];
    let listed: unknown;
    const keeper: Plugin = {
      name: "keeper",
      provide: {
        thread: (core, base) => {
          list = () => core.thread.list("ann");
          return base;
        },
      },
      async stop() {
        listed = await list();
      },
    };
    let list = async (): Promise<unknown> => null;
    const stuck = told("stuck", events, { stop: () => Promise.reject(new Error("no")) });
    const loaded = await loadPlugins({}, { plugins: [keeper, stuck] });
    await loaded.stop(0);
    expect(listed).toEqual([]);
    expect(loaded.lines).toContainEqual(
      expect.stringMatching(/^WARNING A plugin failed to stop plugin=stuck error=no/),
    );
  });
});

describe("a plugin whose start fails", () => {
  const failing = `export default {
    name: "failing",
    priority: 15,
    provide: { model: (core, base) => ({ ...base, list: async () => ["failing"] }) },
    hooks: { filterStream: (events) => events },
    tools: [{ name: "failing", description: "", parameters: {}, execute: async () => "" }],
    async start() { throw new Error("no network"); },
  };`;

  test("is left out with all its parts, and those around it wrap what is below it", async () => {
    const loaded = await loadPlugins({
      "functions/failing.ts": failing,
      "core/inner.ts": appending("i"),
      "core/outer.ts": appending("o", "priority: 20,"),
    });
    expect(loaded.wrong).toEqual([["functions/failing.ts", "Its start failed: no network"]]);
    expect(loaded.lines.filter((line) => line.startsWith("WARNING"))).toEqual([
      'WARNING A plugin is quarantined plugin=failing file=functions/failing.ts reason="Its start failed: no network"',
    ]);
    expect(await loaded.core.model.list()).toEqual(["baseio"]);
    expect(loaded.core.hooks.filtersStream).toBe(false);
    expect(await toolNames(loaded)).toEqual([]);
    expect(loaded.lines).toContain("INFO model is provided by core/outer.ts");
  });

  test("lets the others be stopped and started anew, and the server works", async () => {
    const events: string[] = [];
    const { core } = await loadPlugins(
      { "functions/failing.ts": failing },
      { mode: "persistent", plugins: [told("before", events), told("after", events, { priority: 20 })] },
    );
    expect(events).toEqual(["before starts", "before stops", "before starts", "after starts"]);
    expect((await core.thread.create("ann", { title: "kept" })).title).toBe("kept");
  });

  test("several of them are each left out", async () => {
    const { core, wrong } = await loadPlugins({
      "functions/a.ts": failing.replaceAll("failing", "a"),
      "functions/b.ts": failing.replaceAll("failing", "b"),
      "core/c.ts": appending("c"),
    });
    expect(wrong.map(([file]) => file)).toEqual(["functions/a.ts", "functions/b.ts"]);
    expect(await core.model.list()).toEqual(["basec"]);
  });
});

describe("tools", () => {
  test("are those of all plugins in their order; a function is asked once, with the core", async () => {
    let asked = 0;
    const loaded = await loadPlugins(
      {},
      {
        plugins: [
          { name: "second", priority: 20, tools: [tool("c")] },
          {
            name: "first",
            tools: async (core) => {
              asked++;
              await core.thread.list("ann");
              return [tool("a"), tool("b")];
            },
          },
        ],
      },
    );
    expect(await toolNames(loaded)).toEqual(["a", "b", "c"]);
    expect(asked).toBe(1);
  });

  const bad: [what: string, tools: string, message: RegExp][] = [
    ["whose name another has", "[tool('taken')]", /^There is a tool taken already, in .*\./],
    ["of which two have one name", "[tool('x'), tool('x')]", /^There is a tool x already/],
    ["from a function that throws", "() => { throw new Error('no index'); }", /^Its list of tools failed: no index$/],
    ["from a function that gives none", "async () => {}", /tools must be a list/],
    ["with a name that models refuse", "() => [tool('find it')]", /name of each of its tools/],
    ["without parameters", "() => [{ ...tool('x'), parameters: undefined }]", /tool x needs parameters/],
    [
      "whose parameters are no object",
      "() => [{ ...tool('x'), parameters: { type: 'string' } }]",
      /schema of an object/,
    ],
    ["with a strictness that is none", "() => [{ ...tool('x'), strict: 'yes' }]", /strict of its tool x must be true/],
    ["with a time-out that is none", "() => [{ ...tool('x'), timeoutMs: -1 }]", /timeoutMs of its tool x/],
    [
      "with an approval that is none",
      "[{ ...tool('x'), approval: 'no' }]",
      /^The approval of its tool x must be true or/,
    ],
    [
      "with a member that is misspelt",
      "[{ ...tool('x'), aproval: true }]",
      /^There is no member of its tool x called aproval/,
    ],
  ];
  test.each(bad)("%s leave their plugin out, whole", async (_, tools, message) => {
    const text = `const tool = (name) => ({ name, description: "", parameters: {}, execute: async () => "" });
      export default { name: "bad", tools: ${tools}, hooks: { filterStream: (events) => events } };`;
    const loaded = await loadPlugins(
      { "tools/bad.ts": text },
      { plugins: [{ name: "good", priority: 5, tools: [tool("taken")] }] },
    );
    expect(loaded.wrong).toEqual([["tools/bad.ts", expect.stringMatching(message)]]);
    expect(await toolNames(loaded)).toEqual(["taken"]);
    expect(loaded.core.hooks.filtersStream).toBe(false);
  });
});

describe("a plugin that hangs does not keep the server from starting or ending:", () => {
  const patience = { loadS: 0.1, startS: 0.1, stopS: 0.1 };
  const forever = "await new Promise(() => {})";
  const bad: [what: string, text: string, message: string][] = [
    [
      "its file",
      `${forever}; export default { name: "x" };`,
      "It cannot be loaded: its top-level `await` took longer than 0.1 seconds.",
    ],
    [
      "its start",
      `export default { name: "x", async start() { ${forever}; } };`,
      "Its start took longer than 0.1 seconds.",
    ],
    [
      "its tools",
      `export default { name: "x", tools: async () => { ${forever}; } };`,
      "Its list of tools took longer than 0.1 seconds.",
    ],
  ];
  test.each(bad)("%s", async (_, text, message) => {
    const { core, wrong } = await loadPlugins({ "functions/x.ts": text, "core/a.ts": appending("a") }, { patience });
    expect(wrong).toEqual([["functions/x.ts", message]]);
    expect(await core.model.list()).toEqual(["basea"]);
  });

  const late = {
    start: (wait: string) => `async start() { ${wait} }`,
    tools: (wait: string) => `tools: async () => { ${wait} return []; }`,
  };
  test.each(Object.entries(late))(
    "its %s, which gets its stop when it comes to an end after all",
    async (_, member) => {
      const gate = Promise.withResolvers<void>();
      const shared = globalThis as { gate?: Promise<void>; told?: (what: string) => void };
      const events: string[] = [];
      const stopped = Promise.withResolvers<void>();
      shared.gate = gate.promise;
      shared.told = (what) => {
        events.push(what);
        if (what === "stopped") stopped.resolve();
      };
      const text = `export default { name: "x", ${member("await globalThis.gate; globalThis.told('begun');")},
      stop() { globalThis.told("stopped"); } };`;
      const { wrong } = await loadPlugins({ "functions/x.ts": text }, { patience });
      expect(wrong).toEqual([["functions/x.ts", expect.stringMatching(/took longer than 0\.1 seconds/)]]);
      expect(events).toEqual([]);
      gate.resolve();
      await stopped.promise;
      expect(events).toEqual(["begun", "stopped"]);
    },
  );

  test("its stop", async () => {
    const { stop, lines } = await loadPlugins(
      { "functions/x.ts": `export default { name: "x", async stop() { ${forever}; } };` },
      { patience },
    );
    await stop(0);
    expect(lines).toContain('WARNING A plugin failed to stop plugin=x error="Its stop took longer than 0.1 seconds."');
  });
});

test("a plugin that replaces the store leaves no file of the default behind", async () => {
  const dataPath = temporaryFolder();
  const memory = `import { Database } from "bun:sqlite";
    export default { name: "memory-store", provide: { store: (core) => globalThis.otherStore } };`;
  const other = await loadPlugins({});
  Object.assign(globalThis, { otherStore: { ...other.core.store, close: async () => {} } });
  const { core, wrong, stop } = await loadPlugins({ "core/memory.ts": memory }, { mode: "persistent", dataPath });
  expect(wrong).toEqual([]);
  expect((await core.thread.create("ann", { title: "kept elsewhere" })).title).toBe("kept elsewhere");
  await stop(0);
  expect(readdirSync(dataPath).filter((name) => name.startsWith("skeleton.db"))).toEqual([]);
});

test("SKELETON_TRACE_PLUGINS says which hooks and tools are called, and nothing that they are given", async () => {
  const text = `export default {
    name: "watched",
    hooks: { preCall: (call) => ({ ...call }), async *filterStream(events) { yield* events; }, postCall() {} },
    tools: [{ name: "look", description: "", parameters: {}, execute: async () => "seen" }],
    provide: { model: (core, base) => ({ ...base, async *stream(call) {
      const isAsked = call.messages.at(-1).role === "tool";
      if (!isAsked) yield { type: "toolCall", callId: "1", name: "look", arguments: '{"at":"secret"}' };
      yield { type: "finish", reason: "stop" };
    } }) },
  };`;
  const { core, lines } = await loadPlugins({ "functions/watched.ts": text }, { tracePlugins: true });
  const user = { username: "ann", role: "user" } as const;
  const { id } = await core.turns.start(user, { content: "a secret question" });
  for await (const _ of (await core.turns.follow(user, id, 0, new AbortController().signal)) ?? []);
  const [loaded, ...traces] = lines.filter((line) => /^INFO Trace .*plugin=watched/.test(line));
  expect(loaded).toMatch(
    / file=functions\/watched.ts provides=model hooks="preCall filterStream postCall" tools=look$/,
  );
  expect(traces.map((line) => /plugin=watched (?:hook|tool)=(\w+)/.exec(line)?.[1])).toEqual([
    "preCall",
    "filterStream",
    "look",
    "postCall",
    "preCall",
    "filterStream",
    "postCall",
  ]);
  expect(traces[0]).toMatch(/ turn=\S+ ms=[\d.]+ changed=true$/);
  expect(traces[1]).toMatch(/ events=2$/);
  expect(lines.join()).not.toContain("secret");
});
