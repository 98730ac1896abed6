/**
 * Files: upload, list, download, removal, and what can be read of them. A download never runs in the
 * browser as a page of ours. Files that messages hold and that their user has removed since stay in them as they were, and say so.
 */

import { Elysia, t } from "elysia";
import { AppError, required } from "../../basics/errors";
import { imageTypeOfFile } from "../../basics/image";
import type { Core, FileInfo, Message, NewFile } from "../../protocols";
import { BODY_MAX_BYTES, bounded, given } from "../session/gate";
import { session } from "../session/session";
import { FileAnswer, FileTextAnswer, fileJson, fileTextJson, Page } from "./json";
import { answers, Bytes, json, takes, uploadBody } from "./openapi";

export const NO_FILE = "There is no such file.";

export function fileRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1/files" })
    .use(session(core))
    .guard({ user: true })
    .post(
      "/",
      async ({ body, user }) => {
        return fileJson(await core.file.put(user.username, await uploadOf(body.file)));
      },
      {
        bodyMax: { form: BODY_MAX_BYTES },
        ...bounded(t.Object({ file: t.File() })),
        detail: { ...answers(json(FileAnswer)), ...takes(uploadBody(t.Object({ file: Bytes }))) },
      },
    )
    .get("/", async ({ query, user }) => (await core.file.list(user.username, given(query))).map(fileJson), {
      query: t.Object(Page),
      detail: answers(json(t.Array(FileAnswer))),
    })
    .delete(
      "/:id",
      async ({ params, user }) => {
        const info = required(await core.file.get(user.username, params.id), NO_FILE);
        required(await core.file.remove(user.username, info.id), NO_FILE);
        return fileJson({ ...info, isRemoved: true });
      },
      { detail: answers(json(FileAnswer), 404) },
    )
    .get(
      "/:id",
      async ({ params, user, set }) => {
        const info = required(await core.file.get(user.username, params.id), NO_FILE);
        const data = required(await core.file.open(user.username, params.id), NO_FILE);
        set.headers["content-security-policy"] = "default-src 'none'; sandbox";
        return new Response(data, {
          headers: {
            "content-type": info.type,
            "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(info.name)}`,
            "cache-control": "private, max-age=31536000, immutable",
          },
        });
      },
      { detail: answers({ "*/*": { schema: Bytes } }, 404) },
    )
    .get(
      "/:id/text",
      async ({ params, user }) => fileTextJson(required(await core.file.text(user.username, params.id), NO_FILE)),
      { detail: answers(json(FileTextAnswer), 404) },
    );
}

const IDS_PER_QUERY = 1000; // The most that `file.list` takes.

/** The messages with `isRemoved` on those of their files that are gone; read in as few questions as can be. */
export async function withRemovedFiles(core: Core, username: string, messages: readonly Message[]): Promise<Message[]> {
  const ids = [...new Set(messages.flatMap(({ files = [] }) => files.map(({ id }) => id)))];
  const there = new Set<string>();
  for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
    const some = await core.file.list(username, { ids: ids.slice(from, from + IDS_PER_QUERY) });
    for (const { id } of some) there.add(id);
  }
  const marked = (file: FileInfo): FileInfo => (there.has(file.id) ? file : { ...file, isRemoved: true });
  return messages.map((message) => (message.files ? { ...message, files: message.files.map(marked) } : message));
}

/** What a browser says of a file's type is a guess by its name; what a picture is, its bytes say. */
export async function uploadOf(file: File): Promise<NewFile> {
  const type = await imageTypeOfFile(file);
  if (type === "image/heic") {
    const sentence = "Pictures in HEIC format, as phones take them, cannot be shown. Save it as JPEG first.";
    throw new AppError("invalid", sentence, { reason: "heic" });
  }
  const claimed =
    file.type.startsWith("image/") && file.type !== "image/svg+xml" ? "application/octet-stream" : file.type;
  // Bun gives a part with an empty file name none at all.
  return { name: file.name ?? "", type: type ?? claimed, data: file };
}
