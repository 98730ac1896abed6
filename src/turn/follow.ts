/** Following a turn as an iterable, for readers that take their time. */

import type { Core, NumberedEvent, TurnInfo } from "../protocols";
import { createInbox } from "./inbox";
import { listen } from "./listen";

export async function* follow(
  core: Core,
  username: string,
  turn: TurnInfo,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<readonly NumberedEvent[]> {
  const inbox = createInbox(signal);
  const stop = await listen(core, username, turn, after, { take: inbox.put, end: inbox.end });
  try {
    for (let events = await inbox.take(); events; events = await inbox.take()) yield events;
  } finally {
    stop();
  }
}
