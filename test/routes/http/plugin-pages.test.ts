import { beforeAll, describe, expect, test } from "bun:test";
import { Elysia } from "elysia";
import type { Plugin, PluginPage, User } from "../../../src/protocols";
import { PAGE_POLICY } from "../../../src/routes/http/respond";
import { html } from "../../../views/html";
import { readSse } from "../../support/read-sse";
import { type Client, startServer, type TestServer } from "../../support/server";
import { startUpstream } from "../../support/upstream";

/** What each page was called with. */
const seen: { readonly method: string; readonly path: string; readonly user: User | null }[] = [];
const gone = Promise.withResolvers<void>();
const wake = Promise.withResolvers<void>();

const echo: PluginPage = {
  async handle(request, user) {
    const { pathname, search } = new URL(request.url);
    seen.push({ method: request.method, path: pathname + search, user });
    return new Response(request.method === "GET" ? "got" : await request.text(), {
      status: 201,
      headers: { "x-own": "yes", "cross-origin-resource-policy": "cross-origin", "set-cookie": "own=1" },
    });
  },
};

const streaming: PluginPage = {
  handle(request) {
    request.signal.addEventListener("abort", () => gone.resolve(), { once: true });
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode("data: one\n\n"));
        await wake.promise;
        controller.enqueue(new TextEncoder().encode("data: two\n\n"));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  },
};

const uploading: PluginPage = {
  async handle(request) {
    const form = await request.formData();
    const file = form.get("file") as File;
    return Response.json({ name: file.name, size: file.size, text: form.get("text") });
  },
};

const failing: PluginPage = {
  handle(request) {
    if (request.url.endsWith("/none")) return undefined as unknown as Response;
    if (request.url.endsWith("/later")) return Promise.reject(new Error("not even later"));
    throw new Error("the database of the plugin is gone");
  },
};

const elysia: Plugin = {
  name: "routed",
  access: "public",
  page: () => new Elysia({ prefix: "/_plugin/routed" }).get("/hello/:who", ({ params }) => `Hello ${params.who}`),
};

const dressed: PluginPage = {
  handle: (_request, user, look) =>
    look.page({ title: "Mine & yours", body: html`<p>${user?.username} ${look.words.language}</p>` }, { status: 202 }),
};

/** A page with a policy of its own, in our look or not. */
const lenient: PluginPage = {
  handle(request, _user, look) {
    const init = { headers: { "content-security-policy": "frame-ancestors https://other.example" } };
    if (!request.url.endsWith("/dressed")) return new Response("bare", init);
    return look.page({ title: "Mine", body: html`<p>` }, init);
  },
};

function plugin(name: string, page: PluginPage, access?: Plugin["access"]): Plugin {
  return { name, page: () => page, ...(access && { access }) };
}

describe("the page of a plugin", () => {
  let server: TestServer;
  let ann: Client;
  let bob: Client;
  const logged: string[] = [];

  beforeAll(async () => {
    const upstream = startUpstream({ models: ["small-one"] });
    server = await startServer({
      config: { openaiBaseUrl: upstream.baseUrl },
      plugins: [
        plugin("open", echo, "public"),
        plugin("ours", echo),
        plugin("theirs", echo, "admin"),
        plugin("streaming", streaming, "public"),
        plugin("uploading", uploading),
        plugin("failing", failing, "public"),
        plugin("dressed", dressed),
        plugin("lenient", lenient, "public"),
        elysia,
      ],
      logged,
    });
    ann = await server.signIn("ann");
    bob = await server.signIn("bob");
  });

  const page = (accept = "text/html") => ({ headers: { accept }, redirect: "manual" }) as const;

  test("gets every method with its whole address and an unread body, and answers as it likes", async () => {
    for (const [method, body] of [
      ["POST", '{"a":1}'],
      ["PUT", "[1,2"],
      ["PATCH", "x"],
      ["DELETE", ""],
    ] as const) {
      const headers = { "content-type": "application/json" };
      const response = await ann.fetch(`/_plugin/ours/deep/path?q=%26`, { method, headers, ...(body && { body }) });
      expect([response.status, await response.text()]).toEqual([201, body]);
      expect(seen.at(-1)).toEqual({
        method,
        path: "/_plugin/ours/deep/path?q=%26",
        user: expect.objectContaining({ username: "ann" }),
      });
    }
    const { headers } = await ann.fetch("/_plugin/ours/");
    expect([headers.get("x-own"), headers.get("set-cookie")]).toEqual(["yes", "own=1"]);
    expect(headers.get("cross-origin-resource-policy")).toBe("cross-origin");
    expect(headers.get("content-security-policy")).toBe("frame-ancestors 'none'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("is framed by no other site, and under the policy of our pages where it looks like them, unless it says otherwise", async () => {
    const policyOf = async (path: string) =>
      (await ann.fetch(`/_plugin/${path}`, page())).headers.get("content-security-policy");
    expect(await policyOf("dressed/")).toBe(PAGE_POLICY);
    expect(await policyOf("failing/")).toBe(PAGE_POLICY);
    expect(await policyOf("nobody/")).toBe(PAGE_POLICY);
    for (const path of ["open/", "routed/hello/ann"]) expect(await policyOf(path)).toBe("frame-ancestors 'none'");
    for (const path of ["lenient/", "lenient/dressed"]) {
      expect(await policyOf(path)).toBe("frame-ancestors https://other.example");
    }
    const stream = await fetch(`${server.url}/_plugin/streaming/`);
    expect(stream.headers.get("content-security-policy")).toBe("frame-ancestors 'none'");
    await stream.body?.cancel();
  });

  test("is for those whom its access names", async () => {
    const status = async (name: string, who: Client | null): Promise<number> => {
      const path = `/_plugin/${name}/`;
      return (await (who ? who.fetch(path) : fetch(server.url + path))).status;
    };
    for (const [name, nobody, user, admin] of [
      ["open", 201, 201, 201],
      ["ours", 401, 201, 201],
      ["theirs", 401, 403, 201],
    ] as const) {
      expect([await status(name, null), await status(name, bob), await status(name, ann)]).toEqual([
        nobody,
        user,
        admin,
      ]);
    }
    await fetch(`${server.url}/_plugin/open/`);
    expect(seen.at(-1)?.user).toBeNull();
    await bob.fetch("/_plugin/open/");
    expect(seen.at(-1)?.user?.username).toBe("bob");
  });

  test("sends a browser that is not signed in to the sign-in and back", async () => {
    const response = await fetch(`${server.url}/_plugin/ours/a?b=c`, page());
    expect([response.status, response.headers.get("location")]).toEqual([
      303,
      `/login?next=${encodeURIComponent("/_plugin/ours/a?b=c")}`,
    ]);
  });

  test("begins below its name, and there is none where there is no plugin", async () => {
    const response = await ann.fetch("/_plugin/ours?x=1", page());
    expect([response.status, response.headers.get("location")]).toEqual([308, "/_plugin/ours/?x=1"]);
    for (const path of ["/_plugin/nobody/", "/_plugin/store/", "/_plugin/ours%2Fx/", "/_plugin/__proto__/"])
      expect((await ann.fetch(path)).status).toBe(404);
  });

  test("is not reached by a form of another site with the browser's cookie", async () => {
    const before = seen.length;
    const headers = { cookie: `skeleton_session=${ann.token}`, origin: "https://evil.example" };
    const response = await fetch(`${server.url}/_plugin/ours/`, { method: "POST", headers });
    expect([response.status, seen.length]).toEqual([403, before]);
  });

  test("streams events for as long as somebody listens, and hears when they left", async () => {
    const controller = new AbortController();
    const response = await fetch(`${server.url}/_plugin/streaming/`, { signal: controller.signal });
    const events = readSse(response);
    expect((await events.next()).value?.data).toBe("one");
    wake.resolve();
    expect((await events.next()).value?.data).toBe("two");
    controller.abort();
    await gone.promise;
  });

  test("takes uploads, of bounded size", async () => {
    const form = new FormData();
    form.set("text", '{"looks":"like JSON"}');
    form.set("file", new File(["x".repeat(3_000_000)], "big.txt"));
    const response = await ann.fetch("/_plugin/uploading/", { method: "POST", body: form });
    expect(await response.json()).toEqual({ name: "big.txt", size: 3_000_000, text: '{"looks":"like JSON"}' });
    const huge = await ann.fetch("/_plugin/uploading/", { method: "POST", body: new Uint8Array(65 * 1024 * 1024) });
    expect(huge.status).toBe(413);
  }, 20_000);

  test.each(["/", "/later", "/none"])(
    "that fails at %s is named, to people and in the log, and hurts nobody else",
    async (path) => {
      logged.length = 0;
      const response = await ann.fetch(`/_plugin/failing${path}`, page());
      expect(response.status).toBe(500);
      const markup = await response.text();
      expect(markup).toContain("The page of the plugin failing failed");
      expect(markup).not.toContain("database");
      expect(await (await ann.fetch(`/_plugin/failing${path}`)).json()).toEqual({
        detail: expect.stringContaining("plugin failing"),
      });
      expect(logged[0]).toMatch(/plugin=failing.*(gone|later|Response)/);
      expect((await ann.fetch("/_plugin/ours/")).status).toBe(201);
    },
  );

  test("may be an Elysia of its own", async () => {
    expect(await (await fetch(`${server.url}/_plugin/routed/hello/ann`)).text()).toBe("Hello ann");
    expect((await fetch(`${server.url}/_plugin/routed/nowhere`)).status).toBe(404);
  });

  test("can look like the others, in the reader's language", async () => {
    const headers = { "accept-language": "de" };
    const response = await ann.fetch("/_plugin/dressed/", { headers });
    expect([response.status, response.headers.get("content-type")]).toEqual([202, "text/html; charset=utf-8"]);
    const markup = await response.text();
    for (const part of ['<html lang="de" dir="ltr">', "Mine &amp; yours</h1>", "<p>ann de</p>", "/static/style.css?v="])
      expect(markup).toContain(part);
  });
});
