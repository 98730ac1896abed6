import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createApp } from "../../../src/app";
import { OWN_SEGMENTS } from "../../../src/config";
import type { Plugin } from "../../../src/protocols";
import { insidePath, outsideMarkup, outsidePath } from "../../../src/routes/http/address";
import { html } from "../../../views/html";
import { markdown } from "../../../views/markdown";
import { en } from "../../../views/words/en";
import { atEnd } from "../../support/at-end";
import { projectFolder } from "../../support/project";
import { startProxy } from "../../support/proxy";
import { readSse } from "../../support/read-sse";
import { PASSWORD, startServer } from "../../support/server";
import { readSources } from "../../support/sources";
import { until } from "../../support/until";
import { gate, reply, startUpstream } from "../../support/upstream";

const CONFIG = { publicUrl: "https://example.org/ai/chat" };

describe("an address", () => {
  const pairs: [inside: string, outside: string][] = [
    ["/", "/ai/chat/"],
    ["/t/1?a=/b#m-1", "/ai/chat/t/1?a=/b#m-1"],
    ["/ai", "/ai/chat/ai"],
    ["/ai/chats", "/ai/chat/ai/chats"],
  ];
  test.each(pairs)("%s is seen as %s, and stays as it is when it is that already", (inside, outside) => {
    expect(outsidePath(CONFIG, inside)).toBe(outside);
    expect(outsidePath(CONFIG, outside)).toBe(outside);
    const path = (address: string) => new URL(address, "http://a.test").pathname;
    expect(insidePath(CONFIG, path(outside))).toBe(path(inside));
    expect(insidePath(CONFIG, path(inside))).toBe(path(inside));
  });

  const others = ["", "?q=1", "#end", "t/1", "//other.test/x", "/\\other.test", "https://other.test/", "mailto:a@b"];
  test.each(others)("%p is none of this server's root, and is left alone", (address) => {
    expect(outsidePath(CONFIG, address)).toBe(address);
    expect(outsidePath({ publicUrl: "https://example.org" }, `/x${address}`)).toBe(`/x${address}`);
  });
});

describe("markup", () => {
  const of = (markup: string) => outsideMarkup(CONFIG, { markup }).markup;

  test("has each address of a tag below the path, once", () => {
    for (const name of "href src action formaction hx-get hx-post hx-delete hx-push-url hx-sse:connect data-from data-source data-worker".split(
      " ",
    )) {
      const once = of(`<a class="x" ${name}="/t/1" id="y">`);
      expect(once).toBe(`<a class="x" ${name}="/ai/chat/t/1" id="y">`);
      expect(of(once)).toBe(once);
    }
    expect(of('<meta http-equiv="refresh" content="0; url=/t/1?stream=1">')).toContain("url=/ai/chat/t/1?stream=1");
    expect(of('<a href="//x.test/"><a href="?q=1"><a hx-push-url="true">')).not.toContain("/ai/chat");
  });

  test("keeps what people and models write of addresses, and sends their links below the path", () => {
    const named = html`<a title="/t/1" data-name="/etc/hosts">/t/1</a>`;
    expect(of(named.markup)).toBe(named.markup);
    const written = '<a href="/t/1"> src="/x"';
    for (const shown of [
      html`<p title="${written}">${written}</p>`,
      markdown(`\`${written}\`\n\n    ${written}\n\n\`\`\`html\n${written}\n\`\`\``, en),
    ]) {
      expect(of(shown.markup)).toBe(shown.markup);
    }
    expect(of(markdown("[here](/api/v1/files/1) [there](https://x.test/a)", en).markup)).toMatch(
      /href="\/ai\/chat\/api\/v1\/files\/1".*href="https:\/\/x\.test\/a"/,
    );
  });
});

const upstream = startUpstream({ models: ["small-a"] });
atEnd(() => upstream.stop());

const page: Plugin = {
  name: "paths",
  access: "public",
  page: () => ({
    handle(request, _user, look) {
      const { pathname } = new URL(request.url);
      if (pathname.endsWith("/go"))
        return new Response(null, { status: 303, headers: { location: "/_plugin/paths/" } });
      if (pathname.endsWith("/own")) return new Response(`<a href="${look.path("/_plugin/paths/go")}">${pathname}</a>`);
      return look.page({ title: "Paths", body: html`<a href="/_plugin/paths/go">go</a>` });
    },
  }),
};

describe.each([
  ["takes the path off", true],
  ["passes the path on", false],
])("behind a proxy that %s", async (_, isStripping) => {
  const proxy = startProxy("/ai/chat", isStripping);
  const publicUrl = `${proxy.origin}/ai/chat`;
  const config = { publicUrl, openaiApiKey: "key", openaiBaseUrl: upstream.baseUrl };
  const server = await startServer({ config, plugins: [page], setupToken: "set-up" });
  proxy.lead(server.url);

  let cookie = "";
  /** As a browser asks: relative to the page, without following. */
  const ask = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    fetch(new URL(path, `${publicUrl}/`), {
      redirect: "manual",
      ...init,
      headers: { accept: "text/html", cookie, ...init.headers },
    });
  const signIn = async () => {
    const body = new URLSearchParams({ username: "ann", password: PASSWORD, next: "/" });
    const response = await ask("login", { method: "POST", body, headers: { origin: proxy.origin } });
    cookie = response.headers
      .getSetCookie()
      .map((text) => text.split(";")[0])
      .join("; ");
    return response;
  };
  /** Every address from the root in the page's tags. */
  const addressesIn = (markup: string) =>
    [...markup.matchAll(/\s(?!value=)[\w:-]+="(?:0; url=)?(\/[^"]*)"/g)].map(([, address = ""]) => address);
  const expectBelow = (markup: string, least: number) => {
    const addresses = addressesIn(markup);
    expect(addresses.length).toBeGreaterThanOrEqual(least);
    expect(addresses.filter((address) => !address.startsWith("/ai/chat/"))).toEqual([]);
  };

  test("a stranger is sent to the form, which leads back", async () => {
    const response = await ask("t/1?at=2");
    expect(response.headers.get("location")).toBe("/ai/chat/login?next=%2Ft%2F1%3Fat%3D2");
    expectBelow(await (await ask("login?next=/t/1")).text(), 5);
    const entered = await signIn();
    expect([entered.status, entered.headers.get("location")]).toEqual([303, "/ai/chat/"]);
    const cookies = entered.headers.getSetCookie();
    expect(cookies[0]).toContain("; Path=/ai/chat;");
    expect(cookies[1]).toContain("; Path=/ai/chat/login;");
    expect((await ask("setup?token=set-up", { headers: { cookie: "" } })).status).toBe(404);
  });

  test("all addresses of the chat, its fragments and its files lead below the path", async () => {
    await signIn();
    upstream.script(reply("[file](/api/v1/files/1)"));
    const sent = await ask("t", { method: "POST", body: form({ content: "Hello", model: "small-a" }) });
    const thread = sent.headers.get("location")?.replace("?stream=1", "") ?? "";
    expect(thread).toMatch(/^\/ai\/chat\/t\/[\w-]+$/);
    await settle();
    for (const path of ["", thread, `${thread}?stream=1`, "threads", "_plugin/admin/", "none"]) {
      const response = await ask(path);
      expectBelow(await response.text(), path === "threads" ? 1 : 3);
    }
    const markup = await (await ask(thread)).text();
    for (const address of addressesIn(markup).filter((it) => /\/static\//.test(it))) {
      expect([address, (await ask(address.replaceAll("&amp;", "&"))).status]).toEqual([address, 200]);
    }
    const manifest = new URL(addressesIn(markup).find((it) => it.includes("manifest")) ?? "", publicUrl);
    const { start_url, icons } = (await (await ask(manifest.href)).json()) as {
      start_url: string;
      icons: { src: string }[];
    };
    expect(new URL(start_url, manifest).href).toBe(`${publicUrl}/`);
    expect((await ask(new URL(icons[0]?.src ?? "", manifest).href)).status).toBe(200);
  });

  test("what htmx is told leads below the path, with the page that it was asked from", async () => {
    await signIn();
    upstream.script(reply("Hi."));
    const htmx = { "hx-request": "true", "hx-current-url": `${publicUrl}/t/7?at=1` };
    const sent = await ask("t", { method: "POST", body: form({ content: "Hello", model: "small-a" }), headers: htmx });
    expect(sent.headers.get("hx-push-url")).toMatch(/^\/ai\/chat\/t\//);
    const id = sent.headers.get("hx-push-url")?.split("/").at(-1);
    await settle();
    const archived = await ask(`t/${id}/archive`, {
      method: "POST",
      body: form({ change: "", current: `${id}` }),
      headers: htmx,
    });
    expect(archived.headers.get("hx-redirect")).toBe("/ai/chat/");
    const referer = `${publicUrl}/t/${id}`;
    const back = await ask(`t/${id}/restore`, {
      method: "POST",
      body: form({ change: "1", back: "?tag=a" }),
      headers: { referer },
    });
    expect(back.headers.get("location")).toBe(`/ai/chat/t/${id}?tag=a`);
    const refused = await ask("threads", { headers: { ...htmx, cookie: "" } });
    expect(await refused.text()).toContain('href="/ai/chat/login?next=%2Ft%2F7%3Fat%3D1"');
  });

  test("the live channel and a page that is written while it loads give addresses below the path", async () => {
    await signIn();
    const wait = gate();
    upstream.script({ parts: ["One.\n\n", { wait: wait.opened }, "[two](/t/2)"] });
    const sent = await ask("t", { method: "POST", body: form({ content: "Stream", model: "small-a" }) });
    const path = sent.headers.get("location") ?? "";
    const written = (await ask(path)).text();
    const channel = /hx-sse:connect="([^"]+)"/.exec(await (await ask(path.split("?")[0] ?? "")).text())?.[1] ?? "";
    expect(channel).toStartWith("/ai/chat/live?");
    const controller = new AbortController();
    const live = await ask(channel.replaceAll("&amp;", "&"), { signal: controller.signal });
    wait.open();
    let told = "";
    for await (const { data } of readSse(live)) {
      told += data;
      if (told.includes("/retry?")) break;
    }
    controller.abort();
    expectBelow(told, 2);
    expect(told).toContain('href="/ai/chat/t/2"');
    expectBelow(await written, 10);
  });

  test("pages of plugins are told of paths inside, and give those outside", async () => {
    expect((await ask("_plugin/paths?x=1")).headers.get("location")).toBe("/ai/chat/_plugin/paths/?x=1");
    expectBelow(await (await ask("_plugin/paths/")).text(), 4);
    expect((await ask("_plugin/paths/go")).headers.get("location")).toBe("/ai/chat/_plugin/paths/");
    expect(await (await ask("_plugin/paths/own")).text()).toBe(
      '<a href="/ai/chat/_plugin/paths/go">/_plugin/paths/own</a>',
    );
  });

  test("the API answers there, its document says where it is, and a packed page is right as well", async () => {
    await signIn();
    const document = (await (await ask("openapi/json")).json()) as {
      servers: unknown;
      components: { securitySchemes: { cookie: object } };
    };
    expect(document.servers).toEqual([{ url: publicUrl }]);
    expect(document.components.securitySchemes.cookie).toMatchObject({ name: cookie.split("=")[0] });
    expect((await ask("api/v1/models")).status).toBe(200);
    expect((await ask("health")).status).toBe(200);
    const packed = await ask("", { headers: { "accept-encoding": "gzip" } });
    expect(packed.headers.get("vary")).toContain("accept-encoding");
    expectBelow(await packed.text(), 10);
  });

  test("signing out leads to the form below the path, and another site is refused", async () => {
    await signIn();
    const foreign = await ask("logout", { method: "POST", headers: { origin: "http://evil.test" } });
    expect(foreign.status).toBe(403);
    const left = await ask("logout", { method: "POST", headers: { origin: proxy.origin } });
    expect([left.status, left.headers.get("location")]).toEqual([303, "/ai/chat/login"]);
    expect(left.headers.get("set-cookie")).toContain("; Path=/ai/chat; Max-Age=0");
    expect((await ask("api/v1/models", { headers: { accept: "" } })).status).toBe(401);
  });

  async function settle(): Promise<void> {
    const user = { username: "ann", role: "admin" } as const;
    await until(async () => (await server.core.turns.running(user)).length === 0);
  }
});

test("a proxy's own sign-out page is at the root of the host, and not below the path", async () => {
  const proxied: Plugin = {
    name: "proxied",
    provide: { auth: (_core, base) => ({ ...base, signOutUrl: () => "/oauth2/sign_out?rd=/" }) },
  };
  const { url } = await startServer({ config: { publicUrl: "https://example.org/chat" }, plugins: [proxied] });
  const headers = { accept: "text/html" };
  const left = await fetch(`${url}/chat/logout`, { method: "POST", headers, redirect: "manual" });
  expect(left.headers.get("location")).toBe("https://example.org/oauth2/sign_out?rd=/");
});

test("every address from the root that stands in a view is in an attribute that is known here, and no script has one", () => {
  const views = [...readSources("views"), ...readSources("plugin_library")].map(({ text }) => text).join("\n");
  const names = new Set([...views.matchAll(/\s([a-z][\w:-]*)="\/[^/]/g)].map(([, name = ""]) => name));
  expect(names.size).toBeGreaterThan(3);
  for (const name of names) {
    expect(outsideMarkup(CONFIG, { markup: `<a ${name}="/x">` }).markup).toBe(`<a ${name}="/ai/chat/x">`);
  }
  for (const file of ["chat.js", "live-worker.js"]) {
    const script = readFileSync(join(projectFolder, "public", file), "utf8");
    expect([file, script.match(/["'`]\/[a-z_][^"'`]*["'`]/g)]).toEqual([file, null]);
  }
});

test("the segments that a path may not begin with are those of the routes", async () => {
  const { core } = await startServer();
  const app = createApp(core);
  const segments = app.routes
    .map(({ path }) => path.split("/")[1] ?? "")
    .filter((segment) => segment !== "" && segment !== "*");
  expect([...new Set(segments)].sort()).toEqual([...OWN_SEGMENTS].sort());
});

function form(fields: Record<string, string>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
}
