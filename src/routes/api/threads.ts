/**
 * Threads: list, search, messages, rename and other fields, branches, forks, archive; and what there is to choose from for them, which is
 * models, system prompts and tags.
 */

import { Elysia, t } from "elysia";
import { allowedModels, MODEL_NAME_MAX } from "../../basics/allowed";
import { AppError, required } from "../../basics/errors";
import { TAG_MAX, TAGS_MAX } from "../../basics/limits";
import type { Core } from "../../protocols";
import { showBranch } from "../../turn/branch";
import { requireModel, requirePrompt } from "../../turn/plan";
import { bounded, given } from "../session/gate";
import { session } from "../session/session";
import { withRemovedFiles } from "./files";
import { anyObject, HitAnswer, hitJson, MessageAnswer, messageJson, Page, ThreadAnswer, threadJson } from "./json";
import { answers, json, takes } from "./openapi";

const NO_THREAD = "There is no such thread.";

const ListPage = t.Object({
  ...Page,
  archived: t.Optional(t.Boolean()),
  tag: t.Optional(t.String({ description: "Only threads with this tag." })),
  pinned_first: t.Optional(t.Boolean()),
});

export const TITLE_MAX = 500; // Characters.

const ThreadChanges = t.Object({
  title: t.Optional(t.String({ minLength: 1, maxLength: TITLE_MAX, pattern: "\\S", description: "Not blank." })),
  model: t.Optional(t.String({ minLength: 1, maxLength: MODEL_NAME_MAX })),
  system_prompt: t.Optional(t.String({ minLength: 1, maxLength: 500 })),
  parameters: t.Optional(anyObject()),
  archived: t.Optional(t.Boolean()),
  pinned: t.Optional(t.Boolean()),
  tags: t.Optional(t.Array(t.String())),
  metadata: t.Optional(anyObject({ description: "Merged key by key; null removes." })),
});

/** The core cleans tags before it counts them. */
const Described = t.Object({
  ...ThreadChanges.properties,
  tags: t.Optional(t.Array(t.String({ maxLength: TAG_MAX }), { maxItems: TAGS_MAX, description: "All of them." })),
});

const MessageChoice = t.Object({ message_id: t.String() });

export function threadRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1" })
    .use(session(core))
    .guard({ user: true })
    .get("/threads", async ({ query, user }) => (await core.thread.list(user.username, given(query))).map(threadJson), {
      query: ListPage,
      detail: answers(json(t.Array(ThreadAnswer))),
    })
    .get("/tags", ({ user }) => core.thread.tags(user.username), { detail: answers(json(t.Array(t.String()))) })
    .get(
      "/threads/:id",
      async ({ params, user }) => threadJson(required(await core.thread.get(user.username, params.id), NO_THREAD)),
      { detail: answers(json(ThreadAnswer), 404) },
    )
    .get(
      "/threads/:id/messages",
      async ({ params, query, user }) => {
        required(await core.thread.get(user.username, params.id), NO_THREAD);
        const messages = await core.thread.messages(user.username, params.id, given(query));
        return (await withRemovedFiles(core, user.username, messages)).map(messageJson);
      },
      { query: t.Object(Page), detail: answers(json(t.Array(MessageAnswer)), 404) },
    )
    .post(
      "/threads/:id",
      async ({ params, body, user }) => {
        if (body.system_prompt !== undefined) await requirePrompt(core, body.system_prompt);
        if (body.model !== undefined) await requireModel(core, user, body.model);
        const thread = await core.thread.update(user.username, params.id, given(body));
        return threadJson(required(thread, NO_THREAD));
      },
      { ...bounded(ThreadChanges), detail: { ...takes(json(Described)), ...answers(json(ThreadAnswer), 404) } },
    )
    .post(
      "/threads/:id/head",
      async ({ params, body, user }) => threadJson(await showBranch(core, user, params.id, body.message_id)),
      { ...bounded(MessageChoice), detail: answers(json(ThreadAnswer), 404, 409) },
    )
    .post(
      "/threads/:id/fork",
      async ({ params, body, user }) => {
        return threadJson(await core.thread.fork(user.username, params.id, body.message_id));
      },
      { ...bounded(MessageChoice), detail: answers(json(ThreadAnswer), 404) },
    )
    .delete(
      "/threads/:id",
      async ({ params, user }) => {
        required(await core.thread.archive(user.username, params.id), NO_THREAD);
        return { archived: true };
      },
      { detail: answers(json(t.Object({ archived: t.Literal(true) })), 404) },
    );
}

const QUERY_MAX = 500; // Characters of a search. Nobody types more, and each word costs.

export function searchRoutes(core: Core) {
  return new Elysia().use(session(core)).get(
    "/api/v1/search",
    async ({ query, user }) => {
      if (query.q.length > QUERY_MAX) {
        throw new AppError("invalid", `A search may have ${QUERY_MAX} characters; this one has ${query.q.length}.`);
      }
      return (await core.thread.search(user.username, query.q, query.limit)).map(hitJson);
    },
    {
      user: true,
      query: t.Object({
        q: t.String({ description: `Up to ${QUERY_MAX} characters.` }),
        limit: t.Optional(t.Integer({ minimum: 1, maximum: 100 })),
      }),
      detail: answers(json(t.Array(HitAnswer)), 400),
    },
  );
}

export function catalogueRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1" })
    .use(session(core))
    .guard({ user: true })
    .get("/models", ({ user }) => allowedModels(core, user), { detail: answers(json(t.Array(t.String()))) })
    .get(
      "/system_prompts",
      async () => {
        const prompts = await core.systemPrompt.list();
        return Object.fromEntries(prompts.map(({ name, description }) => [name, description]));
      },
      { detail: answers(json(t.Object({ default: t.String() }, { additionalProperties: t.String() }))) },
    );
}
