/**
 * Files of a user's message as a model can take them: pictures as their bytes, what can be read as text, everything else by name. What
 * does not fit into a call is said too, so that the model knows what it has not seen.
 */

import { inlineTypeOf, scaledDown } from "../../basics/image";
import type { Core, FileInfo, FileText, FileTextFault } from "../../protocols";

export type FilePart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly mediaType: string; readonly base64: string };

export interface FilePartsOptions {
  /** Whose files they are; null = nobody's, and they are only named. */
  readonly username: string | null;
  /** Whether the model sees pictures. */
  readonly canSee: boolean;
  /** Of the model, in tokens; undefined = not known. */
  readonly contextLength?: number | undefined;
}

const MAX_IMAGE_BYTES = 5 * 1024 * 1024; // The least that one of the large vendors takes.
const MAX_IMAGES_BYTES = 10 * 1024 * 1024; // Of one call: more would hold up every other stream while it is encoded.
const SCALED_EDGE = 2048; // Pixels of the longer side of what is too large: the vendors make it smaller than that themselves.
const SEEN = /^image\/(?:png|jpeg|gif|webp)$/; // What the vendors take.

const CHARACTERS_PER_TOKEN = 4;
const FILES_SHARE = 0.6; // Of the context; the rest is for the messages and the answer.
const MAX_CHARACTERS = 1024 * 1024; // Of one call to a model whose context is not known.
const MAX_FILE_CHARACTERS = 256 * 1024; // Of one file in such a call; about 64,000 tokens.

/**
 * A function that gives one file after the other, out of one budget for a call. Ask for the newest message's first.
 *
 * @example
 * ```ts
 * const username = call.username ?? null;
 * const readFile = createFileParts(core, { username, canSee: true, contextLength: 200_000 });
 * const newestFirst = call.messages.flatMap(({ files = [] }) => files).toReversed();
 * for (const file of newestFirst) {
 *   const part = await readFile(file);
 *   if (part.type === "image") core.log.debug("A picture", { type: part.mediaType });
 * }
 * ```
 */
export function createFileParts(core: Core, { username, canSee, contextLength }: FilePartsOptions) {
  const most = contextLength ? contextLength * CHARACTERS_PER_TOKEN * FILES_SHARE : MAX_CHARACTERS;
  const mostOfFile = contextLength ? most : MAX_FILE_CHARACTERS;
  let characters = most;
  let imageBytes = MAX_IMAGES_BYTES;

  const toImage = async (file: FileInfo, user: string): Promise<FilePart> => {
    if (!canSee) return named(file, "this model does not see pictures");
    const data = await core.file.open(user, file.id);
    if (!data) return named(file, "it is gone");
    const type = await inlineTypeOf(data); // One that cannot be read would make every later call of the thread be refused.
    const isTaken = type !== null && SEEN.test(type) && data.size <= MAX_IMAGE_BYTES;
    const bytes = isTaken ? await data.bytes() : await scaledDown(data, SCALED_EDGE, "jpeg");
    if (!bytes) return named(file, "this kind of picture cannot be shown to you");
    if (bytes.length > imageBytes) return named(file, "there are too many pictures");
    imageBytes -= bytes.length;
    return { type: "image", mediaType: isTaken ? type : "image/jpeg", base64: Buffer.from(bytes).toString("base64") };
  };

  const toText = (file: FileInfo, read: FileText): FilePart => {
    if (read.fault) return named(file, FAULTS[read.fault]);
    const room = Math.floor(Math.min(characters, mostOfFile));
    if (room <= 0) return named(file, "there are too many files");
    const text = read.text.slice(0, room).toWellFormed();
    characters -= text.length;
    const cut =
      text.length < read.text.length
        ? `\n(Cut here: these are the first ${text.length} of ${read.text.length} characters.)`
        : read.isCut
          ? "\n(Cut here: the file is longer.)"
          : "";
    return { type: "text", text: `File ${JSON.stringify(file.name)}${described(read)}:\n${text}${cut}` };
  };

  return async (file: FileInfo): Promise<FilePart> => {
    const read = username === null ? null : await core.file.text(username, file.id);
    if (username === null || !read) return named(file, "it is gone");
    return read.kind === "image" ? toImage(file, username) : toText(file, read);
  };
}

function named({ name, type, size }: FileInfo, why: string): FilePart {
  return { type: "text", text: `File ${JSON.stringify(name)} (${type}, ${size} bytes) is attached, but ${why}.` };
}

const FAULTS: Readonly<Record<FileTextFault, string>> = {
  encrypted: "it needs a password",
  broken: "it is damaged and cannot be read",
  oldFormat: "it has the format of an old Office program, which cannot be read",
  tooLarge: "it is too large to be read",
  tooSlow: "reading it took too long",
  unknownKind: "this kind cannot be read",
};

/** What is known of a document beside its text, such as ` (14 pages, of which 2, 5, 9 have no text)`. */
function described({ pages, slides, sheets, emptyPages = [], pictures = 0, formulas = 0 }: FileText): string {
  const parts: string[] = [];
  if (pages) parts.push(`${count(pages, "page")}${emptyPages.length > 0 ? `, no text on ${listed(emptyPages)}` : ""}`);
  if (slides) parts.push(count(slides, "slide"));
  if (sheets) parts.push(count(sheets, "sheet"));
  const left = [pictures && count(pictures, "picture"), formulas && count(formulas, "formula")].filter(Boolean);
  if (left.length > 0) parts.push(`without its ${left.join(" and ")}`);
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

const PAGES_LISTED = 20;

function listed(pages: readonly number[]): string {
  const first = pages.slice(0, PAGES_LISTED).join(", ");
  return pages.length > PAGES_LISTED ? `${first} and ${pages.length - PAGES_LISTED} more` : first;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
