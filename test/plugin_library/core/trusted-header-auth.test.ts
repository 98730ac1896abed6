import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createLog } from "../../../src/basics/log";
import { authContract } from "../../../src/contracts/auth";
import { install } from "../../../src/plugins";
import { atEnd } from "../../support/at-end";
import { newPerson, noBrowser } from "../../support/browser";
import { dataWith } from "../../support/library";
import { PASSWORD, startServer, type TestServer } from "../../support/server";
import { testConfig } from "../../support/temporary";
import { reply, startUpstream } from "../../support/upstream";

const FILE = "core/trusted-header-auth.ts";
const upstream = startUpstream({ models: ["small-1", "large-1"] });
afterAll(() => upstream.stop());

const start = (settings: object): Promise<TestServer> =>
  startServer({
    dataPath: dataWith([FILE], { "trusted-header-auth": settings }),
    config: { openaiBaseUrl: upstream.baseUrl },
  });

/** A reverse proxy that knows who is there and replaces what the browser says of it. Gives its address. */
function startProxy(target: TestServer, setHeaders: (headers: Headers) => void): string {
  const proxy = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = new Headers(request.headers);
      for (const name of ["remote-user", "remote-groups"]) headers.delete(name);
      setHeaders(headers);
      const { method, signal } = request;
      const body = method === "GET" ? null : await request.arrayBuffer();
      // Passed on as it comes, packed or not.
      return fetch(target.url + pathname + search, {
        method,
        headers,
        body,
        signal,
        redirect: "manual",
        decompress: false,
      });
    },
  });
  atEnd(() => proxy.stop(true));
  return `http://127.0.0.1:${proxy.port}`;
}

const as =
  (name: string, groups = "") =>
  (headers: Headers) => {
    headers.set("remote-user", name);
    if (groups !== "") headers.set("remote-groups", groups);
  };

/** Name and role of whoever the page says is there; null when the page is that of signing in. */
async function seenBy(url: string, headers: Record<string, string> = {}): Promise<string | null> {
  const response = await fetch(`${url}/`, { headers: { accept: "text/html", ...headers }, redirect: "manual" });
  if (response.status === 303) return null;
  return /class="account"[^>]*><span[^>]*>([^<]*)</.exec(await response.text())?.[1] ?? "?";
}

async function modelsOf(url: string, headers: Record<string, string> = {}): Promise<unknown> {
  return (await fetch(`${url}/api/v1/models`, { headers })).json();
}

async function send(url: string, model: string): Promise<number> {
  const body = JSON.stringify({ content: "Hi", model });
  const response = await fetch(`${url}/api/v1/message`, {
    method: "POST",
    body,
    headers: { "content-type": "application/json" },
  });
  await response.text();
  return response.status;
}

describe("through the proxy", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await start({
      proxies: ["10.0.0.1", "127.0.0.0/8"],
      users: { "ann@example.org": "ann" },
      admins: ["eve"],
      admin_groups: ["chiefs"],
      model_mask: "small-.*",
      sign_out_url: "https://login.example.org/out?x=1",
    });
  });

  test("a person is signed in by the header, without a cookie or a form", async () => {
    const proxy = startProxy(server, as("carol"));
    expect(await seenBy(proxy)).toBe("carol");
    const login = await fetch(`${proxy}/login`, { redirect: "manual" });
    expect([login.status, login.headers.get("location")]).toEqual([303, "/"]);
    upstream.otherwise(reply("Hello."));
    expect(await send(proxy, "small-1")).toBe(200);
  });

  test("an account of users.yaml keeps its mask, one without has the mask of the settings, and it holds for messages", async () => {
    const bob = startProxy(server, as("bob"));
    const carol = startProxy(server, as("carol"));
    const ann = startProxy(server, as("ann@example.org"));
    for (const proxy of [bob, carol]) {
      expect(await modelsOf(proxy)).toEqual(["small-1"]);
      expect(await send(proxy, "large-1")).toBe(403);
    }
    expect(await seenBy(ann)).toBe("ann");
    expect(await modelsOf(ann)).toEqual(["small-1", "large-1"]);
  });

  test.each<[name: string, groups: string, role: string]>([
    ["carol", "", "user"],
    ["carol", "staff, chiefs", "admin"],
    ["carol", "chiefs-of-nothing", "user"],
    ["eve", "", "admin"],
    ["ann", "", "admin"],
    ["bob", "", "user"],
    ["bob", "chiefs", "admin"],
  ])("%s in the groups “%s” is %s", async (name, groups, role) => {
    const request = new Request("http://here.test/");
    as(name, groups)(request.headers);
    expect((await server.core.auth.identify?.(request, "127.0.0.1"))?.role).toBe(role as "user");
  });

  test("names arrive as people write them", async () => {
    const utf8 = Buffer.from("José", "utf8").toString("latin1");
    expect(await seenBy(startProxy(server, as(utf8)))).toBe("José");
  });

  test.each(["carol, ann", "", " ", "x".repeat(65), "caf\xe9"])("the header %j is nobody", async (value) => {
    expect(await seenBy(startProxy(server, as(value)))).toBeNull();
  });

  test("a browser's own header does not get through, nor does a session that is left from somebody else", async () => {
    const proxy = startProxy(server, as("carol"));
    const { token } = await server.signIn("ann");
    const headers = { "remote-user": "ann", "remote-groups": "chiefs", cookie: `skeleton_session=${token}` };
    expect(await seenBy(proxy, headers)).toBe("carol");
  });

  test("a program's own token counts before the header, and one that is not ours for nothing", async () => {
    const proxy = startProxy(server, as("carol"));
    const { token } = await server.signIn("ann");
    expect(await modelsOf(proxy, { authorization: `Bearer ${token}` })).toEqual(["small-1", "large-1"]);
    expect(await modelsOf(proxy, { authorization: "Bearer of.the.proxy" })).toEqual(["small-1"]);
  });

  test("a change that a foreign page asks for is refused, though the proxy signs it in", async () => {
    const proxy = startProxy(server, as("ann"));
    const ask = (headers: Record<string, string>) =>
      fetch(`${proxy}/logout`, { method: "POST", headers, redirect: "manual" });
    expect((await ask({ origin: "https://evil.example" })).status).toBe(403);
    expect((await ask({ "sec-fetch-site": "cross-site" })).status).toBe(403);
  });

  test("signing out leads to the proxy's own page", async () => {
    const proxy = startProxy(server, as("carol"));
    const headers = { accept: "text/html" };
    const response = await fetch(`${proxy}/logout`, { method: "POST", headers, redirect: "manual" });
    expect(response.headers.get("refresh")).toBe("0; url=https://login.example.org/out?x=1");
    expect(response.headers.get("set-cookie")).toContain("Max-Age=0");
  });
});

test("signing out leads to a path of the same host by a redirect", async () => {
  const server = await start({ proxies: ["127.0.0.1"], sign_out_url: "/oauth2/sign_out?rd=/" });
  const headers = { accept: "text/html" };
  const response = await fetch(`${server.url}/logout`, { method: "POST", headers, redirect: "manual" });
  expect([response.status, response.headers.get("location")]).toEqual([303, "/oauth2/sign_out?rd=/"]);
});

test.skipIf(noBrowser !== null)(
  "a person who presses the button in a browser arrives at the proxy's page, on whatever host it is",
  async () => {
    const bye = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("Good bye.") });
    atEnd(() => bye.stop(true));
    const server = await start({ proxies: ["127.0.0.1"], sign_out_url: `http://localhost:${bye.port}/out` });
    const { context, complaints, open } = await newPerson(startProxy(server, as("carol")), null);
    const page = await open("/");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(`http://localhost:${bye.port}/out`);
    expect(complaints).toEqual([]);
    await context.close();
  },
  30_000,
);

describe("from anywhere else", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await start({ proxies: ["10.0.0.0/8", "::2"] });
  });

  test("the header is ignored, whatever else the request claims, and passwords still work", async () => {
    const claims = {
      "remote-user": "ann",
      "x-forwarded-for": "10.0.0.1",
      "x-real-ip": "10.0.0.1",
      forwarded: "for=10.0.0.1",
    };
    expect(await seenBy(server.url, claims)).toBeNull();
    expect((await fetch(`${server.url}/api/v1/models`, { headers: claims })).status).toBe(401);
    const { token } = await server.signIn("bob");
    expect(await seenBy(server.url, { ...claims, cookie: `skeleton_session=${token}` })).toBe("bob");
  });

  test.each<[address: string | null, isTrusted: boolean]>([
    ["10.255.0.1", true],
    ["::ffff:10.0.0.1", true],
    ["::2", true],
    ["11.0.0.1", false],
    ["::1", false],
    ["::ffff:11.0.0.1", false],
    ["unknown", false],
    [null, false],
  ])("the address %j is trusted: %p", async (address, isTrusted) => {
    const request = new Request("http://here.test/", { headers: { "remote-user": "carol" } });
    expect((await server.core.auth.identify?.(request, address)) !== null).toBe(isTrusted);
  });
});

test("where no accounts are made, only those of users.yaml are let in", async () => {
  const server = await start({ proxies: ["127.0.0.1"], header: "X-Person", create: false });
  expect(await seenBy(server.url, { "x-person": "bob" })).toBe("bob");
  expect(await seenBy(server.url, { "x-person": "carol" })).toBeNull();
  expect(await seenBy(server.url, { "remote-user": "bob" })).toBeNull();
});

test("while users.yaml cannot be read nobody comes in without the mask that it may have", async () => {
  const dataPath = dataWith([FILE], { "trusted-header-auth": { proxies: ["127.0.0.1"] } });
  writeFileSync(join(dataPath, "users.yaml"), "bob: [");
  const server = await startServer({ dataPath, hasUsers: false });
  const response = await fetch(`${server.url}/api/v1/models`, { headers: { "remote-user": "bob" } });
  expect(response.status).toBe(503);
});

test.each([
  [{}, "proxies"],
  [{ proxies: ["10.0.0.0/33"] }, "10.0.0.0/33"],
  [{ proxies: ["proxy.local"] }, "proxy.local"],
  [{ proxies: ["127.0.0.1"], sign_out_url: "javascript:alert(1)" }, "sign_out_url"],
  [{ proxies: ["127.0.0.1"], sign_out_url: "//evil.example" }, "sign_out_url"],
])("with the settings %j the server does not start, with a sentence about %s", async (settings, named) => {
  const config = testConfig(dataWith([FILE], { "trusted-header-auth": settings }));
  const error: unknown = await install({ config, log: createLog("error", () => {}) }).catch((reason) => reason);
  expect(String(error)).toContain("does not start without the plugin trusted-header-auth (");
  expect(String(error)).toContain(named);
});

describe("the contract", () => {
  for (const { name, run } of authContract) {
    const check = async () => {
      const config = testConfig(dataWith([FILE], { "trusted-header-auth": { proxies: ["127.0.0.1"] } }));
      const { core, stop } = await install({ config, log: createLog("error") });
      expect(core.auth.setup).toBeUndefined();
      await run(core);
      await stop(0);
    };
    test(name, check, 20_000); // Passwords are dear to check, and some cases check several.
  }

  test("passwords of users.yaml hold", async () => {
    const server = await start({ proxies: ["127.0.0.1"] });
    expect(await server.core.auth.authenticate("bob", PASSWORD)).toMatchObject({ username: "bob" });
  });
});
