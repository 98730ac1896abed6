/**
 * The body of a request, read within bounds: at most so many bytes, and so many parts, which cost a hundred times as much as text does.
 * All JSON that comes from outside is parsed here. The routes set the bounds of each request; without any, those of a plugin's page hold.
 */

import { AppError } from "./errors";
import { countShape, LEVELS_MAX } from "./json";
import { KIB, MIB } from "./size";

const FIRST_BYTES = 4 * KIB;
const FIELDS_MAX = 1000; // Of a form. A message with a hundred files has some hundred and twenty.

export interface BodyBounds {
  readonly bytes: number;
  /** Commas and opening brackets of JSON. Half a million take 30 MB and 25 ms, as names of fields 250 ms. */
  readonly parts: number;
}

const WIDEST: BodyBounds = { bytes: 64 * MIB, parts: 500_000 };

const bounds = new WeakMap<Request, BodyBounds>();

export function boundBody(request: Request, asked: BodyBounds): void {
  bounds.set(request, asked);
}

/** Throws AppError "tooLarge" when the request says that it has more than it may. What it does not say is counted when it is read. */
export function checkLength(request: Request): void {
  const { bytes } = boundsOf(request);
  if (Number(request.headers.get("content-length") ?? 0) > bytes) throw tooLarge(bytes);
}

/**
 * The JSON of a request. Throws AppError "invalid" for what is no JSON or nests deeper than 64 levels, "tooLarge" for more bytes or
 * more commas and opening brackets than the request may have: 500,000 for somebody who is signed in, 20,000 for anybody else.
 *
 * @example
 * ```ts
 * const asked = await readJson(request);
 * if (typeof asked !== "object" || asked === null) throw new AppError("invalid", "The body must be an object.");
 * ```
 */
export async function readJson(request: Request): Promise<unknown> {
  const { parts: most } = boundsOf(request);
  const shape = countShape();
  const bytes = await readStream(request, (chunk) => {
    shape.add(chunk);
    if (shape.levels > LEVELS_MAX) throw new AppError("invalid", `The body nests deeper than ${LEVELS_MAX} levels.`);
    if (shape.parts > most) throw new AppError("tooLarge", `The body has more than ${most} parts.`);
  });
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new AppError("invalid", "The body of the request must be JSON.");
  }
}

/** The global name has no iterator. */
export type Fields = Awaited<ReturnType<Response["formData"]>>;

/** The fields of a form, in either encoding. Throws AppError: "invalid" for what is no form, "tooLarge". */
export async function readFields(request: Request): Promise<Fields> {
  const type = typeOf(request);
  checkLength(request);
  // The runtime reads a body of known length in one piece.
  const bytes = request.headers.has("content-length") ? await request.bytes() : await readStream(request);
  const separator = isUrlEncoded(type) ? "&" : `--${boundaryOf(type)}`;
  if (countOf(bytes, separator) > FIELDS_MAX) {
    throw new AppError("tooLarge", `A form may have ${FIELDS_MAX} fields.`);
  }
  return new Response(bytes, { headers: { "content-type": type } }).formData().catch((cause) => {
    throw new AppError("invalid", "The form cannot be read.", { cause });
  });
}

export function isForm(request: Request): boolean {
  const contentType = typeOf(request);
  return isUrlEncoded(contentType) || /^multipart\/form-data\b/i.test(contentType);
}

function typeOf(request: Request): string {
  return request.headers.get("content-type") ?? "";
}

function isUrlEncoded(contentType: string): boolean {
  return /^application\/x-www-form-urlencoded\b/i.test(contentType);
}

function boundsOf(request: Request): BodyBounds {
  return bounds.get(request) ?? WIDEST;
}

/** One buffer that grows: of a body in chunks of a byte, a list of them would be a hundred times as large. */
async function readStream(request: Request, look?: (chunk: Uint8Array) => void): Promise<Uint8Array> {
  checkLength(request);
  const { bytes: most } = boundsOf(request);
  let buffer = Buffer.allocUnsafe(FIRST_BYTES);
  let length = 0;
  for await (const chunk of request.body ?? []) {
    const end = length + chunk.length;
    if (end > most) throw tooLarge(most);
    look?.(chunk);
    if (end > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(end, 2 * buffer.length));
      buffer.copy(larger, 0, 0, length);
      buffer = larger;
    }
    buffer.set(chunk, length);
    length = end;
  }
  return buffer.subarray(0, length);
}

function tooLarge(bytes: number): AppError {
  return new AppError("tooLarge", `The body of this request may have ${bytes / KIB} KiB.`);
}

/** Throws AppError("invalid") when the type of a form names none. */
function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw new AppError("invalid", "The form cannot be read.");
  return boundary;
}

/** Not beyond what a form may have. */
function countOf(bytes: Uint8Array, separator: string): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = buffer.indexOf(separator); at !== -1 && count <= FIELDS_MAX + 1; count++) {
    at = buffer.indexOf(separator, at + separator.length);
  }
  return count;
}
