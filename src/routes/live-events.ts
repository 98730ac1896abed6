/**
 * GET /api/v1/live: what concerns the user, as it happens. A client that comes back with the last id it saw gets what it
 * missed; when that is not known any more, it is told to reload by a `reset`.
 */

import { Elysia } from "elysia";
import { encodePlace, encodeSse } from "../basics/sse";
import { takeSlot } from "../basics/stream-slots";
import type { Core } from "../protocols";
import { factJournals, type Told } from "./fact-journal";
import { LiveEvent, told } from "./json";
import { answers, eventStream, resumes } from "./openapi";
import { findUser, session } from "./session";
import { streamResponse } from "./stream";

export function liveEventRoutes(core: Core) {
  const journals = factJournals(core);
  return new Elysia().use(session(core)).get(
    "/api/v1/live",
    ({ user, request, server }) => {
      return streamResponse({
        core,
        slot: takeSlot(core, user.username),
        counted: "streams_live",
        request,
        server,
        async begin({ send }) {
          const lastEventId = request.headers.get("last-event-id");
          const after = lastEventId ?? (await journals.position(user.username));
          // Else a client that is cut off before the first event would come back without a place, and miss what was between.
          if (lastEventId === null) send(encodePlace(after));
          return journals.listen(user.username, after, (told) => send(encode(told)));
        },
        isAllowed: async () => (await findUser(core, request)) !== null,
      });
    },
    { user: true, detail: { ...answers(eventStream(LiveEvent), 429), ...resumes } },
  );
}

function encode({ id, fact }: Told): Uint8Array {
  const message = { id, data: JSON.stringify(told(fact ?? { type: "reset" })) };
  return encodeSse(fact ? message : { ...message, event: "reset" });
}
