/** The pictures of a reply, in whichever of the usual forms its server sends them. */

import { imageTypeOf } from "../../basics/image";
import { isRecord, isTooDeep } from "../../basics/json";
import type { ModelEvent } from "../../protocols";
import { StreamFault } from "./failure";
import type { JsonRecord } from "./opaque";

const MAX_PICTURES = 20; // Of one reply; vendors make four at most.

/** The picture, or why there is none; null for one that was told before. `told` has hashes of those that were. */
export function newPicture(picture: unknown, told: Set<unknown>): ModelEvent | null {
  if (isTooDeep(picture)) throw new StreamFault("malformed");
  const key = Bun.hash(JSON.stringify(picture));
  // Some send them again with the last chunk.
  if (told.has(key) || told.size >= MAX_PICTURES) return null;
  told.add(key);
  return pictureEvent(picture, told.size);
}

const PICTURE_FIELDS = ["image_url", "b64_json", "image", "inline_data", "inlineData", "image_base64"];
/** Of a part that says that it is one. */
const ADDRESS_FIELDS = [...PICTURE_FIELDS, "url", "data", "source"];

export function isPicture(part: JsonRecord): boolean {
  return /image|picture/i.test(String(part.type)) || PICTURE_FIELDS.some((name) => name in part);
}

/** A picture as an event: a file when its bytes are there, else a link, as this server fetches nothing for a model. */
function pictureEvent(picture: unknown, number: number): ModelEvent {
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

function isType(value: unknown): value is string {
  return typeof value === "string" && /^\w+\/[\w.+-]+$/.test(value);
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
    const claimed = [value.mime_type, value.mimeType, value.media_type].find(isType);
    for (const name of ADDRESS_FIELDS) {
      const found = addressIn(value[name], levels - 1);
      if (found.address !== "") return { address: found.address, type: claimed ?? found.type };
    }
  }
  return { address: "", type: "image/png" };
}
