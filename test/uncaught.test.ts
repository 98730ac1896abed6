import { expect, test } from "bun:test";
import { join } from "node:path";
import { writePlugins } from "./support/plugin-files";
import { SOURCE, startServer } from "./support/server-process";
import { temporaryFolder } from "./support/temporary";

const CARELESS = `
export default {
  name: "careless",
  access: "public",
  page: () => ({
    handle(request) {
      if (request.url.endsWith("/promise")) void Promise.reject(new Error("nobody waits for me"));
      else setTimeout(() => { throw new Error("out of time"); }, 1);
      return new Response("fine");
    },
  }),
};
`;

test("an error that a plugin lets go is logged with its file, and the server goes on", async () => {
  const folder = temporaryFolder();
  writePlugins(join(folder, "plugins"), { "functions/careless.ts": CARELESS });
  const env = { SKELETON_MODE: "ephemeral", LOG_LEVEL: "ERROR", OPENAI_BASE_URL: "http://127.0.0.1:1/v1" };
  const server = await startServer({ command: SOURCE, folder, env });
  for (const [path, words] of [
    ["promise", "nobody waits for me"],
    ["timer", "out of time"],
  ] as const) {
    expect(await (await fetch(`${server.address}/_plugin/careless/${path}`)).text()).toBe("fine");
    const line = await server.printed(new RegExp(`.*${words}.*`));
    expect(line).toMatch(/ERROR An error was caught by nobody.*at=\S*careless\.ts:\d/);
  }
  expect((await fetch(`${server.address}/health`)).status).toBe(200);
  expect(await server.stop()).toBe(0);
}, 30_000);
