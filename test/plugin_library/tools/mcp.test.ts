import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Core, Tool, Turn } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { dataWith, startWithTools } from "../../support/library";
import { PIXEL_BASE64 } from "../../support/pixel";
import { projectFolder } from "../../support/project";
import { temporaryFolder } from "../../support/temporary";
import { startCore } from "../../support/test-core";
import { until } from "../../support/until";
import { behindDeadProxy, freePort } from "../../support/upstream";

const BUN = process.execPath;
const EVERYTHING = join(projectFolder, "node_modules/@modelcontextprotocol/server-everything/dist/index.js");
const SCRIPTED = join(projectFolder, "test/support/mcp-server.ts");
const TEST_MS = 30_000; // Servers are processes that have to start.

type Server = Awaited<ReturnType<typeof startWithTools>>;
let running: Server | null = null;

/** One at a time, as in a real process. Resolves when the servers of these names are there. */
async function start(servers: object, awaited = Object.keys(servers)): Promise<Server> {
  const server = await startWithTools(["tools/mcp.ts"], {}, { mcp: { servers } });
  running = server;
  await until(async () => {
    const names = await namesOf(server.core);
    return awaited.every((name) => names.some((it) => it.startsWith(`${name}_`)));
  });
  return server;
}

afterEach(async () => {
  await running?.stop();
  running = null;
});

const everything = { command: BUN, args: [EVERYTHING, "stdio"] };

/** The scripted server, and what it wrote down. */
function scripted(mode = "") {
  const log = join(temporaryFolder(), "log");
  const lines = () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []);
  const pids = () => lines().flatMap((line) => (line.startsWith("pid ") ? [Number(line.slice(4))] : []));
  return { settings: { command: BUN, args: [SCRIPTED, log, mode] }, lines, pids };
}

function turnOf(core: Core, signal = new AbortController().signal): Turn {
  return { core, signal, user: { username: "ann", role: "user" } } as Turn;
}

async function toolsOf(core: Core): Promise<readonly Tool[]> {
  return core.tools.list(turnOf(core));
}

async function namesOf(core: Core): Promise<string[]> {
  return (await toolsOf(core)).map(({ name }) => name);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The official server as a process of its own. */
function startHttp(port: number, kind = "streamableHttp") {
  const child = Bun.spawn([BUN, EVERYTHING, kind], {
    env: { PORT: String(port) },
    stdout: "ignore",
    stderr: "pipe",
  });
  atEnd(() => child.kill("SIGKILL"));
  return child;
}

describe.each(["stdio", "streamableHttp", "sse"])("the official server over %s", (kind) => {
  const begin = async (): Promise<Server> => {
    if (kind === "stdio") return start({ all: everything });
    const port = freePort();
    startHttp(port, kind);
    return start({ all: { url: `http://127.0.0.1:${port}/${kind === "sse" ? "sse" : "mcp"}` } });
  };

  test(
    "has its tools offered by prefixed names with their schemas, and they work",
    async () => {
      const { call, core } = await begin();
      const names = core.plugins.list().find(({ name }) => name === "mcp")?.tools;
      expect(names).toContain("all_echo");
      expect(names).not.toContain("all_simulate-research-query"); // It runs as a task alone.
      const { offered, outcome, told } = await call("all_echo", { message: "hello" });
      expect(outcome).toEqual({ result: "Echo: hello" });
      expect(told).toBe("Echo: hello");
      const echo = offered.tools?.find((tool) => tool.function.name === "all_echo");
      expect(echo?.function).toMatchObject({
        description: "Echoes back the input string",
        parameters: { type: "object", properties: { message: { type: "string" } }, required: ["message"] },
      });
      const wrong = await call("all_get-sum", { a: 1 });
      expect(String(wrong.outcome.error)).toContain("must have b");
    },
    TEST_MS,
  );

  test(
    "shows progress while a tool works",
    async () => {
      const { call } = await begin();
      const { events, outcome } = await call("all_trigger-long-running-operation", { duration: 0.6, steps: 3 });
      const updates = events.filter(({ event }) => event === "tool_update").map(({ data }) => data.content);
      // On a busy machine two that come at once are shown as the later one, and the client drops one that comes with the result.
      expect(["1 of 3", "2 of 3", "3 of 3"].filter((it) => updates.includes(it))).toEqual(updates.map(String));
      expect(updates).not.toBeEmpty();
      expect(outcome.result).toContain("Long running operation completed");
    },
    TEST_MS,
  );

  test(
    "gives images and resources as text and as files of the user, and images to the model too",
    async () => {
      const { call, core } = await begin();
      const drawn = await call("all_get-tiny-image", {});
      const shown = drawn.events.find(({ event }) => event === "file")?.data;
      expect(shown).toMatchObject({ name: "image.png", type: "image/png", call_id: expect.any(String) });
      expect(drawn.told).toContainEqual({
        type: "image_url",
        image_url: { url: expect.stringMatching(/^data:image\/png;base64,iVBORw0KGgo/) },
      });
      const image = String(drawn.outcome.result);
      const id = /\[image\.png\]\(\/api\/v1\/files\/([^)]+)\)/.exec(image)?.[1] ?? "";
      expect((await core.file.get("ann", id))?.type).toBe("image/png");
      expect((await (await core.file.open("ann", id))?.bytes())?.slice(1, 4)).toEqual(new Uint8Array([80, 78, 71]));
      expect(image.length).toBeLessThan(1000);
      const reference = { resourceType: "Text", resourceId: 1 };
      expect(String((await call("all_get-resource-reference", reference)).outcome.result)).toContain(
        "demo://resource/",
      );
      expect(String((await call("all_get-resource-links", { count: 1 })).outcome.result)).toContain("demo://resource/");
      const weather = String((await call("all_get-structured-content", { location: "New York" })).outcome.result);
      expect(JSON.parse(weather)).toHaveProperty("temperature");
    },
    TEST_MS,
  );

  test(
    "is let go of when the server ends",
    async () => {
      const server = await begin();
      expect((await namesOf(server.core)).length).toBeGreaterThan(5);
      await server.stop();
      expect(await namesOf(server.core)).toEqual([]);
    },
    TEST_MS,
  );
});

test.each(["streamableHttp", "sse"])(
  "a server over %s that was started again is connected to again",
  async (kind) => {
    const port = freePort();
    const first = startHttp(port, kind);
    const { core } = await start({ all: { url: `http://127.0.0.1:${port}/${kind === "sse" ? "sse" : "mcp"}` } });
    const echo = (await toolsOf(core)).find(({ name }) => name === "all_echo");
    first.kill("SIGKILL");
    await first.exited;
    startHttp(port, kind);
    const run = async () => {
      const call = { callId: "1", name: "all_echo", arguments: '{"message":"again"}' };
      const events = await Array.fromAsync(core.tools.run(call, echo ? [echo] : [], turnOf(core)));
      return events.at(-1);
    };
    expect(await run()).toMatchObject({ error: expect.stringContaining("The MCP server all") });
    await until(async () => "result" in ((await run()) ?? {}));
  },
  TEST_MS,
);

describe("several servers", () => {
  test(
    "do not wait for one that fails, which is tried again until it works",
    async () => {
      const late = join(temporaryFolder(), "late.ts");
      const good = scripted();
      const servers = {
        none: { command: "/nonexistent/command" },
        late: { command: BUN, args: [late, join(temporaryFolder(), "log")] },
        dead: { url: `http://127.0.0.1:${freePort()}/mcp` },
        good: good.settings,
      };
      const { core, call } = await start(servers, ["good"]);
      expect((await call("good_huge", {})).offered.tools?.map(({ function: { name } }) => name)).toContain(
        "good_crash",
      );
      writeFileSync(late, readFileSync(SCRIPTED));
      await until(async () => (await namesOf(core)).includes("late_crash"));
      expect(await namesOf(core)).toContain("good_crash");
    },
    TEST_MS,
  );

  test(
    "go on when one dies in the middle of a call, and it is started again",
    async () => {
      const [one, two] = [scripted(), scripted()];
      const { core, call } = await start({ one: one.settings, two: two.settings });
      const { outcome, offered } = await call("one_crash", {});
      expect(outcome.error).toContain("The MCP server one did not answer.");
      expect(outcome.error).toEndWith("It said last: I am out of memory.");
      expect(offered.tools?.map(({ function: { name } }) => name)).toContain("two_crash");
      await until(async () => (await namesOf(core)).includes("one_crash"));
      expect(one.pids()).toHaveLength(2);
      expect(two.pids()).toHaveLength(1);
    },
    TEST_MS,
  );
});

test(
  "tools that a server gets later are offered, and names that models cannot take are changed",
  async () => {
    const { settings } = scripted();
    const { core, call } = await start({ s: settings });
    const before = await namesOf(core);
    expect(before).not.toContain("s_grown");
    expect(before.every((name) => /^[\w-]{1,64}$/.test(name))).toBe(true);
    const odd = before.find((name) => name.startsWith("s_odd_name_with_many"));
    expect((await call(odd ?? "", {})).outcome.result).toContain("odd name/with.many");
    await call("s_grow", {});
    await until(async () => (await namesOf(core)).includes("s_grown"));
    expect((await call("s_grown", {})).outcome.result).toBe("grown is done");
  },
  TEST_MS,
);

test.each(["streamableHttp", "sse"])(
  "a server of this machine is reached over %s past a proxy of the environment",
  async (kind) => {
    const port = freePort();
    startHttp(port, kind);
    const url = `http://127.0.0.1:${port}/${kind === "sse" ? "sse" : "mcp"}`;
    const answers = () => fetch(url, { method: "OPTIONS" }).then(Boolean, () => false);
    await until(answers);
    await behindDeadProxy(url, async () => {
      const core = await startCore({ dataPath: dataWith(["tools/mcp.ts"], { mcp: { servers: { all: { url } } } }) });
      await until(async () => (await namesOf(core)).includes("all_echo"));
    });
  },
  TEST_MS,
);

/** A core with one scripted server that lists these tools. */
async function listing(tools: readonly unknown[], logged: string[] = []): Promise<Core> {
  const servers = { s: scripted(JSON.stringify(tools)).settings };
  const core = await startCore({ dataPath: dataWith(["tools/mcp.ts"], { mcp: { servers } }), logged });
  await until(async () => (await namesOf(core)).length > 0);
  return core;
}

test(
  "one odd tool is mended, or left out and named in the log, and takes nothing else away",
  async () => {
    const object = { type: "object", properties: {} };
    const logged: string[] = [];
    const core = await listing(
      [
        null,
        { description: "without a name" },
        { name: "bare" },
        { name: "empty", description: null, title: "A title", inputSchema: {} },
        { name: "listed", inputSchema: { type: "object", properties: [] } },
        {
          name: "nulls",
          annotations: null,
          inputSchema: {
            type: ["object", "null"],
            required: null,
            properties: { q: null, r: { anyOf: null, items: [] } },
          },
        },
        { name: "text", inputSchema: { type: "string" } },
        { name: "words", inputSchema: "{}" },
        { name: "names", inputSchema: { type: "object", properties: ["q"] } },
        { name: "task", inputSchema: object, execution: { taskSupport: "required" } },
        { name: "perhaps", inputSchema: object, execution: { taskSupport: "optional" } },
        { name: "under_score", inputSchema: object },
        { name: "a b.c", inputSchema: object },
        { name: "a.b c", inputSchema: object },
        { name: "twice", inputSchema: object },
        { name: "twice", inputSchema: object },
        { name: `long${"-and-on".repeat(20)}`, inputSchema: object },
      ],
      logged,
    );
    const tools = await toolsOf(core);
    const names = tools.map(({ name }) => name);
    expect(names.slice(0, 7)).toEqual(
      "bare empty listed nulls perhaps under_score a_b_c".split(" ").map((it) => `s_${it}`),
    );
    expect(names.slice(7)).toEqual([
      expect.stringMatching(/^s_a_b_c_\w+$/),
      "s_twice",
      expect.stringMatching(/^s_long[\w-]{1,58}$/),
    ]);
    const parameters = (name: string) => JSON.parse(JSON.stringify(tools.find((it) => it.name === name)?.parameters));
    for (const name of ["s_bare", "s_empty", "s_listed"]) expect(parameters(name)).toEqual(object);
    expect(parameters("s_nulls")).toEqual({ type: "object", properties: { q: {}, r: { items: [] } } });
    expect(tools[1]?.description).toBe("A title");
    const left = logged.filter((line) => line.includes("is left out")).join("\n");
    for (const name of ["number 1", "number 2", "text", "words", "names", "task", "twice"])
      expect(left).toContain(name);
    expect(left).not.toContain("perhaps");
    const missing = core.plugins.list().find(({ name }) => name === "mcp")?.missing;
    expect(missing).toContain("The tool words of the server s is left out. Its inputSchema is no schema.");
    expect(missing).toHaveLength(7);
  },
  TEST_MS,
);

const PNG = { type: "image", data: PIXEL_BASE64 };

test.each<[string, unknown, unknown]>([
  [
    "a block of an unknown kind",
    [
      { type: "widget", id: 1 },
      { type: "text", text: "ok" },
    ],
    /"widget".*\{"type":"widget","id":1\}.*ok/s,
  ],
  [
    "a text of null",
    [
      { type: "text", text: null },
      { type: "text", text: "ok" },
    ],
    /^ok$/,
  ],
  ["a text that is none", [{ type: "text", text: { a: 1 } }], /\{"a":1\}/],
  ["a picture without type", [PNG, { type: "text", text: "ok" }], /^ok\n\[image\]\(\/api.*image\/png/],
  ["a picture as an address of data", [{ ...PNG, data: `data:image/png;base64,${PIXEL_BASE64}` }], /image\/png/],
  ["a picture without data", [{ type: "image", url: "http://x/" }], /"url":"http:\/\/x\/"/],
  ["a sound", [{ type: "audio", mimeType: "audio/wav", data: "UklGRg==" }], /\[audio\.wav\].*audio\/wav, 4 bytes/],
  ["a link", [{ type: "resource_link", uri: "file:///a.txt" }], /^file:\/\/\/a\.txt$/],
  ["a resource without address", [{ type: "resource", resource: { text: "inside" } }], /inside/],
  [
    "a resource in bytes",
    [{ type: "resource", resource: { uri: "a://b/c.bin", blob: "AAEC" } }],
    /^a:\/\/b\/c\.bin\n\[c\.bin\]/,
  ],
  ["a resource of null", [{ type: "resource", resource: null }], /"resource":null/],
  ["words in the place of blocks", "ok", /^ok$/],
  ["a block that is words, and one that is null", ["ok", null], /^ok\n\nnull$/],
  [
    "a picture of nothing",
    [
      { ...PNG, data: "" },
      { type: "text", text: "ok" },
    ],
    /"type":"image".*ok$/s,
  ],
  ["no content", undefined, /^\{"v":1\}$/],
])("a result with %s is shown, and the server stays", async (_, content, expected) => {
  const core = await answering();
  const outcome = await answered(core, { ...(content === undefined ? { structuredContent: { v: 1 } } : { content }) });
  expect(outcome).toMatchObject({ result: expect.stringMatching(expected as RegExp) });
  expect(await answered(core, { content: [{ type: "text", text: "No." }], isError: true })).toMatchObject({
    error: "No.",
  });
  expect(await answered(core, { content: [{ type: "text", text: "ok" }] })).toMatchObject({ result: "ok" });
});

test("a result whose blocks say nothing is shown by what stands beside them", async () => {
  const core = await answering();
  for (const content of [[], [{ type: "text", text: "" }], [{ type: "text", text: " " }], null])
    expect(await answered(core, { content, structuredContent: { v: 1 } })).toMatchObject({ result: '{"v":1}' });
  const words = { content: [{ type: "text", text: "one" }], structuredContent: { v: 1 } };
  expect(await answered(core, words)).toMatchObject({ result: "one" });
});

test("a block that is long is cut, and one that nests too deep is not shown at all", async () => {
  const core = await answering();
  const long = { content: [{ type: "map", points: "x".repeat(10_000) }] };
  expect((await answered(core, long)).result?.length).toBeLessThan(4200);
});

let answeringCore: Promise<Core> | null = null;

/** One for all, since a server is a process that has to start. */
function answering(): Promise<Core> {
  const output = { type: "object", properties: { v: { type: "integer" } }, required: ["v"] };
  answeringCore ??= listing([{ name: "answer", inputSchema: { type: "object" }, outputSchema: output }]);
  return answeringCore;
}

async function answered(core: Core, result: object): Promise<{ result?: string; error?: string }> {
  const call = { callId: "1", name: "s_answer", arguments: JSON.stringify({ result }) };
  const events = await Array.fromAsync(core.tools.run(call, await toolsOf(core), turnOf(core)));
  return events.at(-1) as { result?: string; error?: string };
}

test(
  "a server that ends at its start is named with what it said last, without colours and secrets",
  async () => {
    const logged: string[] = [];
    const script =
      'console.error("\x1b[31mModuleNotFoundError: No module named x, key " + process.env.KEY); process.exit(1);';
    const servers = { s: { command: BUN, args: ["-e", script], env: { KEY: "sk-123456789" } } };
    const core = await startCore({ dataPath: dataWith(["tools/mcp.ts"], { mcp: { servers } }), logged });
    await until(() => logged.some((line) => line.includes("is not there")));
    expect(core.plugins.list().find(({ name }) => name === "mcp")?.missing).toEqual([
      expect.stringMatching(/^The server s is not there: .*\. It said last: .*ModuleNotFoundError/s),
    ]);
    const line = String(logged.find((it) => it.includes("is not there")));
    expect(line).toContain("It said last: ModuleNotFoundError: No module named x, key [hidden]");
    expect(line).not.toContain("\\u001b");
  },
  TEST_MS,
);

test(
  "names of servers may be those of other programs, and no two tools have one name",
  async () => {
    const tool = (name: string) => scripted(JSON.stringify([{ name, inputSchema: { type: "object" } }])).settings;
    const servers = { a: tool("b_c"), a_b: tool("c"), my_server: tool("look"), "Web Search": tool("find") };
    const server = await startWithTools(["tools/mcp.ts"], {}, { mcp: { servers } });
    running = server;
    await until(async () => (await namesOf(server.core)).length === 4);
    expect(await namesOf(server.core)).toEqual([
      "a_b_c",
      expect.stringMatching(/^a_b-\w+_c$/),
      "my_server_look",
      "Web_Search_find",
    ]);
  },
  TEST_MS,
);

test(
  "a huge result is cut, and says so",
  async () => {
    const { settings } = scripted();
    const { call } = await start({ s: settings });
    const { outcome, told } = await call("s_huge", {});
    expect(String(outcome.result)).toEndWith("[Cut: the whole has 1000000 characters.]");
    expect(String(told).length).toBeLessThan(101_000);
  },
  TEST_MS,
);

test(
  "a stopped turn and a time that is over are passed on to the server",
  async () => {
    const slow = scripted();
    const { core } = await start({ s: slow.settings, t: { ...slow.settings, timeout_s: 0.2 } });
    const stop = new AbortController();
    const call = (name: string) => ({ callId: "1", name, arguments: "{}" });
    const tools = await toolsOf(core);
    const stopped = Array.fromAsync(core.tools.run(call("s_hang"), tools, turnOf(core, stop.signal)));
    await until(() => slow.lines().includes("call hang"));
    stop.abort();
    expect((await stopped).at(-1)).toMatchObject({ error: "The turn was stopped." });
    await until(() => slow.lines().includes("cancelled"));
    const late = await Array.fromAsync(core.tools.run(call("t_hang"), tools, turnOf(core)));
    expect(late.at(-1)).toMatchObject({ error: "The tool took longer than 0.2 seconds." });
    await until(() => slow.lines().filter((line) => line === "cancelled").length === 2);
    // Neither was the server's fault.
    expect(slow.pids()).toHaveLength(2);
  },
  TEST_MS,
);

test(
  "no process of a server is left behind, not even one that does not want to end",
  async () => {
    const [one, two] = [scripted(), scripted("stubborn")];
    const server = await start({ one: one.settings, two: two.settings });
    await namesOf(server.core);
    const pids = [...one.pids(), ...two.pids()];
    expect(pids).toHaveLength(2);
    expect(pids.every(isAlive)).toBe(true);
    await server.stop();
    await until(() => !pids.some(isAlive));
  },
  TEST_MS,
);

test(
  "a server that does not answer is waited for once, and ended with the others",
  async () => {
    const [mute, good] = [scripted("mute"), scripted()];
    const server = await start({ mute: mute.settings, good: good.settings }, ["good"]);
    const begun = performance.now();
    for (let call = 0; call < 20; call++) expect(await namesOf(server.core)).toContain("good_hang");
    expect(performance.now() - begun).toBeLessThan(2000);
    const pids = [...mute.pids(), ...good.pids()];
    expect(pids).toHaveLength(2);
    await server.stop();
    await until(() => !pids.some(isAlive));
  },
  TEST_MS,
);

test(
  "a server that always dies is not started in a loop",
  async () => {
    const mayfly = scripted("mayfly");
    await start({ s: mayfly.settings }, []);
    await until(() => mayfly.pids().length >= 2);
    await Bun.sleep(1500); // Another start follows at once and one after a second; a loop would be at dozens.
    expect(mayfly.pids().length).toBeLessThan(6);
  },
  TEST_MS,
);

test(
  "only the tools that settings name are offered, with the user asked before each call where they say so",
  async () => {
    const { settings } = scripted();
    const { core } = await start({ s: { ...settings, tools: ["hang", "nothing"], approval: true } });
    expect((await toolsOf(core)).map(({ name, approval }) => [name, approval])).toEqual([["s_hang", true]]);
  },
  TEST_MS,
);

test.each([
  [{ s: {} }, "s needs either a command or a url"],
  [{ s: { command: "a", url: "http://b" } }, "s needs either a command or a url"],
  [{ "a:b": { command: "a" } }, "servers"],
  [{ s: { command: "a", arguments: [] } }, "arguments"],
])("with the servers %j it is left out with a sentence", async (servers, named) => {
  const logged: string[] = [];
  await startCore({ dataPath: dataWith(["tools/mcp.ts"], { mcp: { servers } }), logged });
  expect(logged.find((line) => line.includes("quarantined"))).toContain(named);
});
