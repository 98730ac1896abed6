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
    let position = after;
    let heard: readonly NumberedEvent[] | null = null;
    let isComplete = turn.status !== "running";
    do {
      if (!heard || isHole(heard, position)) {
        if (!isComplete) await askToSave(core, turn.id);
        const saved = await readEvents(core, username, turn.id);
        if (!heard && !canContinue(saved, position)) {
          yield [RESET];
          position = 0;
        }
        heard = [...saved, ...(heard ?? [])];
      }
      const fresh = eventsAfter(heard, position);
      position = fresh.at(-1)?.seq ?? position;
      if (fresh.length > 0) yield fresh;
      isComplete ||= fresh.some(isLast);
      if (isComplete) return;
      heard = await inbox.take();
    } while (heard);
  } finally {
    unsubscribe();
  }
}

const RESET: NumberedEvent = { seq: 0, timestamp: "", event: { type: "reset" } };

function isHole(events: readonly NumberedEvent[], position: number): boolean {
  const first = events[0];
  return first !== undefined && startOf(first) > position;
}

function fromBus(message: Json): readonly NumberedEvent[] {
  return message as unknown as readonly NumberedEvent[];
}
