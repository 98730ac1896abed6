/** LibreOffice as the maker of documents: it writes one text in each format that it has, and the product reads all of them. */

import { strict as assert } from "node:assert";
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { Counterpart, Stage } from "./counterpart";
import { type Product, startProduct } from "./product";

const PROGRAMS = ["soffice", "libreoffice"];
const CONVERT_LIMIT_MS = 90_000; // Some three seconds, and at the first start some more.

export const libreOffice: Counterpart = {
  name: "LibreOffice",
  obstacle: () => (program() ? null : `none of ${PROGRAMS.join(" and ")} is on this machine (Debian: libreoffice)`),
  async run(stage) {
    stage.remark((await runOffice(stage, ["--version"])).trim());
    const product = await startProduct(stage, { endpoints: [] });
    await checkFormats(
      stage,
      product,
      "report.html",
      TEXT,
      ["docx", "odt", "epub", "txt"],
      [...TEXT_WORDS, "日本語の文章"],
    );
    // Signs that no font of this machine has cannot be read back: LibreOffice prints one box for all of them.
    await checkFormats(stage, product, "report.html", TEXT, ["pdf"], TEXT_WORDS);
    await checkFormats(stage, product, "prices.csv", TABLE, ["xlsx", "ods", "pdf"], TABLE_WORDS);
    await checkFormats(stage, product, "talk.fodp", SLIDES, ["pptx", "odp", "pdf"], SLIDE_WORDS);
    for (const [format, source] of [
      ["doc", write(stage, "old.html", TEXT)],
      ["xls", write(stage, "old.csv", TABLE)],
      ["ppt", write(stage, "old.fodp", SLIDES)],
    ] as const) {
      await stage.check(`${format}, of before 2007, is refused by its name`, async () => {
        const text = await readBack(product, await convert(stage, source, format));
        assert.equal(text.fault, "oldFormat");
      });
    }
    await stage.check("a PDF with a password is told to have one", async () => {
      const options =
        '{"EncryptFile":{"type":"boolean","value":"true"},"DocumentOpenPassword":{"type":"string","value":"open"}}';
      const source = write(stage, "secret.html", TEXT);
      const text = await readBack(product, await convert(stage, source, `pdf:writer_pdf_Export:${options}`));
      assert.equal(text.fault, "encrypted");
    });
  },
};

interface ReadText {
  readonly kind: string;
  readonly text: string;
  readonly pages?: number;
  readonly slides?: number;
  readonly sheets?: number;
  readonly fault?: string;
}

async function checkFormats(
  stage: Stage,
  product: Product,
  name: string,
  content: string,
  formats: readonly string[],
  words: readonly string[],
): Promise<void> {
  const source = write(stage, name, content);
  for (const format of formats) {
    await stage.check(`${format} of ${name}`, async () => {
      const read = await readBack(product, await convert(stage, source, format));
      const text = read.text.replace(/\s+/g, " ");
      assert.equal(read.fault, undefined);
      for (const word of words) assert.ok(text.includes(word), `"${word}" is not in: ${text.slice(0, 1000)}`);
      if (format === "pdf") assert.ok((read.pages ?? 0) > 0, "no pages are counted");
      if (format === "pptx" || format === "odp") assert.equal(read.slides, 2);
      if (format === "xlsx" || format === "ods") assert.equal(read.sheets, 1);
    });
  }
}

function write(stage: Stage, name: string, content: string): string {
  const path = join(stage.folder, name);
  writeFileSync(path, content);
  return path;
}

const INPUT_FILTERS: Readonly<Record<string, string>> = {
  ".html": "HTML (StarWriter)", // What reads it by itself writes no file of a text processor.
  ".csv": "CSV:44,34,76", // Commas, quotation marks, UTF-8.
};

/** The path of the document. */
async function convert(stage: Stage, source: string, format: string): Promise<string> {
  const folder = join(stage.folder, `made-${Bun.randomUUIDv7()}`);
  mkdirSync(folder);
  const filter = INPUT_FILTERS[extname(source)];
  const said = await runOffice(stage, [
    ...(filter ? [`--infilter=${filter}`] : []),
    "--convert-to",
    format,
    "--outdir",
    folder,
    source,
  ]);
  const path = join(folder, basename(source).replace(/\w+$/, format.split(":")[0] ?? ""));
  if (!(await Bun.file(path).exists())) throw new Error(`LibreOffice made no ${format}: ${said}`);
  return path;
}

async function readBack(product: Product, path: string): Promise<ReadText> {
  const id = await product.upload(basename(path), new Blob([await Bun.file(path).arrayBuffer()]));
  return product.get<ReadText>(`/api/v1/files/${id}/text`);
}

function program(): string | null {
  return PROGRAMS.map((name) => Bun.which(name)).find((path) => path !== null) ?? null;
}

/** What it says. Its own profile keeps it from joining a LibreOffice that somebody has open. */
async function runOffice(stage: Stage, args: readonly string[]): Promise<string> {
  const profile = `-env:UserInstallation=file://${join(stage.folder, "profile")}`;
  const child = Bun.spawn([program() ?? "", profile, "--headless", ...args], {
    cwd: stage.folder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: CONVERT_LIMIT_MS,
  });
  stage.atEnd(() => child.kill("SIGKILL"));
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return stdout + stderr;
}

const TEXT = `<!doctype html><html><head><meta charset="utf-8"><title>Report</title></head><body>
<h1>Jahresbericht für Größe &amp; Maß</h1>
<p>The <b>quick</b> brown fox, naïve and déjà vu. Привет, мир. 日本語の文章。</p>
<ul><li>first point</li><li>second point</li></ul>
<table><tr><th>City</th><th>Degrees</th></tr><tr><td>Rome</td><td>21</td></tr><tr><td>Oslo</td><td>9</td></tr></table>
<p>The office of finance – “quoted” – flies.</p>
</body></html>`;

const TEXT_WORDS = [
  "Jahresbericht für Größe & Maß",
  "brown fox, naïve and déjà vu",
  "Привет, мир",
  "second point",
  "Degrees",
  "Oslo",
  "office of finance – “quoted” – flies",
];

const TABLE = "Article,Price,When\nButter,1.25,2026-03-14\nMehl süß,12,2026-11-28\n";

const TABLE_WORDS = ["Article", "Butter", "1.25", "Mehl süß"];

/** Flat XML, since LibreOffice makes no slides of a text. */
const SLIDES = `<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
 office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation>
${["The plan for spring", "Ergebnisse über alles"]
  .map(
    (
      title,
      at,
    ) => `<draw:page draw:name="page${at + 1}"><draw:frame svg:x="2cm" svg:y="2cm" svg:width="20cm" svg:height="3cm">
<draw:text-box><text:p>${title}</text:p><text:p>Point number ${at + 1}</text:p></draw:text-box></draw:frame></draw:page>`,
  )
  .join("\n")}
</office:presentation></office:body></office:document>`;

const SLIDE_WORDS = ["The plan for spring", "Ergebnisse über alles", "Point number 2"];
