/**
 * Tells a listener a turn's events from any position, in whichever process it runs: hear it live, have its owner save, read the
 * store, and go on with what was heard since. A hole between the two (the bus lost something) is filled from the store the
 * same way. Calls and not an iterable, because a turn may have ten thousand listeners, and one that waits must cost nothing.
 */

import { errorOf } from "../basics/errors";
import type { Core, NumberedEvent, TurnInfo, TurnListener } from "../protocols";
import { askToSave } from "./asks";
import { findClaim } from "./claims";
import { readEvents, turnTopic } from "./event-log";
import { canContinue, eventsAfter, isLast, lengthOf, startOf } from "./numbered";
import { readTurn } from "./records";
import { createTogether, type Together } from "./together";

const LOOK_AGAIN_MS = 1000;
const HEARD_AT_MOST = 1_000_000; // UTF-16 units and events while the store is read: 2 MB, minutes of a fast model.
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
  let heardLength = 0;
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
    if (heard) hear(heard, events);
    else if (hasHole(events, position)) catchUp([...events]);
    else pass(events);
  });

  const hear = (list: NumberedEvent[], events: readonly NumberedEvent[]): void => {
    for (const event of events) {
      list.push(event);
      heardLength += lengthOf(event.event);
    }
    // A store that takes so long is in trouble; whoever listens may come back.
    if (heardLength > HEARD_AT_MOST) end();
  };

  /** Reads what is saved, and what was heard meanwhile follows. Never rejects. */
  const catchUp = async (since: NumberedEvent[], isFirst = false): Promise<void> => {
    heard = since;
    heardLength = 0;
    try {
      // Those who know it as running are not told of its end as early as those who know that it is over.
      const key = `${turn.id} ${turn.status}`;
      const { hasOwner, saved } = await savesOf(core).ask(key, () => saveAndRead(core, username, turn));
      if (isOver) return;
      // Later on the store may just be behind, where its owner cannot be asked; but a hole that covers what was told is of a crash.
      const isBehind = !isFirst && (saved.at(-1)?.seq ?? 0) < position;
      if (!isBehind && !canContinue(saved, position)) beginAgain();
      // A hole in what is saved is one that a crash left.
      pass(saved);
      if (isOver) return;
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

  const beginAgain = (): void => {
    listener.take([RESET]);
    position = 0;
  };

  void catchUp([], true);
  return stop;
}

interface Saved {
  readonly hasOwner: boolean;
  readonly saved: readonly NumberedEvent[];
}

/** The owner saves first, so that what was published until now is in the store. */
async function saveAndRead(core: Core, username: string, turn: TurnInfo): Promise<Saved> {
  // It may have ended since, and then nobody would answer.
  const isRunning = turn.status === "running" && (await readTurn(core, username, turn.id))?.status === "running";
  const hasOwner = isRunning && (await askToSave(core, turn.id));
  const events = await readEvents(core, username, turn.id);
  const last = events.at(-1);
  // It is saved before the thread is free, and whoever hears it may send the next message or read the thread at once.
  const isEarly = turn.status === "running" && last && isLast(last) && (await isClaimed(core, turn));
  return { hasOwner, saved: isEarly ? events.slice(0, -1) : events };
}

async function isClaimed(core: Core, { id, threadId }: TurnInfo): Promise<boolean> {
  return (await findClaim(core, threadId))?.turnId === id;
}

const saves = new WeakMap<Core, Together<Saved>>();

/** Of each server of this process: ten thousand who begin to follow at once cost a few reads. */
function savesOf(core: Core): Together<Saved> {
  const known = saves.get(core) ?? createTogether<Saved>();
  saves.set(core, known);
  return known;
}

function hasHole(events: readonly NumberedEvent[], position: number): boolean {
  let end = position;
  for (const event of events) {
    if (startOf(event) > end) return true;
    end = Math.max(end, event.seq);
  }
  return false;
}
