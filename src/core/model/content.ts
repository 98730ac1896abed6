/** What a delta or message says: text, thinking and pictures, in whichever of the usual forms its server sends them. */

import { imageTypeOf } from "../../basics/image";
import { isRecord } from "../../basics/json";
import type { ModelEvent } from "../../protocols";
import type { JsonRecord } from "./opaque";

/** Names under which thinking comes as a plain text. */
export const THINKING_FIELDS = ["reasoning_content", "reasoning", "thinking", "reasoning_text", "thought"];

export type ContentPiece =
  | { readonly type: "text" | "thinking"; readonly text: string }
  | { readonly type: "picture"; readonly value: unknown };

/** `content`: a text, or a list of parts. `onPart` gets the parts that are thinking, as they came. */
export function readContent(content: unknown, onPart: (part: JsonRecord) => void): ContentPiece[] {
  if (!Array.isArray(content))
    return isRecord(content) ? readContent([content], onPart) : piece("text", textOf(content));
  return content.flatMap((part: unknown): ContentPiece[] => {
    if (!isRecord(part)) return piece("text", textOf(part));
    if (part.thought === true || /think|reason|thought/i.test(textOf(part.type))) {
      onPart(part);
      return piece("thinking", textIn(part));
    }
    const text = textIn(part);
    return text === "" && isPicture(part) ? [{ type: "picture", value: part }] : piece("text", text);
  });
}

function piece(type: "text" | "thinking", text: string): ContentPiece[] {
  return text === "" ? [] : [{ type, text }];
}

const TEXT_FIELDS = ["text", "thinking", "reasoning", "thought", "summary", "content", "refusal", "value"];
const TEXT_LEVELS = 6; // A list in a part in a list is the deepest seen.

/** The text in a value of any form; empty when there is none. */
export function textIn(value: unknown, levels = TEXT_LEVELS): string {
  if (typeof value === "string") return value;
  if (levels === 0) return "";
  if (Array.isArray(value)) return value.map((item) => textIn(item, levels - 1)).join("");
  if (!isRecord(value)) return "";
  for (const name of TEXT_FIELDS) {
    const text = textIn(value[name], levels - 1);
    if (text !== "") return text;
  }
  return "";
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

const PICTURE_FIELDS = ["image_url", "b64_json", "image", "inline_data", "inlineData", "image_base64"];
/** Of a part that says that it is one. */
const ADDRESS_FIELDS = [...PICTURE_FIELDS, "url", "data", "source"];

function isPicture(part: JsonRecord): boolean {
  return /image|picture/i.test(textOf(part.type)) || PICTURE_FIELDS.some((name) => name in part);
}

/** A picture as an event: a file when its bytes are there, else a link, as this server fetches nothing for a model. */
export function pictureEvent(picture: unknown, number: number): ModelEvent {
  const { address, type } = addressIn(picture);
  if (/^https?:\/\//i.test(address)) {
    const url = URL.parse(address)?.href.replace(/[()]/g, (it) => (it === "(" ? "%28" : "%29"));
    if (url) return { type: "text", text: `\n\n[${url.slice(0, LINK_MAX)}](${url})\n\n` };
  }
  const comma = /^data:/i.test(address) ? address.slice(0, HEAD_MAX).indexOf(",") : -1;
  const head = address.slice(0, Math.max(0, comma));
  const claimed = /^data:([\w.+-]+\/[\w.+-]+)/i.exec(head)?.[1] ?? type;
  const bytes = bytesOf(address.slice(comma + 1), comma < 0 || /;base64$/i.test(head));
  const known = bytes && (imageTypeOf(bytes) ?? (RECOGNIZED.test(claimed) ? null : claimed));
  if (!bytes || !known) return { type: "notice", text: "The model sent a picture that cannot be read." };
  const name = `picture-${number}.${known.replace(/^.*\//, "").replace(/\W.*$/, "").replace("jpeg", "jpg")}`;
  return { type: "file", name, data: new Blob([bytes], { type: known }) };
}

/** Pictures of these types are told by their bytes. */
const RECOGNIZED = /^image\/(?:png|jpe?g|gif|webp)$/i;

/** Null for none, and for what is not encoded so. */
function bytesOf(data: string, isBase64: boolean): Buffer<ArrayBuffer> | null {
  try {
    const text = data.includes("%") ? decodeURIComponent(data) : data;
    if (isBase64 && /[^\w+/=\s-]/.test(text)) return null;
    const bytes = Buffer.from(text, isBase64 ? "base64" : "utf8");
    return bytes.length === 0 ? null : bytes;
  } catch {
    return null; // A broken escape.
  }
}

const LINK_MAX = 80; // Characters that a person sees of it.
const HEAD_MAX = 300; // Characters before the comma of a data: URL.
const ADDRESS_LEVELS = 4;

/** The address or the bare base64 in a picture of any form, and the type that is claimed. */
function addressIn(value: unknown, levels = ADDRESS_LEVELS): { readonly address: string; readonly type: string } {
  if (typeof value === "string") return { address: value, type: "image/png" };
  if (isRecord(value) && levels > 0) {
    const claimed = [value.mime_type, value.mimeType, value.media_type]
      .map(textOf)
      .find((it) => /^\w+\/[\w.+-]+$/.test(it));
    for (const name of ADDRESS_FIELDS) {
      const found = addressIn(value[name], levels - 1);
      if (found.address !== "") return { address: found.address, type: claimed ?? found.type };
    }
  }
  return { address: "", type: "image/png" };
}
