/**
 * The whole server as a process, from source and as one executable on a machine without bun and node.
 * Needs the machine alone: it measures how fast the server starts.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { startAnthropic } from "./support/anthropic";
import { build } from "./support/build";
import { codeBlocks, readGuides } from "./support/guides";
import { linkPlugin } from "./support/library";
import { writePlugins } from "./support/plugin-files";
import { projectFolder } from "./support/project";
import { residentMegabytes, type ServerProcess, SOURCE, startServer } from "./support/server-process";
import { checkHistory, getJson, sendMessage, setUp, signIn, textOf, visit } from "./support/smoke";
import { temporaryFolder } from "./support/temporary";
import { until } from "./support/until";
import { reply, startUpstream, toolCall } from "./support/upstream";

const executable = join(temporaryFolder(), "skeleton");
const running = new Set<ServerProcess>();
const TEST_MS = 60_000; // Seconds are enough; a slow machine gets more.

beforeAll(async () => {
  await build(executable);
  chmodSync(executable, 0o755);
}, 120_000);

afterAll(async () => {
  for (const server of running) await server.stop("SIGKILL");
});

const library = join(projectFolder, "plugin_library");
const MCP_SERVER = join(projectFolder, "test/support/mcp-server.ts");
const HTML = { headers: { "content-type": "text/html" } };
/** They keep all in a server of somebody, and have tests of their own. */
const NEED_A_SERVER = ["core/postgres.ts", "core/s3-files.ts"];

/** A package that only plugins use, and no node_modules is near. */
const USES_A_PACKAGE = `import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
export default { name: "uses-a-package", start: () => void [new Client({ name: "x", version: "1" }), new StdioClientTransport({ command: "x" })] };`;

const SAYS_A_WORD = `import { word } from "./_words";
export default { name: "says", provide: { model: () => ({
  list: async () => ["says"],
  async *stream() { yield { type: "text", text: "It is " + word + "." }; yield { type: "finish", reason: "stop" }; },
}) } };`;

describe.each([
  ["from source", SOURCE],
  ["as one executable", [executable]],
])("%s", (name, command) => {
  const start = async (folder: string, env: Record<string, string> = {}) => {
    const server = await startServer({ command, folder, env });
    running.add(server);
    return server;
  };
  const end = async (server: ServerProcess) => {
    running.delete(server);
    expect(await server.stop()).toBe(0);
  };

  test(
    "the first person sets up, signs in, chats, and finds it again after a restart",
    async () => {
      const folder = temporaryFolder();
      const server = await start(folder);
      console.log(`${name}: ${report(server)}`);
      await setUp(server);
      const seen = await visit(server.address);
      await end(server);

      const again = await start(folder);
      expect(again.output()).not.toContain("/setup?");
      await checkHistory(again.address, seen);
      await end(again);
    },
    TEST_MS,
  );

  test(
    "long formulas are made in a Worker, and the font for them is there",
    async () => {
      const upstream = startUpstream();
      const env = { SKELETON_MODE: "ephemeral", OPENAI_BASE_URL: upstream.baseUrl };
      const server = await start(temporaryFolder(), env);
      const { token, cookie } = await signIn(server.address, "default", "default");
      upstream.script(reply(`$$x${"+x".repeat(1000)}$$`));
      const events = await sendMessage(server.address, token, { content: "A formula" });
      const path = `${server.address}/t/${events[0]?.data.thread_id}`;
      // A page waits for half a second, in which a Worker starts unless the machine is busy.
      let page = "";
      while (!page.includes("<math")) page = await (await fetch(path, { headers: { cookie } })).text();
      expect(page).not.toContain('class="formula">x+x');
      const font = await fetch(`${server.address}/static/fonts/latin-modern-math.woff2`);
      expect([font.status, font.headers.get("content-type")]).toEqual([200, "font/woff2"]);
      await end(server);
      await upstream.stop();
    },
    TEST_MS,
  );

  test(
    "documents are read beside the server",
    async () => {
      const server = await start(temporaryFolder(), { SKELETON_MODE: "ephemeral" });
      const { token } = await signIn(server.address, "default", "default");
      const headers = { authorization: `Bearer ${token}` };
      for (const [file, word] of [
        ["latex.pdf", "Efficient"],
        ["libreoffice.docx", "Quokka"],
        ["libreoffice.xlsx", "Quokka"],
        ["book.epub", "Quokka"],
      ] as const) {
        const body = new FormData();
        body.set("file", Bun.file(join(projectFolder, "test/documents/files", file)), file);
        const posted = await fetch(`${server.address}/api/v1/files`, { method: "POST", body, headers });
        const { id } = (await posted.json()) as { id: string };
        expect((await getJson(server.address, `/api/v1/files/${id}/text`, headers)).text).toContain(word);
      }
      await end(server);
    },
    TEST_MS,
  );

  test(
    "a plugin that is saved, or a file that it imports, is in the next turn; and `check` says what is wrong with one",
    async () => {
      const folder = temporaryFolder();
      const save = (path: string, text: string) => Bun.write(join(folder, "plugins/core", path), text);
      await save("_words.ts", 'export const word = "first";');
      await save("says.ts", SAYS_A_WORD);
      const server = await start(folder, { SKELETON_MODE: "ephemeral" });
      const { token } = await signIn(server.address, "default", "default");
      const answer = async () => textOf(await sendMessage(server.address, token, { content: "say" }));
      expect(await answer()).toBe("It is first.");
      await save("_words.ts", 'export const word = "second";');
      await Bun.sleep(100); // The server looks at most every 50 ms.
      expect(await answer()).toBe("It is second.");
      await save("says.ts", SAYS_A_WORD.replace("It is", "Now it is"));
      await Bun.sleep(100);
      expect(await answer()).toBe("Now it is second.");
      await save("says.ts", "export default {");
      await Bun.sleep(100);
      expect(await answer()).toBe("Now it is second.");
      expect(server.output()).toContain("what was there before stays in use plugin=says file=core/says.ts");

      const check = Bun.spawn([...command, "check", "plugins/core/says.ts"], { cwd: folder, env: {}, stdout: "pipe" });
      expect(await check.stdout.text()).toContain("FAULT It cannot be loaded: line 1");
      expect(await check.exited).toBe(1);
    },
    TEST_MS,
  );

  test(
    "the plugin of the README adds a model, and ephemeral mode needs no set-up",
    async () => {
      const folder = temporaryFolder();
      const guide = readGuides().find(({ path }) => path === "README.md") ?? { path: "", text: "" };
      mkdirSync(join(folder, "plugins/core"), { recursive: true });
      const echo = codeBlocks(guide, "ts").find(({ code }) => code.includes('name: "echo"'));
      await Bun.write(join(folder, "plugins/core/echo.ts"), echo?.code ?? "");
      await Bun.write(join(folder, "plugins/tools/mcp.ts"), USES_A_PACKAGE);
      const server = await start(folder, { SKELETON_MODE: "ephemeral" });
      expect(server.output()).not.toContain("quarantined");
      const { token } = await signIn(server.address, "default", "default");
      expect(await getJson(server.address, "/api/v1/models", { authorization: `Bearer ${token}` })).toEqual([
        "echo",
        "demo",
      ]);
      expect(textOf(await sendMessage(server.address, token, { content: "one two" })).trim()).toBe("You said: one two");
      await end(server);
    },
    TEST_MS,
  );

  test(
    "a linked plugin of the library and a file of functions are tools, their types read where they are",
    async () => {
      const folder = temporaryFolder();
      linkPlugin(join(folder, "plugins"), "tools/ping.ts");
      writePlugins(join(folder, "plugins"), {
        "tools/_days.ts": "export const weekdayOf = (day: Date) => day.getUTCDay();",
        "tools/trip.ts": `import type { Turn } from "skeleton";
          import { weekdayOf } from "./_days";
          interface Place { city: string }
          export const plan = async (place: Place, turn: Turn, day: Date) => [place.city, turn.user.username, weekdayOf(day)];`,
      });
      const upstream = startUpstream();
      const env = { SKELETON_MODE: "ephemeral", OPENAI_BASE_URL: upstream.baseUrl };
      const server = await start(folder, env);
      const { token } = await signIn(server.address, "default", "default");
      const calls = [
        ...toolCall("ping", {}),
        ...toolCall("plan", { place: { city: "Rome" }, day: "2026-01-31T09:00:00Z" }, { index: 1 }),
      ];
      upstream.script({ parts: calls });
      const events = await sendMessage(server.address, token, { content: "Call them." });
      const results = events.filter(({ event }) => event === "tool_result").map(({ data }) => [data.name, data.result]);
      expect(results.sort()).toEqual([
        ["ping", "pong"],
        ["plan", '["Rome","default",6]'],
      ]);
      await end(server);
      await upstream.stop();
    },
    TEST_MS,
  );

  test(
    "every file of the library is taken as a copy, far from all packages, and those that need one work",
    async () => {
      const folder = temporaryFolder();
      for (const path of new Bun.Glob("**/*.ts").scanSync(library)) {
        if (NEED_A_SERVER.includes(path)) continue;
        mkdirSync(dirname(join(folder, "plugins", path)), { recursive: true });
        copyFileSync(join(library, path), join(folder, "plugins", path));
      }
      const anthropic = startAnthropic("a key");
      const upstream = startUpstream();
      const page = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("<h1>Hello</h1>", HTML) });
      const mcpServer = { command: process.execPath, args: [MCP_SERVER, join(folder, "mcp.log")] };
      const settings = (servers: object) => ({
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the server puts the variable in.
        "anthropic-model": { api_key: "${ANTHROPIC_API_KEY}", base_url: anthropic.url },
        "fetch-url": { allow: [page.url.host] },
        mcp: { servers },
        "trusted-header-auth": { proxies: ["127.0.0.1"] },
      });
      const configure = (servers: object) => Bun.write(join(folder, "plugins.yaml"), JSON.stringify(settings(servers)));
      await configure({ one: mcpServer });
      const env = { OPENAI_BASE_URL: upstream.baseUrl, ANTHROPIC_API_KEY: "a key", SKELETON_MODE: "ephemeral" };
      const server = await start(folder, env);
      expect(server.output()).not.toContain("quarantined");

      const headers = { "remote-user": "carol" };
      expect(await getJson(server.address, "/api/v1/models", headers)).toEqual(["test-model", "claude-test"]);
      const { token } = await signIn(server.address, "default", "default");
      const callTool = async (name: string, args: object) => {
        upstream.script({ parts: toolCall(name, args) });
        const events = await sendMessage(server.address, token, { content: "Call it.", model: "test-model" });
        return events.find(({ event }) => event === "tool_result")?.data;
      };
      expect((await callTool("fetch_url", { url: page.url.href }))?.result).toContain("# Hello");
      const isThere = async (name: string) => (await callTool(name, {}))?.result === "grow is done";
      await until(() => isThere("one_grow"));
      await configure({ two: mcpServer });
      await until(() => isThere("two_grow"));

      const ask = { content: "Hi", model: "claude-test" };
      expect(textOf(await sendMessage(server.address, token, ask))).toBe("Hello.");
      const pids = [...readFileSync(join(folder, "mcp.log"), "utf8").matchAll(/^pid (\d+)$/gm)].map(([, pid]) =>
        Number(pid),
      );
      expect(pids).toHaveLength(2);
      await end(server);
      for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow();
      await Promise.all([anthropic.stop(), upstream.stop(), page.stop(true)]);
    },
    TEST_MS,
  );
});

test(
  "the executable writes the types that the source has",
  async () => {
    const folder = temporaryFolder();
    const env = { DATA_PATH: folder, PLUGINS_PATH: folder };
    expect(await Bun.spawn([executable, "types"], { cwd: folder, env, stdout: "ignore" }).exited).toBe(0);
    const text = readFileSync(join(folder, "skeleton.d.ts"), "utf8");
    const made = Bun.zstdDecompressSync(readFileSync(join(projectFolder, "dist/types/skeleton.d.ts.zst")));
    expect(text.slice(text.indexOf("\n") + 1) === made.toString()).toBe(true);
  },
  TEST_MS,
);

test(
  "docs/api.md has every route of the API, and every plugin that a guide shows is taken",
  async () => {
    const folder = temporaryFolder();
    const guides = readGuides();
    const plugins = guides
      .flatMap((it) => codeBlocks(it, "ts"))
      .filter(({ code }) => code.includes("satisfies Plugin"));
    expect(plugins.length).toBeGreaterThan(3);
    for (const [at, { code }] of plugins.entries()) await Bun.write(join(folder, `plugins/core/${at}.ts`), code);
    const settings = guides.find(({ path }) => path === "docs/plugins.md");
    await Bun.write(
      join(folder, "plugins.yaml"),
      settings ? (codeBlocks(settings, "yaml").find(({ code }) => code.includes("news:"))?.code ?? "") : "",
    );
    const env = { SKELETON_MODE: "ephemeral", NEWS_TOKEN: "a token" };
    const server = await startServer({ command: SOURCE, folder, env });
    running.add(server);
    const { paths } = await getJson(server.address, "/openapi/json");
    const guide = guides.find(({ path }) => path === "docs/api.md")?.text ?? "";
    const named = Object.keys(paths).map((path) => path.replaceAll(/\{(\w+)\}/g, ":$1").replace(/\/$/, ""));
    const routes = named.filter((path) => path.startsWith("/api/"));
    expect(routes.length).toBeGreaterThan(5);
    expect(routes.filter((path) => !guide.includes(path))).toEqual([]);
    expect(server.output()).not.toContain("quarantined");
    running.delete(server);
    await server.stop();
  },
  TEST_MS,
);

function report(server: ServerProcess): string {
  const memory = residentMegabytes(server.pid)?.toFixed(0) ?? "unknown";
  return `${server.startMs.toFixed(0)} ms from start to the first 200, ${memory} MB when idle`;
}
