/** Documents that are ZIP archives of XML: those of Office and LibreOffice, and books. */

import { strFromU8, unzipSync } from "fflate";
import { type Document, DocumentFault } from "./document";
import { readBook } from "./epub";
import { readOpenDocument } from "./open-document";
import { readPresentation } from "./pptx";
import { readSpreadsheet } from "./xlsx";

const UNPACKED_MAX_BYTES = 200 * 1024 * 1024;

export async function readArchive(bytes: Uint8Array): Promise<Document> {
  const archive = unpack(bytes);
  const { pictures, formulas } = archive;
  const left = { ...(pictures > 0 ? { pictures } : {}), ...(formulas > 0 ? { formulas } : {}) };
  const has = (path: string) => archive.texts.has(path);
  // A document with a password has it all in one encrypted entry.
  if (has("META-INF/encryption.xml") || archive.isEncrypted) throw new DocumentFault("encrypted");
  if (has("word/document.xml")) return { ...(await readWord(bytes)), ...left };
  if (has("xl/workbook.xml")) return readSpreadsheet(archive.texts);
  if (has("ppt/presentation.xml")) return { ...(await readPresentation(archive.texts)), ...left };
  if (has("META-INF/container.xml")) return { ...(await readBook(archive.texts)), ...left };
  if (has("content.xml")) return { ...(await readOpenDocument(archive.texts)), ...left };
  throw new DocumentFault("unknownKind");
}

function unpack(bytes: Uint8Array) {
  let size = 0;
  let pictures = 0;
  const entries = unzipSync(bytes, {
    // An archive says its sizes before anything is unpacked, and no more than that is.
    filter: ({ name, originalSize }) => {
      if (!/thumbnail/i.test(name) && /\.(?:png|jpe?g|gif|webp|bmp|tiff?|emf|wmf|svg)$/i.test(name)) pictures++;
      if (!/\.(?:xml|rels|opf|x?html?|ncx)$/i.test(name)) return false;
      size += originalSize;
      if (size > UNPACKED_MAX_BYTES) throw new DocumentFault("tooLarge");
      return true;
    },
  });
  const texts = new Map(Object.entries(entries).map(([path, data]) => [path, strFromU8(data)]));
  const formulas = ["word/document.xml", "content.xml"].reduce(
    (sum, path) => sum + [...(texts.get(path) ?? "").matchAll(/<m:oMath[ >]|<draw:object[ >]/g)].length,
    0,
  );
  const isEncrypted = /manifest:encryption-data/.test(texts.get("META-INF/manifest.xml") ?? "");
  return { texts, pictures, formulas, isEncrypted };
}

async function readWord(bytes: Uint8Array): Promise<Document> {
  const [{ default: mammoth }, { toMarkdown }] = await Promise.all([import("mammoth"), import("./html")]);
  const convertImage = mammoth.images.imgElement(async () => ({ src: "" }));
  const styleMap = ["p[style-name='Title'] => h1:fresh", "p[style-name='Subtitle'] => h2:fresh"];
  const { value } = await mammoth.convertToHtml({ buffer: Buffer.from(bytes) }, { convertImage, styleMap });
  return { kind: "document", text: await toMarkdown(value) };
}
