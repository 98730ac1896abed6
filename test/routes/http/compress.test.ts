import { describe, expect, test } from "bun:test";
import { takesGzip } from "../../../src/routes/http/respond";
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
