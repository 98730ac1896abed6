/** `file`: bytes that people upload and turns make, content-addressed. Default: src/core/file/, in `UPLOAD_DIR`. */

export interface FileProtocol {
  /**
   * Keeps a file and returns it. The same bytes are kept once, however many people bring them. `name` and `type` are the
   * sender's claims. The name is cleaned for display (no control characters, no slashes, 1 to 255 characters) and never
   * used as a path; a type that is none becomes `application/octet-stream`, and its parameters are dropped. Throws
   * AppError("tooLarge") over 50 MiB.
   */
  put(username: string, file: NewFile): Promise<FileInfo>;

  /** The user's file, or null; another user's is null. */
  get(username: string, id: string): Promise<FileInfo | null>;

  /** Its bytes, readable as a stream or in slices, or null. */
  open(username: string, id: string): Promise<Blob | null>;

  /** Takes the file from the user; the bytes go when nobody has them any more. False when there is none. */
  remove(username: string, id: string): Promise<boolean>;
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
}
