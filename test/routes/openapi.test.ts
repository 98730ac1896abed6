import { expect, test } from "bun:test";
import { startServer } from "../support/server";

test("the API is described to everybody, with what a message takes and how to sign in, and without the page's own routes", async () => {
  const server = await startServer();
  const document = (await (await fetch(`${server.url}/openapi/json`)).json()) as {
    info: { title: string };
    paths: Record<
      string,
      Record<string, { requestBody?: { content: Record<string, { schema: { properties: object } }> } }>
    >;
    components: { securitySchemes: object };
  };
  expect(document.info.title).toBe("Skeleton");
  expect(Object.keys(document.components.securitySchemes)).toEqual(["bearer", "cookie"]);
  const paths = Object.keys(document.paths);
  for (const path of [
    "/login",
    "/health",
    "/api/v1/threads",
    "/api/v1/search",
    "/api/v1/turns/{id}/events",
    "/api/v1/live",
  ]) {
    expect(paths).toContain(path);
  }
  expect(paths.filter((path) => !/^\/(?:api\/v1\/|login$|logout$|setup$|health$)/.test(path))).toEqual([]);
  const message = document.paths["/api/v1/message"]?.post?.requestBody?.content["application/json"]?.schema.properties;
  expect(Object.keys(message ?? {})).toContain("stop_running");
});
