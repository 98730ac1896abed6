/** Web pages and notes that are written in HTML. */

import { htmlToMarkdown } from "../basics/html-to-markdown";
import type { Document } from "./document";

const SOURCE_MAX = 20_000; // Characters. A file that short is read as it was written: it may well be the code that is asked about.

export async function readHtml(html: string): Promise<Document> {
  if (html.length <= SOURCE_MAX) return { kind: "text", text: html };
  return { kind: "document", text: await toMarkdown(html) };
}

/** Markdown of a document's own HTML. Addresses inside of a document lead nowhere, so they become text. */
export function toMarkdown(html: string): Promise<string> {
  return htmlToMarkdown(html, "about:blank");
}

export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
