/** A picture of one pixel: small, and one that decoders take. */

export const PIXEL_BASE64 =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const PIXEL = Buffer.from(PIXEL_BASE64, "base64");
