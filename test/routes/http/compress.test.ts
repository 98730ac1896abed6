import { describe, expect, test } from "bun:test";
import type { Core } from "../../../src/protocols";
import { htmlResponse, sentPage, takesGzip } from "../../../src/routes/http/respond";
import { startServer } from "../../support/server";

const server = await startServer();
const ann = await server.signIn();

/** As it came, not unpacked. */
const ask = (path: string, wishes: string) =>
  ann.fetch(path, { headers: { "accept-encoding": wishes, accept: "text/html" }, decompress: false } as RequestInit);

/** Each page has another one. */
const withoutKey = (page: string) => page.replace(/<input id="send-key"[^>]*>/, "");

describe("compression", () => {
  test("pages and public files are packed for who takes it, and are the same to who does not", async () => {
    const page = await (await ask("/", "identity")).text();
    const style = /\/static\/style\.css\?v=\w+/.exec(page)?.[0] ?? "";
    for (const path of ["/", style]) {
      const [plain, packed] = [await ask(path, "identity"), await ask(path, "br, gzip")];
      expect(plain.headers.get("content-encoding")).toBeNull();
      expect(packed.headers.get("content-encoding")).toBe("gzip");
      expect(packed.headers.get("vary")).toContain("accept-encoding");
      expect(packed.headers.get("content-type")).toBe(plain.headers.get("content-type"));
      const [text, bytes] = [await plain.text(), await packed.bytes()];
      const unpacked = new TextDecoder().decode(Bun.gunzipSync(new Uint8Array(bytes)));
      expect(withoutKey(unpacked)).toBe(withoutKey(text));
      expect(bytes.length).toBeLessThan(text.length / 2);
    }
    const { headers } = await ask("/", "gzip");
    for (const name of ["content-security-policy", "x-content-type-options", "x-request-id"])
      expect(headers.get(name)).not.toBeNull();
  });

  test("what is sent to many is packed once, and anew when it says something else", async () => {
    const request = new Request(server.url, { headers: { "accept-encoding": "gzip" } });
    const page = { markup: crypto.getRandomValues(Buffer.alloc(4_000_000)).toString("hex") };
    const sent = async (core: Core) => {
      const begunMs = performance.now();
      const bytes = await (await sentPage(core, request, htmlResponse(page)))?.bytes();
      const ms = performance.now() - begunMs;
      return { ms, text: new TextDecoder().decode(Bun.gunzipSync(new Uint8Array(bytes ?? []))) };
    };
    const [first, second] = [await sent(server.core), await sent(server.core)];
    expect(second.ms).toBeLessThan(first.ms / 2);
    expect([first.text === page.markup, second.text === page.markup]).toEqual([true, true]);
    page.markup = '<a href="/t/1">'.repeat(1000);
    expect((await sent(server.core)).text).toBe(page.markup);
    const below = { config: { ...server.core.config, publicUrl: "https://chat.example/chat" } } as Core;
    expect((await sent(below)).text).toBe('<a href="/chat/t/1">'.repeat(1000));
  });

  test("a file that is packed has a tag of its own", async () => {
    const path = /\/static\/page\.js\?v=\w+/.exec(await (await ask("/", "identity")).text())?.[0] ?? "";
    const tags = await Promise.all(["gzip", "identity"].map(async (it) => (await ask(path, it)).headers.get("etag")));
    expect(new Set(tags).size).toBe(2);
    const again = await ann.fetch(path, { headers: { "accept-encoding": "gzip", "if-none-match": tags[0] ?? "" } });
    expect(again.status).toBe(304);
  });

  test("streams and short answers are sent as they are", async () => {
    const controller = new AbortController();
    const live = await ann.fetch("/live", { signal: controller.signal, headers: { "accept-encoding": "gzip" } });
    expect(live.headers.get("content-encoding")).toBeNull();
    controller.abort();
    expect((await ask("/health", "gzip")).headers.get("content-encoding")).toBeNull();
  });

  test.each([
    ["gzip", true],
    ["gzip, deflate, br, zstd", true],
    ["br;q=1.0, gzip;q=0.8, *;q=0.1", true],
    ["gzip;q=0", false],
    ["br, gzip;q=0.0", false],
    ["identity", false],
    ["", false],
    ["notgzip", false],
  ])("%p takes it: %p", (wishes, takes) => {
    expect(takesGzip(new Request("http://localhost/", { headers: { "accept-encoding": wishes } }))).toBe(takes);
  });
});
