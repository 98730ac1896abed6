/** What kind of picture bytes are, by how they begin: names and types of files are claims. */

export type ImageType =
  | "image/png"
  | "image/jpeg"
  | "image/gif"
  | "image/webp"
  | "image/avif"
  | "image/heic"
  | "image/bmp"
  | "image/tiff";

export const IMAGE_HEAD_BYTES = 32; // As much of a file as `imageTypeOf` looks at.

/** Null when they are no picture of a known kind; SVG is text. */
export function imageTypeOf(bytes: Uint8Array): ImageType | null {
  const head = Buffer.from(bytes.subarray(0, IMAGE_HEAD_BYTES)).toString("latin1");
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(head)) return "image/gif";
  if (/^RIFF.{4}WEBP/s.test(head)) return "image/webp";
  if (/^.{4}ftyp(?:avif|avis)/s.test(head)) return "image/avif";
  if (/^.{4}ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)/s.test(head)) return "image/heic";
  if (/^BM.{4}\0\0\0\0/s.test(head)) return "image/bmp";
  return /^(?:II\*\0|MM\0\*)/.test(head) ? "image/tiff" : null;
}
