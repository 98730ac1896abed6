import { expect, test } from "bun:test";
import { startServer } from "./support/server";
import { until } from "./support/until";

test("the log has what people do, and at the default level not what their pages fetch by themselves", async () => {
  const logged: string[] = [];
  const server = await startServer({ logged, config: { logLevel: "info" } });
  const ann = await server.signIn();
  await (await ann.fetch("/threads", { headers: { "hx-request": "true" } })).text();
  await (await ann.fetch("/", { headers: { accept: "text/html" } })).text();
  await until(() => logged.some((line) => line.includes("INFO GET / ")));
  expect(logged.filter((line) => line.includes("GET /threads"))).toEqual([]);
});
