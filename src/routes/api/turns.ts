/**
 * Turns: look at, stop, continue, answer calls that wait for the user, and follow. Events are encoded once, however many clients follow
 * a turn.
 */

import { Elysia, t } from "elysia";
import { takeSlot } from "../../basics/allowed";
import { required } from "../../basics/errors";
import { sseText } from "../../basics/sse";
import type { Core, NumberedEvent, User } from "../../protocols";
import { type IdleTimer, streamResponse } from "../http/stream";
import { bounded } from "../session/gate";
import { findUser, session } from "../session/session";
import { eventJson, TurnAnswer, TurnEvent, turnJson } from "./json";
import { answers, eventStreamBody, json, resumes } from "./openapi";

const NO_TURN = "There is no such turn.";

const Approval = t.Object({ approve: t.Boolean({ description: "Whether the call may run." }) });

export function turnRoutes(core: Core) {
  return new Elysia({ prefix: "/api/v1/turns/:id" })
    .use(session(core))
    .guard({ user: true })
    .get("/", async ({ params, user }) => turnJson(required(await core.turns.get(user, params.id), NO_TURN)), {
      detail: answers(json(TurnAnswer), 404),
    })
    .delete(
      "/",
      async ({ params, user }) => {
        required(await core.turns.stop(user, params.id), NO_TURN);
        return turnJson(required(await core.turns.get(user, params.id), NO_TURN));
      },
      { detail: answers(json(TurnAnswer), 404) },
    )
    .get(
      "/events",
      ({ params, query, headers, user, request, server }) => {
        // A browser that comes back asks for the same address again, with the place that it has reached since.
        const lastEventId = headers["last-event-id"];
        const after = lastEventId ? cursorOf(lastEventId) : (query.after ?? 0);
        return turnStream(core, { user, request, server }, async () => params, after);
      },
      {
        query: t.Object({ after: t.Optional(t.Integer({ minimum: 0 })) }),
        detail: { ...answers(eventStreamBody(TurnEvent), 404, 429), ...resumes },
      },
    )
    .post(
      "/tools/:call_id",
      async ({ params: { id, call_id: callId }, body: { approve }, user }) => {
        required(await core.turns.approve(user, id, callId, approve), NO_TURN);
        return { approve };
      },
      { ...bounded(Approval), detail: answers(json(Approval), 404, 409) },
    )
    .post(
      "/continue",
      ({ params, user, request, server }) =>
        turnStream(core, { user, request, server }, () => core.turns.continue(user, params.id)),
      { detail: answers(eventStreamBody(TurnEvent), 404, 409, 429) },
    );
}

/** An id that is none of ours cannot be served, which the stream says; so it may be any number. */
function cursorOf(lastEventId: string): number {
  return /^\d{1,15}$/.test(lastEventId) ? Number(lastEventId) : Number.MAX_SAFE_INTEGER;
}

interface TurnFollower {
  readonly user: User;
  readonly request: Request;
  readonly server: IdleTimer | null;
}

/**
 * Follows the turn that `begin` gives, after position `after`. One stream of the user's is taken before that, so that a refusal comes before there is
 * a turn. Throws AppError("notFound") when there is none that the user may see.
 */
export async function turnStream(
  core: Core,
  { user, request, server }: TurnFollower,
  begin: () => Promise<{ readonly id: string }>,
  after = 0,
): Promise<Response> {
  const slot = takeSlot(core, user.username);
  try {
    const { id } = await begin();
    required(await core.turns.get(user, id), NO_TURN);
    return streamResponse({
      core,
      counted: "streams_turn",
      slot,
      request,
      server,
      async begin({ send, end }) {
        const stop = await core.turns.listen(user, id, after, { take: (events) => send(encode(events)), end });
        // Nobody can have deleted it: there is no way to.
        if (!stop) throw new Error("A turn is gone.");
        return stop;
      },
      isAllowed: async () => (await findUser(core, request)) !== null,
    });
  } catch (error) {
    slot.release();
    throw error;
  }
}

const encoder = new TextEncoder();

/** By what was heard at once, which is the same array for all who follow in this process. */
const encoded = new WeakMap<readonly NumberedEvent[], Uint8Array>();

function encode(events: readonly NumberedEvent[]): Uint8Array {
  return encoded.getOrInsertComputed(events, () => encoder.encode(events.map(textOf).join("")));
}

function textOf(numbered: NumberedEvent): string {
  const json = eventJson(numbered);
  if (!json) return "";
  const isReset = numbered.event.type === "reset";
  return sseText({
    data: JSON.stringify(json),
    // A browser's EventSource must not take the position of a reset for its own.
    ...(isReset ? { event: "reset", id: 0 } : { id: numbered.seq }),
  });
}
