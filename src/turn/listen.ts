/**
 * Tells a listener a turn's events from any position, in whichever process it runs: hear it live, have its owner save, read the
 * store, and go on with what was heard since. A hole between the two (the bus lost something) is filled from the store the
 * same way. Calls and not an iterable, because a turn may have ten thousand listeners, and one that waits must cost nothing.
 */

import { errorOf } from "../errors";
import type { Core, NumberedEvent, TurnInfo, TurnListener } from "../protocols";
import { askToSave } from "./asks";
import { readEvents, turnTopic } from "./event-log";
import { canContinue, eventsAfter, isLast, startOf } from "./numbered";

const LOOK_AGAIN_MS = 1000;
const RESET: NumberedEvent = { seq: 0, timestamp: "", event: { type: "reset" } };

/** Until the turn's last event, or until the function returned is called. */
export async function listen(
  core: Core,
  username: string,
  turn: TurnInfo,
  after: number,
  listener: TurnListener,
): Promise<() => void> {
  let position = after;
  /** Heard while the store is read; null = events are passed on as they come. */
  let heard: NumberedEvent[] | null = [];
  let isOver = false;
  let lookAgain: Timer | null = null;

  const stop = (): void => {
    isOver = true;
    heard = null;
    if (lookAgain) clearInterval(lookAgain);
    unsubscribe();
  };

  const end = (error?: Error): void => {
    if (isOver) return;
    stop();
    listener.end(error);
  };

  const pass = (events: readonly NumberedEvent[]): void => {
    const fresh = isOver ? [] : eventsAfter(events, position);
    if (fresh.length === 0) return;
    position = fresh.at(-1)?.seq ?? position;
    listener.take(fresh);
    if (fresh.some(isLast)) end();
  };

  const unsubscribe = await core.bus.subscribe(turnTopic(turn.id), (message) => {
    const events = message as unknown as readonly NumberedEvent[];
    if (isOver) return;
    if (heard) heard.push(...events);
    else if (hasHole(events, position)) catchUp([...events]);
    else pass(events);
  });

  /** Reads what is saved, `check` looks at it, and what was heard meanwhile follows. Never rejects. */
  const catchUp = async (since: NumberedEvent[], check?: (saved: readonly NumberedEvent[]) => void): Promise<void> => {
    heard = since;
    try {
      const hasOwner = turn.status === "running" && (await askToSave(core, turn.id));
      const saved = await readEvents(core, username, turn.id);
      if (isOver) return;
      check?.(saved);
      // A hole in what is saved is one that a crash left.
      pass(saved);
      if (turn.status !== "running") return end();
      // An owner who does not answer is in a process that the bus does not reach, or dead: then the store alone tells.
      if (!hasOwner) lookAgain ??= setInterval(() => !heard && void catchUp([]), LOOK_AGAIN_MS);
      const beyond = eventsAfter(heard ?? [], position);
      heard = null;
      // Not even the store has it: whoever listens begins again.
      if (hasHole(beyond, position)) end();
      else pass(beyond);
    } catch (error) {
      end(errorOf(error));
    }
  };

  void catchUp([], (saved) => {
    if (canContinue(saved, after)) return;
    listener.take([RESET]);
    position = 0;
  });
  return stop;
}

function hasHole(events: readonly NumberedEvent[], position: number): boolean {
  let end = position;
  for (const event of events) {
    if (startOf(event) > end) return true;
    end = Math.max(end, event.seq);
  }
  return false;
}
