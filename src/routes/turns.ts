/** Turns: follow, look at, stop, continue, and answer calls that wait for the user. */

import { Elysia, t } from "elysia";
import { AppError } from "../basics/errors";
import { withSlot } from "../basics/stream-slots";
import type { Core } from "../protocols";
import { TurnAnswer, TurnEvent, turnJson } from "./json";
import { answers, eventStream, json, resumes } from "./openapi";
import { bounded } from "./read";
import { session } from "./session";
import { turnStream } from "./turn-events";

const Approval = t.Object({ approve: t.Boolean({ description: "Whether the call may run." }) });

export function turnRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1/turns/:id" })
    .use(session(core))
    .guard({ user: true })
    .get("/", async ({ params, user }) => turnJson(found(await core.turns.get(user, params.id))), {
      detail: answers(json(TurnAnswer), 404),
    })
    .delete(
      "/",
      async ({ params, user }) => {
        found((await core.turns.stop(user, params.id)) || null);
        return turnJson(found(await core.turns.get(user, params.id)));
      },
      { detail: answers(json(TurnAnswer), 404) },
    )
    .get(
      "/events",
      async ({ params, query, headers, user, request, server }) => {
        // A browser that comes back asks for the same address again, with the place that it has reached since.
        const lastEventId = headers["last-event-id"];
        const after = lastEventId ? cursorOf(lastEventId) : (query.after ?? 0);
        return withSlot(core, user.username, (slot) => turnStream(core, request, server, user, params.id, after, slot));
      },
      {
        query: t.Object({ after: t.Optional(t.Integer({ minimum: 0 })) }),
        detail: { ...answers(eventStream(TurnEvent), 404, 429), ...resumes },
      },
    )
    .post(
      "/tools/:call_id",
      async ({ params: { id, call_id: callId }, body: { approve }, user }) => {
        found((await core.turns.approve(user, id, callId, approve)) || null);
        return { approve };
      },
      { ...bounded(Approval), detail: answers(json(Approval), 404, 409) },
    )
    .post(
      "/continue",
      ({ params, user, request, server }) =>
        withSlot(core, user.username, async (slot) => {
          const turn = await core.turns.continue(user, params.id);
          return turnStream(core, request, server, user, turn.id, 0, slot);
        }),
      { detail: answers(eventStream(TurnEvent), 404, 409, 429) },
    );
}

/** An id that is none of ours cannot be served, which the stream says; so it may be any number. */
function cursorOf(lastEventId: string): number {
  return /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : Number.MAX_SAFE_INTEGER;
}

function found<T>(value: T | null): T {
  if (value === null) throw new AppError("notFound", "There is no such turn.");
  return value;
}
