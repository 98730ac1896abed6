/**
 * The events of one running turn: numbers them, publishes them to followers within a tick, and saves them to the store within SAVE_MS.
 * `seq` is the position just after an event; text is as long as its UTF-16 units and every other event is one long, so that joining
 * neighbours or cutting through a text needs no table of boundaries. Saved items hold text and the position it reaches together, so
 * the two cannot disagree; each save appends one small item, whatever the length of the reply.
 */

import type { Core, Json, NumberedEvent, TurnEvent } from "../protocols";
import { takenOver } from "./lease";
import type { Owned } from "./records";

// A crash may lose 250 ms of what was shown; 150 of them are for the write itself and for a loop that is late. With 200 here, and
// with 125 at a load of 15, the crash harness found text lost that had been shown for longer.
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
  /** Publishes and saves nothing more, because another process has the turn: events that wait are dropped. */
  leave(): void;
}

/** `lose` is called when the store refuses a save because another process has taken the turn over. */
export function createEventLog(core: Core, owned: Owned, lose: () => void = () => {}): EventLog {
  const { username, turnId, epoch } = owned;
  let seq = 0;
  /** Of this tick, not published yet. */
  let fresh: NumberedEvent[] = [];
  let unsaved: NumberedEvent[] = [];
  let last: NumberedEvent | null = null;
  let saving: Promise<void> = Promise.resolve();
  let saveTimer: Timer | null = null;
  let hasLeft = false;

  const number = (event: TurnEvent): NumberedEvent => {
    seq += lengthOf(event);
    return { seq, timestamp: timestamp(), event };
  };

  const publishFresh = (): void => {
    if (fresh.length === 0) return;
    const events = joinText(fresh);
    fresh = [];
    unsaved.push(...events);
    saveSoon();
    void publish(events);
  };

  /** Never rejects: a follower who misses events fills the hole from the store. */
  const publish = async (events: readonly NumberedEvent[]): Promise<void> => {
    try {
      await core.bus.publish(turnTopic(turnId), events as unknown as Json);
    } catch (error) {
      core.log.error("The bus did not take a turn's events", { turn: turnId, error: error as Error });
    }
  };

  const saveNow = async (): Promise<void> => {
    publishFresh();
    if (hasLeft || unsaved.length === 0) return;
    const events = joinText(unsaved);
    unsaved = [];
    try {
      const items = events as unknown as Json[];
      if (await core.store.collectionAppend(username, "turns", turnId, "log", items, { epoch })) return;
    } catch (error) {
      unsaved = [...events, ...unsaved];
      throw error;
    }
    lose();
    throw takenOver();
  };

  const stopTimer = (): void => {
    if (saveTimer) clearTimeout(saveTimer);
    saveTimer = null;
  };

  const save = (): Promise<void> => {
    stopTimer();
    // One save at a time, so that items stand in order.
    saving = saving.catch(() => {}).then(saveNow);
    return saving;
  };

  const saveSoon = (ms?: number): void => {
    saveTimer ??= setTimeout(
      () => {
        save().catch((error) => {
          if (hasLeft) return;
          core.log.error("A turn's events could not be saved; trying again", { turn: turnId, error });
          saveSoon(AGAIN_MS);
        });
      },
      ms ?? SAVE_MS + TOGETHER_MS - (performance.now() % TOGETHER_MS),
    );
  };

  return {
    seq: () => seq,
    push(event) {
      const numbered = number(event);
      if (hasLeft) return numbered;
      if (fresh.length === 0) setImmediate(publishFresh);
      fresh.push(numbered);
      return numbered;
    },
    save,
    async saveLast(event) {
      publishFresh();
      if (!last) {
        last = number(event);
        unsaved.push(last);
      }
      await save();
    },
    async publishLast(otherwise) {
      if (otherwise && (!last || unsaved.length > 0))
        await publish([{ seq: seq + (last ? 0 : 1), timestamp: timestamp(), event: otherwise }]);
      else if (last) await publish([last]);
    },
    leave() {
      hasLeft = true;
      fresh = [];
      unsaved = [];
      stopTimer();
    },
  };
}

let stampedMs = 0;
let stamp = "";

/** ISO 8601, UTC. Made once for all events of a millisecond. */
export function timestamp(): string {
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

export function lengthOf(event: TurnEvent): number {
  return event.type === "text" || event.type === "thinking" ? event.text.length : 1;
}

export function startOf({ seq, event }: NumberedEvent): number {
  return seq - lengthOf(event);
}

/** Whether nothing follows it. */
export function isLast({ event }: NumberedEvent): boolean {
  return event.type === "end" || event.type === "error";
}

/** The same events with neighbouring texts of one kind joined. */
export function joinText(events: readonly NumberedEvent[]): readonly NumberedEvent[] {
  if (events.length < 2) return events;
  const joined: NumberedEvent[] = [];
  for (const next of events) {
    const before = joined.at(-1);
    const both = before && joinedOf(before, next);
    if (both) joined[joined.length - 1] = both;
    else joined.push(next);
  }
  return joined;
}

function joinedOf(before: NumberedEvent, next: NumberedEvent): NumberedEvent | null {
  const { event } = next;
  if (event.type !== "text" && event.type !== "thinking") return null;
  if (event.type !== before.event.type || startOf(next) !== before.seq) return null;
  return { ...next, event: { type: event.type, text: before.event.text + event.text } };
}

/** What lies after `position`: earlier events left out, one that spans it cut. */
export function eventsAfter(events: readonly NumberedEvent[], position: number): readonly NumberedEvent[] {
  const first = events[0];
  if (!first || startOf(first) >= position) return events;
  return events.flatMap((item) => {
    if (item.seq <= position) return [];
    const skip = position - startOf(item);
    if (skip <= 0 || (item.event.type !== "text" && item.event.type !== "thinking")) return item;
    return { ...item, event: { type: item.event.type, text: item.event.text.slice(skip) } };
  });
}

/** Whether a reader at `position` can go on: it is no position that was never given, and none that was lost in a crash. */
export function canContinue(events: readonly NumberedEvent[], position: number): boolean {
  if (position === 0) return true;
  const next = events.find(({ seq }) => seq > position);
  if (!next) return events.at(-1)?.seq === position;
  if (startOf(next) <= position) return true;
  return events.some(({ seq }) => seq === position);
}
