/**
 * Reads a document: the command `read-document`, which src/core/file/text.ts runs as a process of its own. A document is a stranger's:
 * what hangs or swallows memory in here is ended from outside, and ends nothing else.
 */

import type { FileTextFault } from "../protocols";
import { readArchive } from "./archive";
import { decodeText } from "./decode";
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
