import { expect, test } from "bun:test";
import type { Look, Plugin, PluginPageContent, Tool, ToolSource, Turn } from "../../src/protocols";
import { en } from "../../views/words/en";
import { loadPlugins } from "../support/plugin-files";

const TURN = {} as Turn;

function tool(name: string, more: object = {}): Tool {
  return { name, description: "", parameters: {} as Tool["parameters"], execute: async () => name, ...more };
}

async function open(source: ToolSource, others: readonly Plugin[] = []) {
  const plugin: Plugin = { name: "servers", tools: () => source };
  const loaded = await loadPlugins({}, { plugins: [plugin, ...others], patience: { toolsS: 0.05 } });
  return {
    offered: async () => (await loaded.core.tools.list(TURN)).map(({ name }) => name),
    shown: () => loaded.core.plugins.list().find(({ name }) => name === "servers")?.tools,
    page: async () => {
      const look = { words: en, page: ({ body }: PluginPageContent) => new Response(body.markup) } as Look;
      const request = new Request("http://localhost/_plugin/admin/");
      return (await loaded.core.plugins.page("admin")?.handle(request, null, look))?.text();
    },
    warned: () => loaded.lines.filter((line) => line.includes("not all offered")),
  };
}

test("tools of a source are offered and shown as they are at the moment", async () => {
  let now = [tool("a")];
  const { offered, shown } = await open({ list: () => now }, [{ name: "still", tools: [tool("z")] }]);
  expect([await offered(), shown()]).toEqual([["a", "z"], ["a"]]);
  now = [tool("b"), tool("c")];
  expect([await offered(), shown()]).toEqual([
    ["b", "c", "z"],
    ["b", "c"],
  ]);
  now = [];
  expect([await offered(), shown()]).toEqual([["z"], []]);
});

test("a source that is getting ready is waited for, but not for ever", async () => {
  const now: Tool[] = [];
  let ready = Promise.resolve();
  const { offered, warned } = await open({ list: () => now, ready: () => ready });
  ready = ready.then(() => void now.push(tool("there")));
  expect(await offered()).toEqual(["there"]);
  ready = new Promise(() => {});
  expect(await offered()).toEqual(["there"]);
  await offered();
  expect(warned()).toEqual([expect.stringMatching(/plugin=servers .*ready took longer than 0\.05 seconds/)]);
});

test("what a source has that cannot be offered is left out and named once, and the rest is offered", async () => {
  const wrong = [tool("taken"), tool("not a name"), tool("twice"), tool("twice"), tool("bare", { parameters: null })];
  const list = () => [...wrong, tool("good")];
  const { offered, warned } = await open({ list }, [{ name: "other", tools: [tool("taken")] }]);
  expect(await offered()).toEqual(["twice", "good", "taken"]);
  await offered();
  expect(warned().map((line) => line.replace(/.*reason=/, ""))).toEqual([
    '"There is a tool taken already."',
    expect.stringContaining("The name of each of its tools must be"),
    '"There is a tool twice already."',
    expect.stringContaining("Its tool bare needs parameters"),
  ]);
});

test("a source that throws costs its own tools alone", async () => {
  const list = () => {
    throw new Error("no index");
  };
  const { offered, shown, warned } = await open({ list }, [{ name: "other", tools: [tool("fine")] }]);
  expect([await offered(), shown()]).toEqual([["fine"], []]);
  expect(warned()).toEqual([expect.stringContaining("no index")]);
});

test("what a source says that it cannot offer is on the administrators' page, as long as it says so", async () => {
  let missing = ["The server a is <away>."];
  const { page } = await open({ list: () => [], missing: () => missing });
  expect(await page()).toContain("<p>The server a is &lt;away&gt;.</p>");
  missing = [];
  expect(await page()).toContain(en.admin.noFaults);
  const broken = await open({
    list: () => [],
    missing() {
      throw new Error("no idea");
    },
  });
  expect(await broken.page()).toContain("It cannot say what is missing: no idea");
});
