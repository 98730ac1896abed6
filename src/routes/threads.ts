/** Threads: list, messages, rename and other fields, branches, forks, archive. */

import { Elysia, t } from "elysia";
import { MODEL_NAME_MAX } from "../allowed";
import { AppError } from "../errors";
import type { Core, JsonObject } from "../protocols";
import { showBranch } from "../turn/branch";
import { requireModel, requirePrompt } from "../turn/start";
import { messageJson, threadJson } from "./json";
import { session } from "./session";

const Page = {
  limit: t.Optional(t.Integer({ minimum: 1, maximum: 1000 })),
  before: t.Optional(t.String({ description: "Id of the last one of the page before." })),
};

const ListPage = t.Object({
  ...Page,
  archived: t.Optional(t.Boolean()),
  tag: t.Optional(t.String({ description: "Only threads with this tag." })),
  pinned_first: t.Optional(t.Boolean()),
});

const ThreadChanges = t.Object({
  title: t.Optional(t.String({ minLength: 1, maxLength: 500 })),
  model: t.Optional(t.String({ maxLength: MODEL_NAME_MAX })),
  system_prompt: t.Optional(t.String({ maxLength: 500 })),
  parameters: t.Optional(t.Record(t.String(), t.Any())),
  archived: t.Optional(t.Boolean()),
  pinned: t.Optional(t.Boolean()),
  tags: t.Optional(t.Array(t.String(), { description: "All of them: up to 20, each of up to 50 characters." })),
  metadata: t.Optional(t.Record(t.String(), t.Any(), { description: "Merged key by key; null removes." })),
});

const MessageChoice = t.Object({ message_id: t.String() });

export function threadRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1" })
    .use(session(core))
    .guard({ user: true })
    .get(
      "/threads",
      async ({ query, user }) => {
        const { limit, before, archived, tag, pinned_first: pinnedFirst } = query;
        const page = {
          ...(limit && { limit }),
          ...(before && { before }),
          ...(archived && { archived }),
          ...(tag && { tag }),
          ...(pinnedFirst && { pinnedFirst }),
        };
        return (await core.thread.list(user.username, page)).map(threadJson);
      },
      { query: ListPage },
    )
    .get("/tags", ({ user }) => core.thread.tags(user.username))
    .get("/threads/:id", async ({ params, user }) => threadJson(found(await core.thread.get(user.username, params.id))))
    .get(
      "/threads/:id/messages",
      async ({ params, query, user }) => {
        found(await core.thread.get(user.username, params.id));
        const { limit, before } = query;
        const path = { ...(limit && { limit }), ...(before && { before }) };
        return (await core.thread.messages(user.username, params.id, path)).map(messageJson);
      },
      { query: t.Object(Page) },
    )
    .post(
      "/threads/:id",
      async ({ params, body, user }) => {
        const { system_prompt: systemPrompt, parameters, metadata, title, model, archived, pinned, tags } = body;
        if (title?.trim() === "") throw new AppError("invalid", "A thread needs a title.");
        if (systemPrompt !== undefined) await requirePrompt(core, systemPrompt);
        if (model !== undefined) await requireModel(core, user, model);
        const thread = await core.thread.update(user.username, params.id, {
          ...(title !== undefined && { title }),
          ...(model !== undefined && { model }),
          ...(systemPrompt !== undefined && { systemPrompt }),
          ...(archived !== undefined && { archived }),
          ...(pinned !== undefined && { pinned }),
          ...(tags && { tags }),
          ...(parameters && { parameters: parameters as JsonObject }),
          ...(metadata && { metadata: metadata as JsonObject }),
        });
        return threadJson(found(thread));
      },
      { body: ThreadChanges },
    )
    .post(
      "/threads/:id/head",
      async ({ params, body, user }) => threadJson(await showBranch(core, user, params.id, body.message_id)),
      { body: MessageChoice },
    )
    .post(
      "/threads/:id/fork",
      async ({ params, body, user }) => {
        return threadJson(await core.thread.fork(user.username, params.id, body.message_id));
      },
      { body: MessageChoice },
    )
    .delete("/threads/:id", async ({ params, user }) => {
      found((await core.thread.archive(user.username, params.id)) || null);
      return { archived: true };
    });
}

function found<T>(value: T | null): T {
  if (value === null) throw new AppError("notFound", "There is no such thread.");
  return value;
}
