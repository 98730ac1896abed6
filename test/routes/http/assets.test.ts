import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { assetPath } from "../../../src/routes/http/assets";
import { projectFolder } from "../../support/project";
import { startServer } from "../../support/server";
import { temporaryFolder } from "../../support/temporary";

const pluginsPath = temporaryFolder();
const overrides = join(pluginsPath, "html");
mkdirSync(overrides);
const { url, core } = await startServer({ config: { pluginsPath } });

interface Manifest {
  readonly start_url: string;
  readonly scope: string;
  readonly icons: readonly { readonly src: string; readonly sizes: string; readonly type: string }[];
}

describe("/static", () => {
  test("public/ holds htmx and its extension as the package has them", () => {
    for (const [copy, original] of [
      ["htmx.min.js", "htmx.min.js"],
      ["hx-sse.min.js", "ext/hx-sse.min.js"],
    ] as const) {
      const path = join(projectFolder, "node_modules/htmx.org/dist", original);
      const isSame = readFileSync(path).equals(readFileSync(join(projectFolder, "public", copy)));
      expect(isSame, `public/${copy} differs; copy it from ${path}`).toBe(true);
    }
  });

  test("a file under its hash may be kept for ever; under its plain name it is asked about", async () => {
    const path = assetPath(core, "style.css");
    expect(path).toMatch(/^\/static\/style\.css\?v=\w+$/);
    const hashed = await fetch(url + path);
    expect(hashed.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(hashed.headers.get("content-type")).toStartWith("text/css");
    for (const plain of ["/static/style.css", "/static/style.css?v=old"]) {
      const response = await fetch(url + plain);
      expect(response.headers.get("cache-control")).toBe("no-cache");
      const etag = response.headers.get("etag") ?? "";
      const again = await fetch(url + plain, { headers: { "if-none-match": etag } });
      expect(again.status).toBe(304);
      expect((await fetch(url + plain, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
    }
  });

  test("the page names what installs it as an app, whose icons are there in the sizes that it says", async () => {
    const page = await (await fetch(`${url}/login`, { headers: { accept: "text/html" } })).text();
    const path = /<link rel="manifest" href="([^"]+)">/.exec(page)?.[1] ?? "";
    const manifest = (await (await fetch(url + path)).json()) as Manifest;
    expect(manifest).toMatchObject({ name: expect.any(String), display: "standalone" });
    // Relative to the manifest, since the server may be below a path.
    const from = (address: string) => new URL(address, url + path).href;
    expect([from(manifest.start_url), from(manifest.scope)]).toEqual([`${url}/`, `${url}/`]);
    expect(manifest.icons.map(({ sizes }) => sizes)).toContain("192x192");
    expect(manifest.icons.map(({ sizes }) => sizes)).toContain("512x512");
    for (const { src, sizes, type } of manifest.icons) {
      const response = await fetch(from(src));
      expect([src, response.status, response.headers.get("content-type")]).toEqual([src, 200, type]);
      const png = Buffer.from(await response.arrayBuffer());
      expect([src, png.toString("latin1", 1, 4)]).toEqual([src, "PNG"]);
      expect([src, `${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`]).toEqual([src, sizes]);
    }
  });

  test("the script of the page is htmx, its extension, copy.js, chat.js and reading.js, in this order", async () => {
    const script = await (await fetch(url + assetPath(core, "page.js"))).text();
    const parts = ["htmx.min.js", "hx-sse.min.js", "copy.js", "chat.js", "reading.js"].map((name) =>
      readFileSync(join(projectFolder, "public", name), "utf8"),
    );
    expect(script).toBe(parts.join("\n;"));
  });

  test("a file of the owner takes the place of ours at once, in the joined script too", async () => {
    const [before, bundle] = [assetPath(core, "favicon.svg"), assetPath(core, "page.js")];
    writeFileSync(join(overrides, "favicon.svg"), "<svg/>");
    writeFileSync(join(overrides, "chat.js"), "/* mine */");
    expect(await (await fetch(`${url}/static/favicon.svg`)).text()).toBe("<svg/>");
    expect(assetPath(core, "favicon.svg")).not.toBe(before);
    expect(assetPath(core, "page.js")).not.toBe(bundle);
    expect(await (await fetch(url + assetPath(core, "page.js"))).text()).toContain("\n;/* mine */\n;");
    writeFileSync(join(overrides, "favicon.svg"), "<svg><g/></svg>");
    utimesSync(join(overrides, "favicon.svg"), 1, 1);
    expect(await (await fetch(`${url}/static/favicon.svg`)).text()).toBe("<svg><g/></svg>");
  });

  test("a file of the owner may be new, in a folder, or a link to a file elsewhere", async () => {
    const elsewhere = join(temporaryFolder(), "theme.css");
    writeFileSync(elsewhere, "a{}");
    symlinkSync(elsewhere, join(overrides, "theme.css"));
    mkdirSync(join(overrides, "img"));
    writeFileSync(join(overrides, "img/logo.svg"), "<svg id='logo'/>");
    expect(await (await fetch(`${url}/static/theme.css`)).text()).toBe("a{}");
    expect((await fetch(`${url}/static/img/logo.svg`)).headers.get("content-type")).toStartWith("image/svg+xml");
  });

  test("nothing outside, hidden or encoded is served", async () => {
    writeFileSync(join(overrides, ".env"), "SECRET=1");
    writeFileSync(join(pluginsPath, "secret.ts"), "SECRET=1");
    mkdirSync(join(overrides, ".git"));
    writeFileSync(join(overrides, ".git/config"), "SECRET=1");
    for (const path of [
      "/static/../package.json",
      "/static/..%2fpackage.json",
      "/static/%2e%2e/package.json",
      "/static/..%5cpackage.json",
      "/static/%252e%252e%252fpackage.json",
      "/static/../secret.ts",
      "/static/..%2fsecret.ts",
      "/static//etc/passwd",
      "/static/.env",
      "/static/.env?v=1",
      "/static/%2eenv",
      "/static/.git/config",
      "/static/img",
      "/static/img/",
      "/static/",
      "/static/style.css%00.js",
      "/static/style%2ecss/../../package.json",
    ]) {
      const answer = await rawGet(path);
      // Outside of /static/ nothing is for everybody.
      expect(`${path} ${answer.split("\r\n")[0]}`).toMatch(/ HTTP\/1.1 (?:404 Not Found|401 Unauthorized)$/);
      expect(answer).not.toContain("SECRET");
    }
  });

  test.each([
    "constructor",
    "__proto__",
    "toString?v=1",
    "hasOwnProperty/x",
    "style.css/x",
    "a".repeat(300),
    `${"a".repeat(300)}?v=1`,
    "a/".repeat(3000),
    `${"a/".repeat(3000)}a`,
  ])("there is no file /static/%s", async (name) => {
    const response = await fetch(`${url}/static/${name}`);
    expect([response.status, await response.json()]).toEqual([404, { detail: "There is nothing at this address." }]);
  });

  test("an index.html of the owner is the front page, under a policy of its own", async () => {
    const ownUrl = (
      await startServer({ config: { pluginsPath: temporaryFolderWith("html/index.html", "<h1>Mine</h1>") } })
    ).url;
    const response = await fetch(`${ownUrl}/`);
    expect(await response.text()).toBe("<h1>Mine</h1>");
    expect(response.headers.get("content-security-policy")).toBeNull();
    expect((await fetch(`${ownUrl}/static/style.css`)).status).toBe(200);
  });
});

function temporaryFolderWith(name: string, text: string): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), text);
  return folder;
}

/** Sends the path as it is; `fetch` would tidy it up. */
async function rawGet(path: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const bytes of socket) answer += bytes;
  return answer;
}
