import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadPlugins, writePlugins } from "../support/plugin-files";
import { collectTurn, textOf } from "../support/read-sse";
import { startServer } from "../support/server";
import { temporaryFolder } from "../support/temporary";

/** The ten lines that the design promises are enough to replace the model. */
const ECHO = `/** Replaces \`model\` with an echo. Needs no network. */
import type { Plugin } from "skeleton";

export default {
  name: "echo-model",
  provide: {
    model: () => ({
      async list() { return ["echo"]; },
      async *stream(call) {
        for (const word of (call.messages.at(-1)?.content ?? "").split(" ")) yield { type: "text", text: \`\${word} \` };
        yield { type: "finish", reason: "stop" };
      },
    }),
  },
} satisfies Plugin;
`;

test("a file of a few lines replaces the model, and answers over HTTP", async () => {
  const dataPath = temporaryFolder();
  writePlugins(join(dataPath, "plugins"), { "core/echo-model.ts": ECHO });
  const server = await startServer({ dataPath });
  const ann = await server.signIn();
  expect(await ann.json<string[]>("/api/v1/models")).toEqual(["echo"]);
  const events = await collectTurn(await ann.post("/api/v1/message", { content: "say it again" }));
  expect(textOf(events)).toBe("say it again ");
  expect(events.at(-1)).toMatchObject({ event: "stream_end", data: { reason: "stop" } });
});

test("a plugin file outside the project has types, html, AppError and Elysia without any node_modules", async () => {
  const { core, wrong } = await loadPlugins({
    "core/uses-all.ts": `import { AppError, Elysia, html, raw, t } from "skeleton";
      import { Type } from "@sinclair/typebox";
      import { Elysia as Same } from "elysia";
      const parameters = t.Object({ city: t.String() });
      export default {
        name: "uses-all",
        provide: {
          views: (core, base) => ({ ...base, markdown: (text) => html\`<p title="\${text}">\${raw("<b>")}\${text}</p>\` }),
          limit: (core, base) => ({ ...base, take: async () => { throw new AppError("limited", "Wait.", { retryAfterS: 3 }); } }),
        },
        tools: [{ name: "weather", description: "", parameters, execute: async () => String(Elysia === Same && Type === t) }],
      };`,
  });
  expect(wrong).toEqual([]);
  expect(core.views.markdown('<i>"', {} as never)).toEqual({
    markup: '<p title="&lt;i&gt;&quot;"><b>&lt;i&gt;&quot;</p>',
  });
  await expect(core.limit.take("a", 1, 1)).rejects.toMatchObject({ name: "AppError", code: "limited", retryAfterS: 3 });
  const [weather] = await core.tools.list({} as never);
  expect(weather?.parameters).toMatchObject({ type: "object", required: ["city"] });
  expect(await weather?.execute({}, {} as never)).toBe("true");
});

test("a plugin file outside the project has the packages that the library needs, and gets them as they are", async () => {
  const { core, wrong } = await loadPlugins({
    "tools/uses-mcp.ts": `import { Client } from "@modelcontextprotocol/client";
      import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
      export default { name: "uses-mcp", tools: [{ name: "kinds", description: "", parameters: {}, async execute() {
        return [new Client({ name: "skeleton", version: "1" }), new StdioClientTransport({ command: "true" })].map((it) => it.constructor.name);
      } }] };`,
  });
  expect(wrong).toEqual([]);
  const [kinds] = await core.tools.list({} as never);
  expect(await kinds?.execute({}, {} as never)).toEqual(["Client", "StdioClientTransport"]);
});
