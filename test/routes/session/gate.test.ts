import { beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import type { InternalRoute } from "elysia";
import { createRouteTable, isOwnHost } from "../../../src/routes/session/gate";
import { type Client, PASSWORD, startServer, type TestServer } from "../../support/server";
import { temporaryFolder } from "../../support/temporary";
import { until } from "../../support/until";

describe("before a request is read", () => {
  let server: TestServer;
  let ann: Client;
  beforeAll(async () => {
    server = await startServer();
    ann = await server.signIn();
  });

  test.each(["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])(
    "a body of %s without a length is read as far as it may go, and refused there",
    async (type) => {
      const chunk = new TextEncoder().encode("x".repeat(1000));
      let sent = 0;
      const endless = new ReadableStream({
        pull(controller) {
          controller.enqueue(chunk);
          sent += chunk.length;
        },
      });
      const headers = { "content-type": type };
      const response = await fetch(`${server.url}/login`, { method: "POST", body: endless, headers });
      expect([response.status, await response.json()]).toEqual([
        413,
        { detail: "The body of this request may have 16 KiB." },
      ]);
      expect(sent).toBeLessThan(4_000_000); // What the sockets between hold.
    },
  );

  test("a body without a length is as good as another one where it is short enough", async () => {
    const body = new Blob([JSON.stringify({ username: "ann", password: PASSWORD })]).stream();
    const headers = { "content-type": "application/json" };
    expect((await fetch(`${server.url}/login`, { method: "POST", body, headers })).status).toBe(200);
  });

  test.each([
    "GET /health HTTP/1.0\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: a b<>\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: [::\r\n\r\n",
  ])("%j is answered, and shows nothing of the server", async (request) => {
    const answer = await send(server.url, request);
    expect(answer).toMatch(/^HTTP\/1\.[01] (?:200|400) /);
    expect(answer).not.toMatch(/\.ts|cwd|node_modules|stack/i);
  });

  test.each(["x", "pi", "nas", "nas:80", "192.168.1.20"])("the server may be called %s", async (host) => {
    for (const [path, status] of [
      ["/health", "200"],
      ["/login", "200"],
      ["/api/v1/models", "401"],
      ["/_plugin/admin/", "401"],
      ["/_plugin/nobody/", "404"],
      ["/static/style.css", "200"],
      ["/static/nothing", "404"],
      ["//", "401"],
    ]) {
      const answer = await send(server.url, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      expect([path, answer.slice(0, 12)]).toEqual([path, `HTTP/1.1 ${status}`]);
    }
  });

  test("HEAD of a stream has its headers and no end to wait for", async () => {
    const response = await ann.fetch("/api/v1/live", { method: "HEAD" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
  });

  test("a set-up link is dead after use, even when the users are gone again", async () => {
    const dataPath = temporaryFolder();
    const fresh = await startServer({ dataPath, hasUsers: false, setupToken: "t0ken" });
    const create = () =>
      fetch(`${fresh.url}/setup`, {
        method: "POST",
        body: JSON.stringify({ token: "t0ken", username: "root", password: "long enough" }),
        headers: { "content-type": "application/json" },
      });
    expect((await create()).status).toBe(200);
    rmSync(join(dataPath, "users.yaml"));
    await until(() => fresh.core.auth.setup?.needed());
    expect((await create()).status).toBe(404);
  });
});

describe("what a route says of itself", () => {
  const small = { bodyMax: { json: 1 } };
  const { find, methods } = createRouteTable([
    { method: "GET", path: "/a/:id", hooks: { public: true } },
    { method: "POST", path: "/a/:id", hooks: small },
    { method: "GET", path: "/a/b", hooks: {} },
    { method: "ALL", path: "/p/*", hooks: { public: true, bodyMax: null } },
  ] as unknown as InternalRoute[]);

  test("holds for its method and path alone", () => {
    expect(find("GET", "/a/x")).toEqual({ public: true });
    expect(find("HEAD", "/a/x/")).toEqual({ public: true });
    expect(find("POST", "/a/x")).toEqual(small);
    expect(find("PATCH", "/p/x/y")).toEqual({ public: true, bodyMax: null });
  });

  test("is nothing where a route says nothing, also beside one that does, and where there is none", () => {
    expect(find("GET", "/a/b")).toEqual({});
    expect(find("GET", "/nowhere")).toEqual({});
    expect(find("GET", "/a/x/y")).toEqual({});
  });

  test("its methods are told by its path", () => {
    expect(methods("/a/x")).toEqual(["GET", "POST", "HEAD", "OPTIONS"]);
    expect(methods("/nowhere")).toBeNull();
    expect(methods("/a/x/")).toEqual(methods("/a/x"));
    expect(methods("/a/x//")).toBeNull();
  });
});

describe("in ephemeral mode", () => {
  const config = { host: "chat.listens.example", publicUrl: "https://chat.example.org/sub" };

  test.each([
    "127.0.0.1",
    "127.0.0.1:8000",
    "192.168.1.20:8000",
    "127.0.0.1.",
    "[::1]",
    "[::1]:8000",
    "[FE80::1]:80",
    "[::ffff:10.0.0.1]",
    "localhost",
    "LocalHost:8000",
    "localhost.",
    "localhost.:8000",
    "nas",
    "my_nas:8000",
    "nas.local",
    "NAS.Local.:8000",
    "nas.lan",
    "nas.home.arpa",
    "chat.team.internal:443",
    "chat.example.org",
    "Chat.Example.Org:8443",
    "chat.example.org.",
    "chat.listens.example:8000",
    hostname(),
    `${hostname().toUpperCase()}:8000`,
    hostname().split(".")[0] ?? "",
  ])("a request for %s is answered", (host) => {
    expect(isOwnHost(config, host)).toBe(true);
  });

  test.each([
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "1.2.3.4.5.nip.io",
    "localhost.evil.example",
    "x.chat.example.org",
    "chat.example.org.evil.example",
    "evilchat.example.org",
    "nas.local.evil.example",
    "evil-local.example",
    "xhome.arpa",
    "evil.example@127.0.0.1",
    "evil.example#.local",
    "evil.example/.local",
    "evil.example?.local",
    "evil.example\\.local",
    "127.0.0.1, evil.example",
    "evil.example%2elocal",
    ".",
    "",
    "[::1",
    ":8000",
  ])("a request for %j is not", (host) => {
    expect(isOwnHost(config, host)).toBe(false);
    expect(isOwnHost({ host: "0.0.0.0", publicUrl: null }, host)).toBe(false);
  });

  test("the refusal is told before anything else is done, and names the setting, in the reader's language", async () => {
    const { url } = await startServer({ config: { mode: "ephemeral", trustProxy: true } });
    const ask = (path: string, headers: Record<string, string>) => fetch(url + path, { headers });
    for (const path of ["/", "/login", "/health", "/static/style.css", "/api/v1/models", "/_plugin/admin/"]) {
      const response = await ask(path, { host: "evil.example:8000" });
      expect([path, response.status, await response.json()]).toEqual([
        path,
        421,
        { detail: expect.stringContaining("PUBLIC_URL") },
      ]);
    }
    const forwarded = await ask("/health", { "x-forwarded-host": "evil.example" });
    expect(forwarded.status).toBe(421);
    const page = await ask("/login", { host: "evil.example", accept: "text/html", "accept-language": "de" });
    expect(await page.text()).toContain("Setze PUBLIC_URL");
    expect((await ask("/health", {})).status).toBe(200);
    expect(await send(url, "GET /health HTTP/1.0\r\n\r\n")).toContain("200 OK");
  });

  test("and only there: otherwise people have accounts, and a server has any name", async () => {
    const { url } = await startServer();
    expect((await fetch(`${url}/health`, { headers: { host: "chat.example.com" } })).status).toBe(200);
  });
});

/** The answer to bytes that no HTTP client would send. */
function send(url: string, request: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(request));
  let answer = "";
  socket.on("data", (bytes) => {
    answer += bytes;
    if (answer.includes("\r\n\r\n")) socket.end();
  });
  socket.on("close", () => resolve(answer));
  socket.on("error", reject);
  return promise;
}
