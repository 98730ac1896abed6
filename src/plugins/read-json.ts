/**
 * The JSON of a request, for pages of plugins: bounded by how many parts it has and how deep they nest. A body may have 64 MiB, which as one text is cheap, and in
 * small parts fills gigabytes and stops the server for seconds. Plugins get it from `skeleton`.
 */

import { AppError } from "../errors";
import { isTooDeep, LEVELS_MAX } from "../json";

const PARTS_MAX = 500_000; // A million take 60 MB and 30 ms.

/** Throws AppError "invalid" for what is no JSON or nests deeper than 64 levels, "tooLarge" for more than 500,000 commas and opening brackets, in texts too. */
export async function readJson(request: Request): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let parts = 0;
  for await (const chunk of request.body ?? []) {
    chunks.push(chunk);
    parts += partsOf(chunk);
    if (parts > PARTS_MAX) throw new AppError("tooLarge", `The body has more than ${PARTS_MAX} parts.`);
  }
  const value = parse(Buffer.concat(chunks).toString());
  if (isTooDeep(value)) throw new AppError("invalid", `The body nests deeper than ${LEVELS_MAX} levels.`);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AppError("invalid", "The body of the request must be JSON.");
  }
}

/** By index, which is six times as fast as an iterator. */
function partsOf(bytes: Uint8Array): number {
  let parts = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0x2c || byte === 0x5b || byte === 0x7b) parts++; // , [ {
  }
  return parts;
}
