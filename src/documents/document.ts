/** What the readers of documents get and give. */

import type { FileText, FileTextFault } from "../protocols";

/** The texts of a ZIP archive, by path. */
export type Archive = ReadonlyMap<string, string>;

/** What `file.text` tells of a document, but for what is counted and cut afterwards. */
export interface Document extends Omit<FileText, "kind" | "tokens" | "isCut" | "fault"> {
  readonly kind: Exclude<FileText["kind"], "image">;
}

export class DocumentFault extends Error {
  readonly reason: FileTextFault;

  constructor(reason: FileTextFault) {
    super(reason);
    this.reason = reason;
  }
}

export const PDF_MARK = "%PDF-";
export const MARK_BYTES = 1024; // Where a mark is looked for, as much as readers of PDF allow before theirs.

/** Whether the file begins with the mark, of one byte a character. A few programs write a mark of the byte order, or a line, before it. */
export function startsWith(bytes: Uint8Array, mark: string): boolean {
  const head = Buffer.from(bytes.subarray(0, MARK_BYTES)).toString("latin1");
  return head
    .replace(/^\u00ef\u00bb\u00bf/, "")
    .trimStart()
    .startsWith(mark);
}
