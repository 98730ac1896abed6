/** A turn's events as they go over the wire; each is encoded once, however many follow it. */

import { AppError } from "../errors";
import type { Core, NumberedEvent, User } from "../protocols";
import { encodeSse } from "../sse";
import { eventJson } from "./json";
import { findUser } from "./session";
import { type IdleTimer, streamResponse } from "./stream";

const encoded = new WeakMap<NumberedEvent, Uint8Array>();
const NOTHING = new Uint8Array();

/** Follows the turn after position `after`. Throws AppError("notFound") when there is none that the user may see. */
export async function turnStream(
  core: Core,
  request: Request,
  server: IdleTimer | null,
  user: User,
  turnId: string,
  after: number,
): Promise<Response> {
  if (!(await core.turns.get(user, turnId))) throw new AppError("notFound", "There is no such turn.");
  return streamResponse({
    core,
    request,
    server,
    messages: (signal) => encodeTurn(core, user, turnId, after, signal),
    isAllowed: async () => (await findUser(core, request)) !== null,
  });
}

async function* encodeTurn(
  core: Core,
  user: User,
  turnId: string,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const batches = await core.turns.follow(user, turnId, after, signal);
  if (!batches) return;
  for await (const batch of batches) {
    const [first, ...others] = batch;
    if (first && others.length === 0) yield encodeEvent(first);
    else yield Buffer.concat(batch.map(encodeEvent));
  }
}

function encodeEvent(numbered: NumberedEvent): Uint8Array {
  const known = encoded.get(numbered);
  if (known) return known;
  const json = eventJson(numbered);
  if (!json) return NOTHING;
  const isReset = numbered.event.type === "reset";
  const bytes = encodeSse({
    data: JSON.stringify(json),
    // A browser's EventSource must not take the position of a reset for its own.
    ...(isReset ? { event: "reset", id: 0 } : { id: numbered.seq }),
  });
  encoded.set(numbered, bytes);
  return bytes;
}
