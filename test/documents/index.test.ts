/** Documents that real programs made, and bytes that are none. */

import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { deflateSync, zipSync } from "fflate";
import { readDocument } from "../../src/documents";

const FILES = join(import.meta.dir, "files");
const bytesOf = (text: string) => new TextEncoder().encode(text);

async function read(name: string, bytes?: Uint8Array) {
  return readDocument(bytes ?? (await Bun.file(join(FILES, name)).bytes()), name);
}

const TABLE = "| Fruit | Price |\n| --- | --- |\n| Apple | 1.20 |\n| Pear | 3.40 |";
const PROSE = "Efficient findings: naïve café, Straße";

describe("what real programs write is read", () => {
  test.each([
    [
      "libreoffice.docx",
      ["# Quokka habitat", PROSE, "[the map](https://example.org/map)", TABLE, "- wombat\n  - numbat"],
      {},
    ],
    [
      "libreoffice.odt",
      ["# Quokka habitat", PROSE, "[the map](https://example.org/map)", TABLE, "- wombat\n  - numbat"],
      {},
    ],
    ["book.epub", ["# Quokka habitat", PROSE, TABLE, "Platypus footnote."], {}],
    ["libreoffice.pptx", ["[Slide 2]\n\n## Quokka habitat", PROSE, TABLE, "numbat"], { slides: 4 }],
    ["libreoffice.odp", ["[Slide 2]\n\nQuokka habitat", PROSE, "numbat"], { slides: 4 }],
    [
      "libreoffice.xlsx",
      ["[Sheet 1: s]", "| Quokka | 12.5 | 2024-03-01 | TRUE |", "| Pipe \\| bar | 0.1 | 2024-04-02 13:30:00 | FALSE |"],
      { sheets: 1 },
    ],
    ["libreoffice.ods", ["[Sheet 1: s]", "| Quokka | 12.5 | 2024-03-01 | TRUE |"], { sheets: 1 }],
    ["libreoffice.pdf", ["[Page 1]", PROSE, "Apple 1.20", "Platypus footnote."], { pages: 1, emptyPages: [] }],
    ["chromium.pdf", ["[Page 1]", PROSE, "Apple 1.20", "Platypus footnote."], { pages: 1, emptyPages: [] }],
    [
      "latex.pdf",
      [
        "Efficient findings of flows.",
        "incomprehensibilities incomprehensibilities.",
        "[Page 3]\n\nLast page, Platypus.",
      ],
      { pages: 3, emptyPages: [2] },
    ],
    ["latex-cork.pdf", ["Efficient findings of flows."], { pages: 3 }],
  ])("%s", async (name, wanted, counted) => {
    const found = await read(name);
    expect(found).toMatchObject({ kind: "document", isCut: false, ...counted });
    for (const text of wanted) expect("text" in found && found.text).toContain(text);
  });

  test("a notebook gives its text, its code and what that printed", async () => {
    const notebook = {
      metadata: { language_info: { name: "python" } },
      cells: [
        { cell_type: "markdown", source: ["# Title\n", "words"] },
        {
          cell_type: "code",
          source: "print(1)",
          outputs: [
            { output_type: "stream", text: ["1\n"] },
            { data: { "image/png": "aGk=", "text/plain": "<Figure>" } },
            { ename: "ValueError", evalue: "no" },
          ],
        },
      ],
    };
    expect(await read("a.ipynb", bytesOf(JSON.stringify(notebook)))).toEqual({
      kind: "document",
      text: "# Title\nwords\n\n```python\nprint(1)\n```\n\n```\n1\n\n<Figure>\nValueError: no\n```",
      pictures: 1,
      isCut: false,
    });
  });

  test("an e-mail gives its head and its text, whatever they are encoded in", async () => {
    const mail = Buffer.from(
      "From: =?utf-8?q?J=C3=B6rg?= <j@x.test>\r\nTo: b@x.test\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n" +
        "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nW=F6rld",
    );
    const found = await read("a.eml", mail);
    expect("text" in found && found.text).toBe("From: Jörg <j@x.test>\nTo: <b@x.test>\nSubject: Grüße\n\nWörld");
  });

  test("a long web page loses its markup, a short one is code", async () => {
    const long = `<title>T</title>${"<p>some <b>words</b></p>".repeat(2000)}`;
    expect(await read("a.html", bytesOf(long))).toMatchObject({ kind: "document" });
    expect(await read("a.html", bytesOf("<p>x</p>"))).toMatchObject({ kind: "text", text: "<p>x</p>" });
  });
});

describe("text is decided by the bytes", () => {
  test.each([
    ["UTF-8", "bytes.bin", bytesOf("Grüße, 日本"), "Grüße, 日本"],
    ["UTF-16 with a mark", "a.txt", Buffer.from("\ufeffGrüße", "utf16le"), "Grüße"],
    ["Windows-1252", "a.csv", Buffer.from("Straße; Köln; München; Übergröße; Gänsefüßchen", "latin1"), "Straße; Köln"],
    [
      "Shift_JIS",
      "a.txt",
      Buffer.from("93fa967b8cea82cc95b68e9a97f182c582b781428f5e82b382f18bc68ab182b182cc", "hex"),
      "日本語の文字列です。",
    ],
  ])("%s", async (_, name, bytes, text) => {
    expect(await read(name, bytes)).toMatchObject({ kind: "text", text: expect.stringContaining(text) });
  });

  test.each([
    ["every byte there is", Uint8Array.from({ length: 256 }, (_, at) => at)],
    ["bytes without a NUL", Uint8Array.from({ length: 4000 }, (_, at) => 1 + ((at * 7919) % 255))],
    ["text with a NUL", bytesOf("some text\0more")],
    ["compressed bytes", deflateSync(bytesOf("words ".repeat(10_000)))],
  ])("not %s", async (_, bytes) => {
    expect(await read("a.txt", bytes)).toEqual({ fault: "unknownKind" });
  });
});

describe("what cannot be read is said as what it is", () => {
  const pack = (files: Record<string, string>) =>
    zipSync(Object.fromEntries(Object.entries(files).map(([path, text]) => [path, bytesOf(text)])));

  test("a PDF with a password", async () => expect(await read("encrypted.pdf")).toEqual({ fault: "encrypted" }));
  test("a file of old Office", async () => expect(await read("old.doc")).toEqual({ fault: "oldFormat" }));

  test("halves of documents", async () => {
    for (const name of ["libreoffice.pdf", "libreoffice.docx", "libreoffice.xlsx", "book.epub"]) {
      const bytes = await Bun.file(join(FILES, name)).bytes();
      const found = await read(name, bytes.slice(0, bytes.length / 2));
      // A PDF is often read as far as it goes.
      expect(["broken", undefined]).toContain("fault" in found ? found.fault : undefined);
    }
    expect(await read("a.docx", bytesOf("PK\u0003\u0004 and no more"))).toEqual({ fault: "broken" });
    expect(await read("a.pdf", bytesOf("%PDF-1.7 and no more"))).toEqual({ fault: "broken" });
  });

  test("an archive of something else", async () => {
    expect(await read("a.zip", pack({ "a.txt": "words" }))).toEqual({ fault: "unknownKind" });
  });

  test("an archive that says it is too large is not unpacked", async () => {
    const bytes = Buffer.from(pack({ "word/document.xml": "<w:document/>" }));
    // The size in the directory at its end, where readers look.
    const directory = bytes.indexOf("PK\u0001\u0002");
    bytes.writeUInt32LE(1_000_000_000, directory + 24);
    expect(await read("a.docx", bytes)).toEqual({ fault: "tooLarge" });
  });

  test("entities that a document makes are not expanded", async () => {
    const levels = Array.from({ length: 30 }, (_, at) => `<!ENTITY e${at + 1} "&e${at};&e${at};">`).join("");
    const xml = `<!DOCTYPE x [<!ENTITY e0 "lol">${levels}]><office:document-content><text:p>a&e30;b</text:p></office:document-content>`;
    const found = await read("a.odt", pack({ "content.xml": xml }));
    expect("text" in found && found.text.length).toBeLessThan(100);
  });
});
