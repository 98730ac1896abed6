import { beforeAll, describe, expect, test } from "bun:test";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { type Client, startServer, type TestServer } from "../../support/server";
import { reply, startUpstream } from "../../support/upstream";

const ORIGIN = "https://app.example";
const OTHER = "https://app.example.evil.example";
const OPENAI = "/_plugin/openai/v1";

const upstream = startUpstream({ models: ["small-1"] });
atEnd(() => upstream.stop());
let server: TestServer;
let ann: Client;

/** Says who is signed in by a header, as a proxy would. */
const PROXY = {
  name: "proxy",
  provide: {
    auth: (_core, base) => ({
      ...base,
      identify: async (request: Request) =>
        request.headers.has("x-proxy-user") ? ((await base.find?.("ann")) ?? null) : null,
    }),
  },
} satisfies import("../../../src/protocols").Plugin;

beforeAll(async () => {
  const config = { openaiBaseUrl: upstream.baseUrl, corsOrigins: [ORIGIN, "http://localhost:3000"] };
  server = await startServer({ dataPath: dataWith(["functions/openai-endpoint.ts"]), config, plugins: [PROXY] });
  ann = await server.signIn();
});

function preflight(path: string, origin: string, method = "POST"): Promise<Response> {
  const asked = {
    "access-control-request-method": method,
    "access-control-request-headers": "authorization,x-stainless-os",
  };
  return fetch(server.url + path, { method: "OPTIONS", headers: { origin, ...asked } });
}

async function answered(path: string, headers: Record<string, string>, init: RequestInit = {}) {
  const response = await fetch(server.url + path, { ...init, headers: { origin: ORIGIN, ...headers } });
  // Some are streams.
  await response.body?.cancel();
  return [response.status, response.headers.get("access-control-allow-origin")];
}

const bearer = () => ({ authorization: `Bearer ${ann.token}` });
const cookie = () => ({ cookie: `skeleton_session=${ann.token}` });

describe("the page of a site that CORS_ORIGINS names", () => {
  test.each(["/api/v1/threads", "/api/v1/message", "/api/v1/files/x", `${OPENAI}/chat/completions`, "/_plugin/none/x"])(
    "is told by its browser's question that it may: %s",
    async (path) => {
      const asked = await preflight(path, ORIGIN, "DELETE");
      const { headers } = asked;
      expect([asked.status, await asked.text()]).toEqual([204, ""]);
      expect(headers.get("access-control-allow-origin")).toBe(ORIGIN);
      expect(headers.get("access-control-allow-methods")).toBe("GET, POST, DELETE");
      expect(headers.get("access-control-allow-headers")).toBe("authorization,x-stainless-os");
      expect(headers.get("access-control-allow-credentials")).toBeNull();
      expect(headers.get("vary")).toContain("origin");
    },
  );

  test.each(["/api/v1/threads", `${OPENAI}/models`])("uses %s with a token alone", async (path) => {
    expect(await answered(path, bearer())).toEqual([200, ORIGIN]);
    expect(await answered(path, { authorization: "Bearer wrong" })).toEqual([401, ORIGIN]);
    // Neither the browser that is signed in nor the proxy that knows it lends the page anything.
    expect(await answered(path, cookie())).toEqual([401, ORIGIN]);
    expect(await answered(path, { "x-proxy-user": "ann" })).toEqual([401, ORIGIN]);
    expect(await answered(path, { ...cookie(), authorization: "Basic YTpi" })).toEqual([401, ORIGIN]);
  });

  test("changes nothing without a token, and with it streams", async () => {
    const post = { method: "POST", body: JSON.stringify({ content: "Hello" }) };
    const json = { "content-type": "application/json" };
    const count = upstream.requests.length;
    for (const headers of [cookie(), { "x-proxy-user": "ann" }, {}]) {
      expect(await answered("/api/v1/message", { ...json, ...headers }, post)).toEqual([403, ORIGIN]);
    }
    expect(upstream.requests).toHaveLength(count);
    upstream.script(reply("Hello."));
    const headers = { origin: ORIGIN, ...json, ...bearer() };
    const stream = await fetch(`${server.url}/api/v1/message`, { ...post, headers });
    expect(stream.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(stream.headers.get("access-control-expose-headers")).toBe("retry-after, x-request-id");
    expect(await stream.text()).toContain("stream_end");
  });

  test("is told why it was refused: what is not there, what does not fit, what is not to be read", async () => {
    expect(await answered("/api/v1/threads/none", bearer())).toEqual([404, ORIGIN]);
    expect(await answered("/api/v1/threads?limit=many", bearer())).toEqual([422, ORIGIN]);
    const broken = { method: "POST", body: "{" };
    expect(await answered("/api/v1/message", { ...bearer(), "content-type": "application/json" }, broken)).toEqual([
      400,
      ORIGIN,
    ]);
  });

  test.each([
    "/",
    "/login",
    "/setup",
    "/live",
    "/static/style.css",
    "/health",
    "/openapi/json",
    "/t/x",
    "/api/v1",
    "/api/v2/x",
  ])("may read nothing of %s", async (path) => {
    expect((await answered(path, bearer()))[1]).toBeNull();
    expect((await preflight(path, ORIGIN)).headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("another page", () => {
  test.each([
    OTHER,
    "null",
    "*",
    "https://APP.example",
    "http://app.example",
    `${ORIGIN}:443`,
    `${ORIGIN}/`,
    `${ORIGIN}, ${OTHER}`,
  ])("is told nothing: %s", async (origin) => {
    for (const path of ["/api/v1/threads", `${OPENAI}/models`]) {
      expect((await preflight(path, origin)).headers.get("access-control-allow-origin")).toBeNull();
      expect(await answered(path, { ...bearer(), origin })).toEqual([200, null]);
      const response = await fetch(server.url + path, { headers: { ...bearer(), origin } });
      expect(response.headers.get("vary")).toContain("origin");
    }
  });

  test("of our own is as ever when the owner names it too", async () => {
    const own = await startServer({
      config: { openaiBaseUrl: upstream.baseUrl, corsOrigins: ["http://chat.example"] },
    });
    const { token } = await own.signIn();
    const headers = { cookie: `skeleton_session=${token}`, origin: "http://chat.example", host: "chat.example" };
    const response = await fetch(`${own.url}/api/v1/threads`, { headers });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([200, null]);
  });

  test("is told nothing, nor that it might have been, where no site is named", async () => {
    const closed = await startServer();
    const { headers } = await fetch(`${closed.url}/api/v1/threads`, { headers: { origin: ORIGIN } });
    expect([headers.get("access-control-allow-origin"), headers.get("vary")]).toEqual([null, null]);
  });
});
