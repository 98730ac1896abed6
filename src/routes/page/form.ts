/** How forms of the page are read and answered: with script by a fragment or nothing, without by the page that shows the effect. */

import { t } from "elysia";
import { readFields } from "../../basics/body";
import { AppError } from "../../basics/errors";
import { seeOther } from "../http/respond";
import { BODY_MAX_BYTES } from "../session/gate";

/** Path of a form about one thread. */
export const Id = t.Object({ id: t.String() });

// Elysia would parse text that looks like JSON, and people do paste JSON.
export const form = { reader: true, parse: "none" } as const;

/** One with files. */
export const upload = { ...form, bodyMax: { form: BODY_MAX_BYTES } } as const;

export function isFromHtmx(request: Request): boolean {
  return request.headers.has("hx-request");
}

export function done(request: Request, path: string): Response {
  return isFromHtmx(request) ? new Response(null, { status: 204 }) : seeOther(path);
}

/** With script: the browser loads another page, or this one anew. */
export function goTo(path: string): Response {
  return new Response(null, { status: 204, headers: { "hx-redirect": path } });
}

export function noChat(): AppError {
  return new AppError("notFound", "There is no such chat.", { reason: "noChat" });
}

export interface Form {
  /** A field's text by its name; empty when there is none. */
  (name: string): string;
  /** Files that were chosen, and ids of such that were attached before. */
  files(name: string): (File | string)[];
}

export async function readForm(request: Request): Promise<Form> {
  const fields = await readFields(request);
  const text = (name: string) => {
    const value = fields.get(name);
    return typeof value === "string" ? value : "";
  };
  // A browser sends an empty file without a name where none was chosen.
  const isChosen = (value: File | string) => typeof value === "string" || value.size > 0 || Boolean(value.name);
  return Object.assign(text, { files: (name: string) => fields.getAll(name).filter(isChosen) });
}

/** A form sends every line break as CR LF. */
export function plainText(content: string): string {
  // Not by an expression, which takes twice as long for a text of nothing but returns.
  return content.replaceAll("\r\n", "\n").replaceAll("\r", "\n");
}
