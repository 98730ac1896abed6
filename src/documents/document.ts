/** What the readers of documents get and give. */

/** The texts of a ZIP archive, by path. */
export type Archive = ReadonlyMap<string, string>;

export interface Document {
  /** What was found to be in it: `text` is read as it is, and `document` was made into Markdown. */
  readonly kind: "text" | "document";
  /** Markdown where the document has a structure. Pages, slides and sheets begin with a line such as `[Page 3]`. */
  readonly text: string;
  /** Of a document that has them. */
  readonly pages?: number;
  readonly slides?: number;
  readonly sheets?: number;
  /** Numbers of the pages on which there is no text, such as scanned ones. */
  readonly emptyPages?: readonly number[];
  /** How many pictures are left out. */
  readonly pictures?: number;
  /** How many formulas are left out. */
  readonly formulas?: number;
}

/**
 * Why a document cannot be read. `oldFormat`: of Office before 2007. `tooLarge`, `tooSlow`: it takes more memory or time than one may.
 * `unknownKind`: nothing that any reader knows.
 */
export type DocumentFaultReason = "encrypted" | "broken" | "oldFormat" | "tooLarge" | "tooSlow" | "unknownKind";

export class DocumentFault extends Error {
  readonly reason: DocumentFaultReason;

  constructor(reason: DocumentFaultReason) {
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
