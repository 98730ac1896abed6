/**
 * Pictures, by their bytes: names and types of files are claims. Decoding is done beside the event loop, of so many pixels that
 * one cannot fill the memory, and of few at a time.
 */

import { createLanes } from "./queues";

export type ImageType =
  | "image/png"
  | "image/jpeg"
  | "image/gif"
  | "image/webp"
  | "image/avif"
  | "image/heic"
  | "image/bmp"
  | "image/tiff";

const IMAGE_HEAD_BYTES = 32; // As much of a file as `imageTypeOf` looks at.

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

export async function imageTypeOfFile(data: Blob): Promise<ImageType | null> {
  return imageTypeOf(new Uint8Array(await data.slice(0, IMAGE_HEAD_BYTES).arrayBuffer()));
}

const INLINE: readonly (ImageType | null)[] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];
const MAX_PIXELS = 50_000_000; // 200 MB while it is decoded, here and in the browser of whoever looks at it.
const AVIF_HEAD_BYTES = 4096;

/** The type of a picture that a browser may show: of a kind that all of them know, and not too large. Else null. */
export async function inlineTypeOf(data: Blob): Promise<ImageType | null> {
  const type = await imageTypeOfFile(data);
  if (!INLINE.includes(type)) return null;
  return (await pixelsOf(data, type)) <= MAX_PIXELS ? type : null;
}

async function pixelsOf(data: Blob, type: ImageType | null): Promise<number> {
  if (type === "image/avif") return avifPixels(Buffer.from(await data.slice(0, AVIF_HEAD_BYTES).arrayBuffer()));
  try {
    const { width, height } = await new Bun.Image(data).metadata();
    return width * height;
  } catch {
    return Number.POSITIVE_INFINITY; // What has no size that can be read has no picture to show.
  }
}

/** Of the largest picture that the head tells of: the decoder here may not know the format. */
function avifPixels(head: Buffer): number {
  let pixels = 0;
  for (let at = head.indexOf("ispe"); at >= 0 && at + 16 <= head.length; at = head.indexOf("ispe", at + 4))
    pixels = Math.max(pixels, head.readUInt32BE(at + 8) * head.readUInt32BE(at + 12));
  return pixels || Number.POSITIVE_INFINITY;
}

const decoding = createLanes(2);

/** The picture as JPEG (`jpeg`) or WebP, its longer side at most `edge` pixels. Null when it cannot be read. */
export async function scaledDown(data: Blob, edge: number, format: "jpeg" | "webp"): Promise<Uint8Array | null> {
  return decoding.run(Symbol(), async () => {
    try {
      const image = new Bun.Image(data, { maxPixels: MAX_PIXELS });
      const scaled = image.resize(edge, edge, { fit: "inside", withoutEnlargement: true });
      return await scaled[format]({ quality: 82 }).bytes();
    } catch {
      return null;
    }
  });
}
