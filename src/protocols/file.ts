/**
 * `file`: bytes that people upload and turns make, content-addressed. Default: `src/core/file/`, in `UPLOAD_DIR`. Replace it for object
 * storage.
 */

export interface FileProtocol {
  /**
   * Keeps a file and returns it. The same bytes are kept once, however many people bring them. `name` and `type` are the
   * sender's claims. The name is cleaned for display (no control characters, no slashes, 1 to 255 characters) and never
   * used as a path; a type that is none becomes `application/octet-stream`, and its parameters are dropped. Throws
   * AppError("tooLarge") over 50 MiB, and when the user's quota (QUOTA_BYTES) has no room for a content that they do not have yet;
   * of several at once none goes beyond it.
   */
  put(username: string, file: NewFile): Promise<FileInfo>;

  /** The user's files, newest first; an empty page when there is none, or none before `before`. */
  list(username: string, page?: FilePage): Promise<FileInfo[]>;

  /** Bytes of all that the user has, each content once. Costs the same however much that is. */
  size(username: string): Promise<number>;

  /** The user's file, or null; another user's is null. */
  get(username: string, id: string): Promise<FileInfo | null>;

  /** Its bytes, readable as a stream or in slices, or null. */
  open(username: string, id: string): Promise<Blob | null>;

  /**
   * What can be read of the file, by its bytes and whatever its name and type claim; null when there is no such file. The default reads
   * text, and PDF, DOCX, XLSX, PPTX, ODT, ODS, ODP, EPUB, HTML, EML and notebooks as Markdown. A document is read once, which can take a
   * minute, and kept by its content. A provider that keeps its files elsewhere takes `base.text`, which reads what `get` and `open` of
   * `core.file` give; one that reads more (scanned pages, old Office files) asks `base.text` first.
   */
  text(username: string, id: string): Promise<FileText | null>;

  /** Takes the file from the user; the bytes go when nobody has them any more. False when there is none. */
  remove(username: string, id: string): Promise<boolean>;
}

/** What can be read of a file, and what not. */
export interface FileText {
  /** `document`: made into Markdown. `text`: as it is. `image`: a picture, which only models that see can take. */
  readonly kind: "text" | "document" | "image";
  /** Pages, slides and sheets begin with a line such as `[Page 3]`. Empty when nothing can be read. */
  readonly text: string;
  /** About how many tokens the text has. */
  readonly tokens: number;
  readonly pages?: number;
  readonly slides?: number;
  readonly sheets?: number;
  /** Numbers of the pages on which there is no text, such as scanned ones. */
  readonly emptyPages?: readonly number[];
  /** How many pictures and formulas inside of it are left out. */
  readonly pictures?: number;
  readonly formulas?: number;
  /** True = there is more text than this, and more than any model takes. */
  readonly isCut?: boolean;
  /** Why nothing can be read. */
  readonly fault?: FileTextFault;
}

/**
 * `encrypted`: it needs a password. `broken`: it is damaged. `oldFormat`: of Office before 2007. `tooLarge`, `tooSlow`: reading it takes
 * more than 512 MB of memory, or a minute. `unknownKind`: neither text nor any known document.
 */
export type FileTextFault = "encrypted" | "broken" | "oldFormat" | "tooLarge" | "tooSlow" | "unknownKind";

export interface FilePage {
  /** Default 50. */
  readonly limit?: number;
  /** Id of the last file of the page before. */
  readonly before?: string;
  /** Only those of these; up to 1,000. */
  readonly ids?: readonly string[];
}

export interface NewFile {
  readonly name: string;
  /** Media type, such as `image/png`. */
  readonly type: string;
  readonly data: Blob;
}

export interface FileInfo {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  /** Of the bytes, lower-case hex. */
  readonly sha256: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** Of a file that a message has, where messages are shown: its user removed it since. */
  readonly isRemoved?: boolean;
  /** How closely a model shall look at an image, in the words of its endpoint (`low`, `high`, …), where a message says so. */
  readonly detail?: string;
}
