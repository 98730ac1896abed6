/** GET /api/v1/search: threads by their titles and by what was said in them. */

import { Elysia, t } from "elysia";
import { AppError } from "../basics/errors";
import type { Core } from "../protocols";
import { HitAnswer, hitJson } from "./json";
import { answers, json } from "./openapi";
import { session } from "./session";

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
