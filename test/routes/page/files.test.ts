import { expect, test } from "bun:test";
import { join } from "node:path";
import { PIXEL } from "../../support/pixel";
import { startServer } from "../../support/server";

const server = await startServer();
const [ann, bob] = [await server.signIn("ann"), await server.signIn("bob")];
const DOCUMENTS = join(import.meta.dir, "../../documents/files");

async function attach(file: File, fields: Record<string, string> = {}): Promise<string> {
  const body = new FormData();
  body.set("file", file);
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  return (await ann.fetch("/files", { method: "POST", body, headers: { "hx-request": "true" } })).text();
}

const idOf = (chip: string) => /id="file-([^"]+)"/.exec(chip)?.[1] ?? "";

test("what is attached is a chip with its name, and tells what of it can be read", async () => {
  const chip = await attach(new File([Bun.file(join(DOCUMENTS, "latex.pdf"))], "<b>.pdf"));
  expect(chip).toContain('<span class="name" dir="auto">&lt;b&gt;.pdf</span>');
  expect(chip).toContain(`<input type="hidden" name="files" value="${idOf(chip)}">`);
  expect(chip).not.toContain("as-text");
  const report = await (await ann.fetch(`/files/${idOf(chip)}/report`)).text();
  expect(report).toContain("3 pages");
  expect(report).toContain("1 page has no text");
  expect(await attach(new File(["words"], "pasted.txt"), { pasted: "yes" })).toContain("as-text");
});

test("a picture is shown by its bytes, small or whole, and can run nothing", async () => {
  const large = await new Bun.Image(PIXEL).resize(2000, 1000).png().bytes();
  const id = idOf(await attach(new File([large], "a.txt", { type: "text/plain" })));
  const [whole, small] = [await ann.fetch(`/files/${id}`), await ann.fetch(`/files/${id}?small=1`)];
  expect([whole.headers.get("content-type"), (await whole.bytes()).length]).toEqual(["image/png", large.length]);
  expect(small.headers.get("content-type")).toBe("image/webp");
  expect(await new Bun.Image(await small.bytes()).metadata()).toMatchObject({ width: 640, height: 320 });
  expect(small.headers.get("content-security-policy")).toContain("sandbox");
  expect(small.headers.get("x-content-type-options")).toBe("nosniff");
});

test.each([
  ["an SVG", '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "image/svg+xml"],
  ["a page that says it is a picture", "<script>alert(1)</script>", "image/png"],
  ["a picture of too many pixels", hugePng(), "image/png"],
])("%s is no picture to show", async (_, bytes, type) => {
  const chip = await attach(new File([bytes], "a.png", { type }));
  const response = await ann.fetch(`/files/${idOf(chip)}`);
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).not.toStartWith("image/");
});

test("a picture in HEIC is refused in a sentence", async () => {
  expect(await attach(new File(["\0\0\0\x18ftypheic\0\0\0\0"], "a.heic"))).toContain("Save it as JPEG first.");
});

test("what is taken off is gone", async () => {
  const id = idOf(await attach(new File(["words"], "a.txt")));
  await bob.fetch(`/files/${id}/remove`, { method: "POST", headers: { "hx-request": "true" } });
  expect(await server.core.file.get("ann", id)).not.toBeNull();
  await ann.fetch(`/files/${id}/remove`, { method: "POST", headers: { "hx-request": "true" } });
  expect(await server.core.file.get("ann", id)).toBeNull();
});

/** The head of a picture of 100,000 by 100,000 pixels. */
function hugePng(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PIXEL);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, 100_000);
  view.setUint32(20, 100_000);
  view.setUint32(29, Bun.hash.crc32(bytes.subarray(12, 29)));
  return bytes;
}
