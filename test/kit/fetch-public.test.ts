import { afterAll, expect, test } from "bun:test";
import { fetchPublic } from "../../src/kit";

/** The headers that matter, of each request. */
const seen: (string | null)[][] = [];
const site = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    seen.push(["accept", "host"].map((name) => request.headers.get(name)));
    if (request.url.endsWith("/from")) return Response.redirect("/to?a=1#b", 302);
    return new Response("no such page", { status: 404 });
  },
});
afterAll(() => site.stop(true));

const { signal } = new AbortController();
const allow = [`127.0.0.1:${site.port}`];

test("an answer comes as it is, of where the redirects led to, and headers go along but for the host", async () => {
  const headers = { accept: "text/plain", host: "elsewhere.test" };
  const { url, response } = await fetchPublic(`http://127.0.0.1:${site.port}/from`, { allow, headers, signal });
  expect([response.status, await response.text()]).toEqual([404, "no such page"]);
  expect(url.href).toBe(`http://127.0.0.1:${site.port}/to?a=1#b`);
  expect(seen).toEqual([
    ["text/plain", `127.0.0.1:${site.port}`],
    ["text/plain", `127.0.0.1:${site.port}`],
  ]);
});

test("what is not public is refused before anything is sent, unless it is allowed", async () => {
  seen.length = 0;
  for (const address of [`http://127.0.0.1:${site.port}/`, `http://localhost:${site.port}/`, "http://[::1]/"]) {
    await expect(fetchPublic(address, { signal })).rejects.toThrow("is not a public address");
  }
  await expect(fetchPublic("file:///etc/passwd", { allow, signal })).rejects.toThrow("is no address");
  expect(seen).toEqual([]);
});
