/** What of files can be read: in the server's own process, beside it, and not at all. */

import { expect, spyOn, test } from "bun:test";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { createFile } from "../../src/core/file";
import { readBeside } from "../../src/core/file/text";
import type { Core } from "../../src/protocols";
import { temporaryFolder } from "../support/temporary";
import { storeCore } from "./store/support";

const DOCUMENTS = join(import.meta.dir, "../documents/files");

function fileCore(folder = temporaryFolder()): Core {
  const core = storeCore(folder, { quotaBytes: 0 });
  return Object.assign(core, { file: createFile(core) });
}

async function put({ file }: Core, user: string, name: string, data: Blob | string) {
  return file.put(user, { name, type: "application/octet-stream", data: new Blob([data]) });
}

test("a document is read beside the server, once for all who have it, and forgotten with its last owner", async () => {
  const core = fileCore();
  const pdf = Bun.file(join(DOCUMENTS, "latex.pdf"));
  const [hers, his] = [await put(core, "ann", "a.pdf", pdf), await put(core, "bob", "b.pdf", pdf)];
  const read = await core.file.text("ann", hers.id);
  expect(read).toMatchObject({ kind: "document", pages: 3, emptyPages: [2] });
  expect(read?.text).toContain("Efficient findings of flows.");
  expect(read?.tokens).toBeGreaterThan(50);

  const spawned = spyOn(Bun, "spawn");
  expect(await core.file.text("bob", his.id)).toEqual(read);
  expect(spawned).not.toHaveBeenCalled();

  await core.file.remove("ann", hers.id);
  expect(await core.store.count(null, "file_texts")).toBe(1);
  await core.file.remove("bob", his.id);
  expect(await core.store.count(null, "file_texts")).toBe(0);
});

test("a PDF is a document also when all of it is text", async () => {
  const core = fileCore();
  const page = `BT /F1 24 Tf 10 100 Td (All of it is ASCII) Tj ET`;
  const pdf = [
    "%PDF-1.4",
    "1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj",
    "2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj",
    "3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [0 0 300 144] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>> endobj",
    `4 0 obj <</Length ${page.length}>> stream`,
    page,
    "endstream endobj",
    "5 0 obj <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>> endobj",
    "trailer <</Root 1 0 R>>",
    "%%EOF",
  ].join("\n");
  const written = await put(core, "ann", "a.pdf", `\ufeff\n${pdf}`);
  expect(await core.file.text("ann", written.id)).toMatchObject({
    kind: "document",
    text: "[Page 1]\n\nAll of it is ASCII",
    pages: 1,
  });
  const { id } = await put(core, "ann", "broken.pdf", "%PDF-1.7\nnothing more\n%%EOF");
  expect(await core.file.text("ann", id)).toMatchObject({ kind: "document", text: "", fault: "broken" });
});

test("a document that is asked for by many at once is read once", async () => {
  const core = fileCore();
  const { id } = await put(core, "ann", "a.docx", Bun.file(join(DOCUMENTS, "libreoffice.docx")));
  const readings = await Promise.all(Array.from({ length: 20 }, () => core.file.text("ann", id)));
  expect(new Set(readings.map((read) => read?.text)).size).toBe(1);
  expect(readings[0]?.text).toContain("Quokka");
});

test("a long text is cut, and says so", async () => {
  const core = fileCore();
  const { id } = await put(core, "ann", "long.log", "words and ü\n".repeat(1_000_000));
  const read = await core.file.text("ann", id);
  expect(read).toMatchObject({ kind: "text", isCut: true });
  expect(read?.text).toStartWith("words and ü\n");
  expect(read?.text.isWellFormed()).toBe(true);
});

test("pictures are known by their bytes", async () => {
  const core = fileCore();
  const { id } = await put(core, "ann", "notes.txt", "GIF89a\u0001\u0000\u0001\u0000");
  expect(await core.file.text("ann", id)).toEqual({ kind: "image", text: "", tokens: 0 });
});

/** A page whose content unpacks to 400 MB, twice packed: some kilobytes. */
function pdfBomb(): string {
  const content = deflateSync(deflateSync(Buffer.alloc(400 * 1024 ** 2, "0 0 m "), { level: 1 }), { level: 9 });
  const objects = [
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/Resources<<>>/MediaBox[0 0 9 9]/Contents 4 0 R>>",
    `<</Filter[/FlateDecode/FlateDecode]/Length ${content.length}>>\nstream\n${content.toString("latin1")}\nendstream`,
  ];
  const body = objects.map((object, at) => `${at + 1} 0 obj\n${object}\nendobj\n`).join("");
  return `%PDF-1.4\n${body}trailer<</Root 1 0 R>>`;
}

test("a document that swallows memory or time is ended, and the server goes on meanwhile", async () => {
  const core = fileCore();
  const bomb = new Blob([Buffer.from(pdfBomb(), "latin1")]);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const begun = performance.now();
  const memory = process.memoryUsage.rss();
  const found = await readBeside(core, bomb, "a.pdf", { timeMs: 20_000, memoryBytes: 250 * 1024 * 1024 });
  const tookMs = performance.now() - begun;
  clearInterval(timer);
  expect(found).toEqual({ fault: "tooLarge" });
  expect(process.memoryUsage.rss() - memory).toBeLessThan(150 * 1024 * 1024);
  expect(ticks).toBeGreaterThan((tookMs / 10) * 0.5);

  const pdf = Bun.file(join(DOCUMENTS, "latex.pdf"));
  expect(await readBeside(core, pdf, "a.pdf", { timeMs: 1, memoryBytes: 1e9 })).toEqual({ fault: "tooSlow" });
});
