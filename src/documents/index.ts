/**
 * Reads a document: the command `read-document`, which src/core/file/text.ts runs as a process of its own. A document is a stranger's:
 * what hangs or swallows memory in here is ended from outside, and ends nothing else.
 */

import { isUtf8 } from "node:buffer";
import { detect } from "chardet";
import type { FileTextFault } from "../protocols";
import { readArchive } from "./archive";
import { type Document, DocumentFault, PDF_MARK, startsWith } from "./document";
import { readHtml } from "./html";
import { readMail } from "./mail";
import { isNotebook, readNotebook } from "./notebook";
import { readPdf } from "./pdf";

/** What the process writes to its standard output, as JSON. */
export type Reading = ReadDocument | { readonly fault: FileTextFault };

export interface ReadDocument extends Document {
  /** The text had more than that. */
  readonly isCut: boolean;
}

/** Reads standard input to its end and says what it holds. `name` helps where the bytes leave a choice. */
export async function readDocumentCommand(name: string): Promise<void> {
  const bytes = new Uint8Array(await new Response(Bun.stdin).arrayBuffer());
  await Bun.write(Bun.stdout, JSON.stringify(await readDocument(bytes, name)));
}

const TEXT_MAX = 4_000_000; // Characters, about a million tokens: more than models take.

/** Never rejects for what is wrong with the document. */
export async function readDocument(bytes: Uint8Array, name: string): Promise<Reading> {
  try {
    const document = await read(bytes, name.toLowerCase());
    const whole = document.kind === "text" ? document.text : withPlainLetters(document.text);
    // Half of a character that needs two would not survive its way.
    const text = whole.slice(0, TEXT_MAX).toWellFormed();
    return { ...document, text, isCut: text.length < whole.length };
  } catch (error) {
    return { fault: error instanceof DocumentFault ? error.reason : "broken" };
  }
}

async function read(bytes: Uint8Array, name: string): Promise<Document> {
  if (startsWith(bytes, PDF_MARK)) return readPdf(bytes);
  if (startsWith(bytes, "PK\u0003\u0004")) return readArchive(bytes);
  // The compound files of Office before 2007, and of new ones with a password.
  if (startsWith(bytes, "\u00d0\u00cf\u0011\u00e0")) throw new DocumentFault("oldFormat");
  const text = decodeText(bytes);
  if (text === null) throw new DocumentFault("unknownKind");
  if (name.endsWith(".ipynb") && isNotebook(text)) return readNotebook(text);
  if (name.endsWith(".eml")) return readMail(bytes);
  if (/\.x?html?$/.test(name)) return readHtml(text);
  return { kind: "text", text };
}

/** Typeset letters such as ﬁ are two, and what only tells where a word may be divided is none. */
function withPlainLetters(text: string): string {
  return text.replace(/[\ufb00-\ufb06]/g, (ligature) => ligature.normalize("NFKC")).replaceAll("\u00ad", "");
}

const SAMPLE_BYTES = 64 * 1024; // What the character set is guessed by.

/**
 * Text by the bytes alone, since what a browser says of a file's type is mostly wrong for source code: UTF-8, UTF-16 with a mark, or a
 * character set that can be guessed. Null when the bytes are no text.
 */
function decodeText(bytes: Uint8Array): string | null {
  const charset = charsetOf(bytes);
  const text = charset === null ? null : new TextDecoder(charset as Bun.Encoding).decode(bytes);
  return text?.includes("\0") ? null : text;
}

function charsetOf(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  if (bytes.includes(0)) return null;
  if (isUtf8(bytes)) return "utf-8";
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  if (!looksWritten(sample)) return null;
  const guess = detect(sample);
  return guess !== null && isCharset(guess) ? guess : "windows-1252";
}

function isCharset(name: string): boolean {
  try {
    new TextDecoder(name as Bun.Encoding);
    return true;
  } catch {
    return false;
  }
}

const CONTROL_SHARE_MAX = 0.002; // Of the bytes. Text has tabs, line ends and a few escapes; other bytes have a tenth.

function looksWritten(sample: Uint8Array): boolean {
  let controls = 0;
  for (const byte of sample) if (byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1b) controls++;
  return controls <= sample.length * CONTROL_SHARE_MAX;
}
