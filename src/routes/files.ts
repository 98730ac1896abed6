/** Files: upload, list, download, removal, and what can be read of them. A download never runs in the browser as a page of ours. */

import { Elysia, t } from "elysia";
import { AppError } from "../basics/errors";
import type { Core } from "../protocols";
import { FileAnswer, FileTextAnswer, fileJson, fileTextJson } from "./json";
import { answers, Bytes, json, takes, upload } from "./openapi";
import { bounded, given } from "./read";
import { session } from "./session";
import { uploadOf } from "./uploads";

const Page = {
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 1000 })),
  before: t.Optional(t.String({ description: "Id of the last one of the page before." })),
};

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
        ...bounded(t.Object({ file: t.File() })),
        detail: { ...answers(json(FileAnswer)), ...takes(upload(t.Object({ file: Bytes }))) },
      },
    )
    .get("/", async ({ query, user }) => (await core.file.list(user.username, given(query))).map(fileJson), {
      query: t.Object(Page),
      detail: answers(json(t.Array(FileAnswer))),
    })
    .delete(
      "/:id",
      async ({ params, user }) => {
        const info = await core.file.get(user.username, params.id);
        if (!info || !(await core.file.remove(user.username, info.id))) throw noFile();
        return fileJson({ ...info, isRemoved: true });
      },
      { detail: answers(json(FileAnswer), 404) },
    )
    .get(
      "/:id",
      async ({ params, user, set }) => {
        const info = await core.file.get(user.username, params.id);
        const data = info && (await core.file.open(user.username, params.id));
        if (!info || !data) throw noFile();
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
      async ({ params, user }) => {
        const read = await core.file.text(user.username, params.id);
        if (!read) throw noFile();
        return fileTextJson(read);
      },
      { detail: answers(json(FileTextAnswer), 404) },
    );
}

function noFile(): AppError {
  return new AppError("notFound", "There is no such file.");
}
