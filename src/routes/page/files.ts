/** Files on the page: those that are attached before a message is sent, and pictures to look at. */

import { Elysia, t } from "elysia";
import { AppError, required } from "../../basics/errors";
import { inlineTypeOf, scaledDown } from "../../basics/image";
import type { Core, User } from "../../protocols";
import { NO_FILE, uploadOf } from "../api/files";
import { htmlResponse } from "../http/respond";
import { session } from "../session/session";
import { form, Id, readForm, upload } from "./form";

export function attachmentRoutes(core: Core) {
  return new Elysia({ prefix: "/files" })
    .use(session(core))
    .post(
      "/",
      async ({ reader, request }) => {
        const field = await readForm(request);
        const [file] = field.files("file");
        if (!(file instanceof File)) throw new AppError("invalid", "There is no file in the form.");
        const info = await core.file.put(reader.user.username, await uploadOf(file));
        return htmlResponse(core.views.fileChip({ file: info, isPasted: field("pasted") !== "" }, reader.words));
      },
      upload,
    )
    .get(
      "/:id/report",
      async ({ reader, params: { id } }) => {
        const read = required(await core.file.text(reader.user.username, id), NO_FILE);
        return htmlResponse(core.views.fileReport(id, read, reader.words));
      },
      { reader: true, params: Id },
    )
    .post(
      "/:id/remove",
      async ({ reader, params: { id } }) => {
        await core.file.remove(reader.user.username, id);
        return htmlResponse({ markup: "" });
      },
      { ...form, params: Id },
    )
    .get("/:id", ({ reader, params: { id }, query: { small } }) => showPicture(core, reader.user, id, small === "1"), {
      reader: true,
      params: Id,
      query: t.Object({ small: t.Optional(t.String()) }),
    });
}

const SMALL_EDGE = 640; // Pixels: 20 rem on a screen with two for one.

/** Only of kinds that browsers show without running anything, whatever the file says that it is. */
async function showPicture(core: Core, { username }: User, id: string, isSmall: boolean): Promise<Response> {
  const data = await core.file.open(username, id);
  const type = data && (await inlineTypeOf(data));
  if (!data || !type) throw new AppError("notFound", data ? "This file is no picture that can be shown." : NO_FILE);
  const small = isSmall && type !== "image/gif" ? await scaledDown(data, SMALL_EDGE, "webp") : null;
  return new Response(small ?? data, {
    headers: {
      "content-type": small ? "image/webp" : type,
      "content-disposition": "inline",
      "content-security-policy": "default-src 'none'; sandbox",
      "cache-control": "private, max-age=31536000, immutable",
    },
  });
}
