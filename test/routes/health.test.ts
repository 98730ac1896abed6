import { expect, test } from "bun:test";
import { startServer } from "../support/server";

test("a server whose store answers is well, and says so to anyone", async () => {
  const server = await startServer();
  const response = await fetch(`${server.url}/health`);
  expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
});

test("a server whose store does not answer says 503 and why, and shows nothing of the cause", async () => {
  const broken = {
    name: "broken-store",
    provide: {
      store: (_: unknown, base: import("../../src/protocols").StoreProtocol) => ({
        ...base,
        ping: async () => {
          throw new Error("disk on fire at /secret/path");
        },
      }),
    },
  };
  const server = await startServer({ plugins: [broken] });
  const response = await fetch(`${server.url}/health`);
  expect(response.status).toBe(503);
  expect(await response.text()).not.toContain("secret");
});
