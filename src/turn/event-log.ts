/**
 * The events of one running turn: numbers them, publishes them to followers within a tick, and saves them to the store
 * within SAVE_MS. Saved items hold text and the position it reaches together, so the two cannot disagree; each save appends
 * one small item, whatever the length of the reply.
 */

import type { Core, Json, NumberedEvent, TurnEvent } from "../protocols";
import { takenOver } from "./claims";
import { joinText, lengthOf } from "./numbered";
import type { Owned } from "./records";

// A crash may lose 250 ms of what was shown. The rest of them is for the write itself and for a loop that is late: with 200
// here, and with 125 at a load of 15, the crash harness found text lost that had been shown for longer.
const SAVE_MS = 100;
// Turns whose time comes in the same 25 ms are saved together: a commit costs as much as ten saves.
const TOGETHER_MS = 25;
const AGAIN_MS = 1000; // After a failed save: a store that has a problem is not asked, nor the log filled, five times a second.

export interface EventLog {
  /** Position after the last event. */
  readonly seq: () => number;
  /** Numbers an event and publishes it with the others of this tick. */
  push(event: TurnEvent): NumberedEvent;
  /** Resolves when all that was pushed is in the store. Rejects when the store fails; it may be called again. */
  save(): Promise<void>;
  /** Saves the turn's last event; it is published by `publishLast`, when the turn's record says so too. May be called again. */
  saveLast(event: TurnEvent): Promise<void>;
  /** Never rejects. `otherwise` is what followers get when the last event could not be saved. */
  publishLast(otherwise?: TurnEvent): Promise<void>;
  /** Says and saves nothing more, because the turn is somebody else's: what waits is dropped. */
  leave(): void;
}

/** `lose` is called when the store refuses a save because somebody has taken the turn over. */
export function createEventLog(core: Core, owned: Owned, lose: () => void = () => {}): EventLog {
  const { username, turnId, epoch } = owned;
  let seq = 0;
  let unsaved: NumberedEvent[] = [];
  let unpublished: NumberedEvent[] = [];
  /** Kept from the others, which the next tick publishes. */
  let last: NumberedEvent | null = null;
  let saving: Promise<void> = Promise.resolve();
  let saveTimer: Timer | null = null;
  let hasLeft = false;

  const number = (event: TurnEvent): NumberedEvent => {
    seq += lengthOf(event);
    const numbered = { seq, timestamp: timestamp(), event };
    unsaved.push(numbered);
    return numbered;
  };

  /** Never rejects: a follower who misses events fills the hole from the store. */
  const publish = async (): Promise<void> => {
    const events = joinText(unpublished);
    unpublished = [];
    try {
      if (events.length > 0) await core.bus.publish(turnTopic(turnId), events as unknown as Json);
    } catch (error) {
      core.log.error("The bus did not take a turn's events", { turn: turnId, error: error as Error });
    }
  };

  const saveNow = async (): Promise<void> => {
    if (hasLeft || unsaved.length === 0) return;
    const events = unsaved;
    unsaved = [];
    const items = joinText(events) as unknown as Json[];
    try {
      if (await core.store.collectionAppend(username, "turns", turnId, "log", items, { epoch })) return;
    } catch (error) {
      unsaved = [...events, ...unsaved];
      throw error;
    }
    lose();
    throw takenOver();
  };

  const save = (): Promise<void> => {
    if (saveTimer) clearTimeout(saveTimer);
    saveTimer = null;
    // One save at a time, so that items stand in order.
    saving = saving.catch(() => {}).then(saveNow);
    return saving;
  };

  const leave = (): void => {
    hasLeft = true;
    unsaved = [];
    unpublished = [];
    if (saveTimer) clearTimeout(saveTimer);
    saveTimer = null;
  };

  const saveSoon = (ms = SAVE_MS + TOGETHER_MS - (performance.now() % TOGETHER_MS)): void => {
    saveTimer ??= setTimeout(() => {
      save().catch((error) => {
        if (hasLeft) return;
        core.log.error("A turn's events could not be saved; trying again", { turn: turnId, error });
        saveSoon(AGAIN_MS);
      });
    }, ms);
  };

  return {
    seq: () => seq,
    push(event) {
      const numbered = number(event);
      if (hasLeft) return numbered;
      if (unpublished.length === 0) setImmediate(publish);
      unpublished.push(numbered);
      saveSoon();
      return numbered;
    },
    save,
    async saveLast(event) {
      last ??= number(event);
      await save();
    },
    async publishLast(otherwise) {
      if (otherwise && (!last || unsaved.length > 0))
        unpublished.push({ seq: seq + (last ? 0 : 1), timestamp: new Date().toISOString(), event: otherwise });
      else if (last) unpublished.push(last);
      await publish();
    },
    leave,
  };
}

let stampedMs = 0;
let stamp = "";

/** ISO 8601, UTC. Made once for all events of a millisecond. */
function timestamp(): string {
  const nowMs = Date.now();
  if (nowMs !== stampedMs) {
    stampedMs = nowMs;
    stamp = new Date(nowMs).toISOString();
  }
  return stamp;
}

/** Reads what is saved of a turn, oldest first. */
export async function readEvents(core: Core, username: string, turnId: string): Promise<NumberedEvent[]> {
  const events: Json[] = [];
  for (;;) {
    const page = await core.store.collectionGet(username, "turns", turnId, "log", {
      from: events.length,
      limit: ITEMS_PER_READ,
    });
    events.push(...page);
    if (page.length < ITEMS_PER_READ) return events as unknown as NumberedEvent[];
    // A store in this process answers without letting the loop go on.
    await new Promise(setImmediate);
  }
}

const ITEMS_PER_READ = 500; // About two milliseconds of reading; other turns go on between two pages.

/** Where followers hear a turn: batches of numbered events. */
export function turnTopic(turnId: string): string {
  return `turn:${turnId}`;
}
