/**
 * Files of a user's message as a model can take them: images as data URLs, texts written out, everything else by name.
 * What does not fit into a call is named too, so that the model can say that it has not seen it.
 */

import type { ChatCompletionContentPart } from "openai/resources/chat/completions";
import type { Core, FileInfo } from "../../protocols";

const MAX_IMAGE_BYTES = 5 * 1024 * 1024; // The least that one of the large vendors takes.
const MAX_IMAGES_BYTES = 10 * 1024 * 1024; // Of one call: more would hold up every other stream while it is encoded.
const MAX_TEXT_BYTES = 256 * 1024; // Of one file; about 64,000 tokens.
const MAX_TEXTS_BYTES = 1024 * 1024; // Of one call.

/** A function that gives the content of one message after the other, out of one budget. */
export function createFileParts(core: Core, username: string | null, canSee: boolean) {
  let imageBytes = MAX_IMAGES_BYTES;
  let textBytes = MAX_TEXTS_BYTES;

  const toPart = async (file: FileInfo): Promise<ChatCompletionContentPart> => {
    const isImage = /^image\/(?:png|jpeg|gif|webp)$/.test(file.type);
    if (isImage && canSee && file.size <= Math.min(MAX_IMAGE_BYTES, imageBytes)) {
      const bytes = await open(file);
      if (bytes === null) return named(file, "it is gone");
      imageBytes -= file.size;
      return { type: "image_url", image_url: { url: `data:${file.type};base64,${await toBase64(bytes)}` } };
    }
    if (isText(file.type)) {
      const most = Math.min(MAX_TEXT_BYTES, textBytes);
      const bytes = most > 0 ? await open(file) : null;
      if (bytes === null) return named(file, most > 0 ? "it is gone" : "there are too many files");
      textBytes -= Math.min(file.size, most);
      const isCut = file.size > most;
      const text = await bytes.slice(0, most).text();
      return {
        type: "text",
        text: `File ${JSON.stringify(file.name)}:\n${text}${isCut ? "\n(The rest is too long.)" : ""}`,
      };
    }
    return named(file, isImage && canSee ? "it is too large" : "this kind is not shown to you");
  };

  const open = (file: FileInfo): Promise<Blob | null> =>
    username === null ? Promise.resolve(null) : core.file.open(username, file.id);

  return async (content: string, files: readonly FileInfo[]): Promise<string | ChatCompletionContentPart[]> => {
    const parts: ChatCompletionContentPart[] = content === "" ? [] : [{ type: "text", text: content }];
    for (const file of files) parts.push(await toPart(file));
    const texts = parts.flatMap((part) => (part.type === "text" ? [part.text] : []));
    // Many endpoints take nothing but a string for text.
    return texts.length === parts.length ? texts.join("\n\n") : parts;
  };
}

function named({ name, type, size }: FileInfo, why: string): ChatCompletionContentPart {
  return { type: "text", text: `File ${JSON.stringify(name)} (${type}, ${size} bytes) is attached, but ${why}.` };
}

async function toBase64(bytes: Blob): Promise<string> {
  return Buffer.from(await bytes.arrayBuffer()).toString("base64");
}

function isText(type: string): boolean {
  return /^text\/|^application\/(?:(?:[\w.-]+\+)?(?:json|xml|yaml)|x-yaml|toml|sql|(?:x-)?(?:javascript|typescript|sh|ndjson))\b/.test(
    type,
  );
}
