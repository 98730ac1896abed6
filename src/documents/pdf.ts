/** PDF, page by page. */

import { getDocumentProxy } from "unpdf";
import { type Document, DocumentFault } from "./document";

export async function readPdf(bytes: Uint8Array): Promise<Document> {
  const pdf = await open(bytes);
  const pages: string[] = [];
  const emptyPages: number[] = [];
  for (let number = 1; number <= pdf.numPages; number++) {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    const text = items.map((item) => ("str" in item ? item.str + (item.hasEOL ? "\n" : "") : "")).join("");
    page.cleanup();
    if (text.trim() === "") emptyPages.push(number);
    else pages.push(`[Page ${number}]\n\n${joinLines(text)}`);
  }
  return { kind: "document", text: pages.join("\n\n"), pages: pdf.numPages, emptyPages };
}

async function open(bytes: Uint8Array) {
  try {
    return await getDocumentProxy(bytes, { verbosity: 0 });
  } catch (error) {
    throw new DocumentFault(error instanceof Error && error.name === "PasswordException" ? "encrypted" : "broken");
  }
}

// Where LaTeX's older fonts have these letters, without saying so.
const LIGATURES: Readonly<Record<string, string>> = {
  "\x1b": "ff",
  "\x1c": "fi",
  "\x1d": "fl",
  "\x1e": "ffi",
  "\x1f": "ffl",
};

/** A word that is divided at the end of a line is one word. */
function joinLines(text: string): string {
  return Object.entries(LIGATURES)
    .reduce((plain, [character, letters]) => plain.replaceAll(character, letters), text)
    .replace(/(\p{L})[-\u00ad\u2010]\n(\p{Ll})/gu, "$1$2")
    .trim();
}
