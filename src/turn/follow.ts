/**
 * Follows a turn from any position, in whichever process it runs: hear it live, have its owner save, read the store, and go
 * on with what was heard since. A hole between the two (the bus lost something) is filled from the store the same way.
 */

import type { Core, Json, NumberedEvent, TurnInfo } from "../protocols";
import { askToSave } from "./asks";
import { readEvents, turnTopic } from "./event-log";
import { createInbox } from "./inbox";
import { canContinue, eventsAfter, isLast, startOf } from "./numbered";

export async function* follow(
  core: Core,
  username: string,
  turn: TurnInfo,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<readonly NumberedEvent[]> {
  const inbox = createInbox(signal);
  const unsubscribe = await core.bus.subscribe(turnTopic(turn.id), (message) => inbox.put(fromBus(message)));
  try {
    const hasOwner = turn.status === "running" && (await askToSave(core, turn.id));
    const saved = await readEvents(core, username, turn.id);
    const canGoOn = canContinue(saved, after);
    if (!canGoOn) yield [RESET];
    let position = canGoOn ? after : 0;
    let fresh = eventsAfter(saved, position);
    for (;;) {
      position = fresh.at(-1)?.seq ?? position;
      if (fresh.length > 0) yield fresh;
      if (turn.status !== "running" || fresh.some(isLast)) return;
      // An owner who does not answer is in a process that the bus does not reach, or dead: then the store alone tells.
      const heard = await inbox.take(hasOwner ? null : LOOK_AGAIN_MS);
      if (!heard) return;
      const mustRead = heard.length === 0 || hasHole(heard, position);
      const filled = mustRead ? await fill(core, username, turn, position, heard) : heard;
      if (!filled) return;
      fresh = eventsAfter(filled, position);
    }
  } finally {
    unsubscribe();
  }
}

const LOOK_AGAIN_MS = 1000;
const RESET: NumberedEvent = { seq: 0, timestamp: "", event: { type: "reset" } };

function hasHole(events: readonly NumberedEvent[], position: number): boolean {
  let end = position;
  for (const event of events) {
    if (startOf(event) > end) return true;
    end = Math.max(end, event.seq);
  }
  return false;
}

/** What is saved after `position` and then what was heard beyond it; null when not even that is without a hole. */
async function fill(
  core: Core,
  username: string,
  turn: TurnInfo,
  position: number,
  heard: readonly NumberedEvent[],
): Promise<readonly NumberedEvent[] | null> {
  await askToSave(core, turn.id);
  // A hole in what is saved is one that a crash left.
  const saved = eventsAfter(await readEvents(core, username, turn.id), position);
  const end = saved.at(-1)?.seq ?? position;
  const beyond = eventsAfter(heard, end);
  return hasHole(beyond, end) ? null : [...saved, ...beyond];
}

function fromBus(message: Json): readonly NumberedEvent[] {
  return message as unknown as readonly NumberedEvent[];
}
