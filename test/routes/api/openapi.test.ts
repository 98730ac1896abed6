import { beforeAll, describe, expect, test } from "bun:test";
import { type Client, startServer } from "../../support/server";

interface ApiDocument {
  readonly info: { readonly title: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: object; readonly securitySchemes: object };
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly schema: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>;
  readonly security?: readonly object[];
}

describe("the API document", () => {
  let document: ApiDocument;
  let ann: Client;
  beforeAll(async () => {
    const server = await startServer();
    ann = await server.signIn("ann");
    document = (await (await fetch(`${server.url}/openapi/json`)).json()) as ApiDocument;
  });

  const operation = (method: string, path: string): Operation => {
    const found = document.paths[path]?.[method];
    if (!found) throw new Error(`${method} ${path} is not in the document`);
    return found;
  };
  const all = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, it]) => ({ ...it, path, method })),
    );

  test("is for everybody, says how to sign in, and has the API alone, without what serves the page", () => {
    expect(document.info.title).toBe("Skeleton");
    expect(Object.keys(document.components.securitySchemes)).toEqual(["bearer", "cookie"]);
    const paths = Object.keys(document.paths);
    expect(paths).toContain("/api/v1/turns/{id}/events");
    expect(paths).toContain("/api/v1/turns/{id}");
    expect(paths.filter((path) => !/^\/(?:api\/v1\/|login$|logout$|setup$|health$)/.test(path))).toEqual([]);
    expect(operation("post", "/login").security).toEqual([]);
    expect(operation("get", "/api/v1/threads").security).toBeUndefined();
  });

  test("describes what each route gives and each refusal, under a name that no other route has", () => {
    for (const { method, path, responses } of all()) {
      expect(Object.keys(responses[200]?.content ?? {}), `${method} ${path}`).not.toBeEmpty();
      expect(Object.keys(responses), `${method} ${path}`).toContain("500");
      if (path.startsWith("/api/")) expect(Object.keys(responses), `${method} ${path}`).toContain("401");
    }
    const ids = all().map(({ operationId }) => operationId);
    expect(ids).toContain("getThreadsByIdMessages");
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("names the types, and refers to them", () => {
    const names = ["Error", "File", "Hit", "LiveEvent", "Message", "Thread", "Token", "Turn", "TurnEvent", "Usage"];
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(names));
    const content = (schema: object) => ({ "application/json": { schema } });
    const { responses } = operation("get", "/api/v1/threads");
    expect(responses[200]?.content).toEqual(content({ type: "array", items: { $ref: "#/components/schemas/Thread" } }));
    expect(responses[401]?.content).toEqual(content({ $ref: "#/components/schemas/Error" }));
    expect(JSON.stringify(document)).not.toContain("$id");
  });

  test("has an integer for an integer", () => {
    const limit = operation("get", "/api/v1/threads").parameters.find(({ name }) => name === "limit");
    expect(limit?.schema).toEqual({ type: "integer", minimum: 1, maximum: 1000 });
    expect(JSON.stringify(document)).not.toContain('"format":"integer"');
  });

  test.each([
    ["post", "/api/v1/message", ["application/json", "multipart/form-data"]],
    ["post", "/api/v1/files", ["multipart/form-data"]],
    ["post", "/api/v1/threads/{id}", ["application/json"]],
    ["post", "/login", ["application/json", "application/x-www-form-urlencoded"]],
  ])("has only the forms in which a body of %s %s can be sent", (method, path, types) => {
    expect(Object.keys(operation(method, path).requestBody?.content ?? {})).toEqual(types);
  });

  test("HEAD can be used where GET can", async () => {
    for (const { path, method } of all().filter((it) => it.method === "get" && !it.path.includes("{"))) {
      if (path === "/api/v1/search" || path === "/setup") continue;
      const [whole, head] = [
        await ann.fetch(path, { redirect: "manual" }),
        await ann.fetch(path, { method: "HEAD", redirect: "manual" }),
      ];
      await whole.body?.cancel();
      expect([path, method, head.status, head.headers.get("content-type")]).toEqual([
        path,
        method,
        whole.status,
        whole.headers.get("content-type"),
      ]);
    }
  });
});
