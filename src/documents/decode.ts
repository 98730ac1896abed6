/** Text out of bytes, by the bytes alone: what a browser says of a file's type is mostly wrong for source code. */

import { detect } from "chardet";

const SAMPLE_BYTES = 64 * 1024; // What the character set is guessed by.

/** The text, or null when the bytes are none: UTF-8, UTF-16 with a mark, or a character set that can be guessed. */
export function decodeText(bytes: Uint8Array): string | null {
  const charset = charsetOf(bytes);
  const text = charset === null ? null : new TextDecoder(charset as Bun.Encoding).decode(bytes);
  return text?.includes("\0") ? null : text;
}

function charsetOf(bytes: Uint8Array): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return "utf-16be";
  if (bytes.includes(0)) return null;
  if (isUtf8(bytes)) return "utf-8";
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  if (!looksWritten(sample)) return null;
  const guess = detect(sample);
  return guess !== null && isCharset(guess) ? guess : "windows-1252";
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function isCharset(name: string): boolean {
  try {
    new TextDecoder(name as Bun.Encoding);
    return true;
  } catch {
    return false;
  }
}

const CONTROL_SHARE_MAX = 0.002; // Of the bytes. Text has tabs, line ends and a few escapes; other bytes have a tenth.

function looksWritten(sample: Uint8Array): boolean {
  let controls = 0;
  for (const byte of sample) if (byte < 0x20 && !(byte >= 0x09 && byte <= 0x0d) && byte !== 0x1b) controls++;
  return controls <= sample.length * CONTROL_SHARE_MAX;
}
