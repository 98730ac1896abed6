/** A turn's events as they go over the wire; each is encoded once, however many follow it. */

import { AppError } from "../basics/errors";
import { sseText } from "../basics/sse";
import type { StreamSlot } from "../basics/stream-slots";
import type { Core, NumberedEvent, User } from "../protocols";
import { eventJson } from "./json";
import { findUser } from "./session";
import { type IdleTimer, streamResponse } from "./stream";

/** Follows the turn after position `after`. Throws AppError("notFound") when there is none that the user may see. */
export async function turnStream(
  core: Core,
  request: Request,
  server: IdleTimer | null,
  user: User,
  turnId: string,
  after: number,
  slot: StreamSlot,
): Promise<Response> {
  if (!(await core.turns.get(user, turnId))) throw new AppError("notFound", "There is no such turn.");
  return streamResponse({
    core,
    counted: "streams_turn",
    slot,
    request,
    server,
    async begin({ send, end }) {
      const take = (events: readonly NumberedEvent[]) => send(encode(events));
      const stop = await core.turns.listen(user, turnId, after, { take, end });
      // Nobody can have deleted it: there is no way to.
      if (!stop) throw new Error("A turn is gone.");
      return stop;
    },
    isAllowed: async () => (await findUser(core, request)) !== null,
  });
}

const encoder = new TextEncoder();

/** By what was heard at once, which is the same array for all who follow in this process. */
const encoded = new WeakMap<readonly NumberedEvent[], Uint8Array>();

function encode(events: readonly NumberedEvent[]): Uint8Array {
  const known = encoded.get(events);
  if (known) return known;
  const bytes = encoder.encode(events.map(textOf).join(""));
  encoded.set(events, bytes);
  return bytes;
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
