/** The whole server as a process, from source and as one executable on a machine without bun and node. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "./support/build";
import { codeBlocks, readGuides } from "./support/guides";
import { linkPlugin } from "./support/library";
import { writePlugins } from "./support/plugin-files";
import { residentMegabytes, type ServerProcess, SOURCE, startServer } from "./support/server-process";
import { checkHistory, getJson, sendMessage, setUp, signIn, textOf, visit } from "./support/smoke";
import { temporaryFolder } from "./support/temporary";
import { startUpstream, toolCall } from "./support/upstream";

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

/** A package that only plugins use, and no node_modules is near. */
const USES_A_PACKAGE = `import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
export default { name: "uses-a-package", start: () => void [new Client({ name: "x", version: "1" }), new StdioClientTransport({ command: "x" })] };`;

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
    "the plugin of the README replaces the model, and ephemeral mode needs no set-up",
    async () => {
      const folder = temporaryFolder();
      const guide = readGuides().find(({ path }) => path === "README.md") ?? { path: "", text: "" };
      mkdirSync(join(folder, "plugins/core"), { recursive: true });
      await Bun.write(join(folder, "plugins/core/echo.ts"), codeBlocks(guide, "ts")[0]?.code ?? "");
      await Bun.write(join(folder, "plugins/tools/mcp.ts"), USES_A_PACKAGE);
      const server = await start(folder, { SKELETON_MODE: "ephemeral" });
      expect(server.output()).not.toContain("quarantined");
      const { token } = await signIn(server.address, "default", "default");
      expect(await getJson(server.address, "/api/v1/models", { authorization: `Bearer ${token}` })).toEqual(["echo"]);
      expect(textOf(await sendMessage(server.address, token, { content: "one two" })).trim()).toBe("one two");
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
        "tools/_places.ts": "export interface Place { city: string }",
        "tools/trip.ts": `import type { Turn } from "skeleton";
          import type { Place } from "./_places";
          export const plan = async (place: Place, turn: Turn, day: Date) => [place.city, turn.user.username, day.getUTCDay()];`,
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
});

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
    const server = await startServer({ command: SOURCE, folder, env: { SKELETON_MODE: "ephemeral" } });
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
