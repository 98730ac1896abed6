/**
 * The events of one running turn: numbers them, saves them, and publishes what is saved, so that nothing that anybody has seen can be
 * lost. Events that are pushed during a save wait for the next one, which takes all of them: a slow store makes saves larger
 * and fewer, and shows an event later by one save. `seq` is the position just after an event; text is as long as its UTF-16 units and every
 * other event is one long, so that joining neighbours or cutting through a text needs no table of boundaries. Saved items hold
 * text and the position it reaches together, so the two cannot disagree.
 */

import { errorOf } from "../basics/errors";
import type { Core, Json, NumberedEvent, TurnEvent } from "../protocols";
import { takenOver } from "./lease";
import type { Owned } from "./records";

const AGAIN_MS = 1000; // After a failed save: a store that has a problem is not asked all the time.
const FULL = 200_000; // UTF-16 units and events that wait for the store; a turn then takes no more until it answers.

export interface EventLog {
  /** Position after the last event. */
  readonly seq: () => number;
  /** The events that are saved and published, oldest first; the same array until there are more. Null once another process has the turn. */
  readonly shown: () => readonly NumberedEvent[] | null;
  /** Position after the last event that is saved and published. */
  readonly shownSeq: () => number;
  /** Whether so much waits for the store that nothing should be added. */
  readonly isFull: () => boolean;
  /** Numbers an event, and has it saved and published with the others of this tick. */
  push(event: TurnEvent): void;
  /** Resolves when all that was pushed is saved. Rejects when the store fails; it may be called again. */
  save(): Promise<void>;
  /** Saves the turn's last event; it is published by `publishLast`, when the turn's record says so too. May be called again. */
  saveLast(event: TurnEvent): Promise<void>;
  /** Never rejects. `otherwise` is what followers get when not all could be saved. */
  publishLast(otherwise?: TurnEvent): Promise<void>;
  /** Publishes and saves nothing more, because another process has the turn: events that wait are dropped. */
  leave(): void;
}

export interface EventLogListener {
  /** Events are saved; called before they are published. */
  take(events: readonly NumberedEvent[]): void;
  /** The store refuses a save, because another process has taken the turn over. */
  lose(): void;
}

export function createEventLog(core: Core, owned: Owned, listener: EventLogListener): EventLog {
  const { username, turnId, epoch } = owned;
  let seq = 0;
  /** Position after the last event that is saved. */
  let saved = 0;
  let waiting: NumberedEvent[] = [];
  let last: NumberedEvent | null = null;
  const shown = createShown();
  let saving: Promise<void> | null = null;
  let isSoon = false;
  let hasFailed = false;
  let hasLeft = false;

  const number = (event: TurnEvent): NumberedEvent => {
    seq += lengthOf(event);
    return { seq, timestamp: timestamp(), event };
  };

  /** Never rejects: a follower who misses events fills the hole from the store. */
  const publish = async (events: readonly NumberedEvent[]): Promise<void> => {
    try {
      await core.bus.publish(turnTopic(turnId), events as unknown as Json);
    } catch (error) {
      core.log.error("The bus did not take a turn's events", { turn: turnId, error: errorOf(error) });
    }
  };

  const show = (events: readonly NumberedEvent[]): Promise<void> | undefined => {
    const end = events.at(-1);
    if (!end || end.seq <= shown.seq()) return;
    shown.add(events);
    listener.take(events);
    return publish(events);
  };

  /** All that waits at this moment, in one append. */
  const saveNow = async (): Promise<void> => {
    const events = joinText(waiting);
    waiting = [];
    const isOurs = await append(events);
    if (!isOurs && !hasLeft) listener.lose();
    if (!isOurs || hasLeft) throw takenOver();
    hasFailed = false;
    saved = events.at(-1)?.seq ?? saved;
    void show(last ? events.filter((event) => event !== last) : events);
  };

  const append = async (events: readonly NumberedEvent[]): Promise<boolean> => {
    try {
      const items = events as unknown as Json[];
      return await core.store.collectionAppend(username, "turns", turnId, "log", items, { epoch });
    } catch (error) {
      waiting = [...events, ...waiting];
      const fields = { turn: turnId, error: errorOf(error) };
      if (!hasFailed && !hasLeft) core.log.error("A turn's events could not be saved; trying again", fields);
      hasFailed = true;
      throw error;
    }
  };

  /** One save at a time, so that items stand in order. Events that are pushed meanwhile are not waited for. */
  const save = async (): Promise<void> => {
    const to = seq;
    while (saved < to && !hasLeft) {
      saving ??= saveNow().finally(() => {
        saving = null;
      });
      await saving;
    }
    if (hasLeft) throw takenOver();
  };

  const saveSoon = (): void => {
    if (isSoon || hasLeft || waiting.length === 0) return;
    const begin = (): void => {
      isSoon = false;
      // A save that fails is logged, and tried again.
      save().then(saveSoon, saveSoon);
    };
    isSoon = true;
    if (hasFailed) setTimeout(begin, AGAIN_MS);
    else setImmediate(begin);
  };

  return {
    seq: () => seq,
    shown: () => (hasLeft ? null : shown.list()),
    shownSeq: shown.seq,
    isFull: () => seq - saved > FULL,
    push(event) {
      const numbered = number(event);
      if (hasLeft) return;
      waiting.push(numbered);
      saveSoon();
    },
    save,
    async saveLast(event) {
      if (!last) {
        last = number(event);
        waiting.push(last);
      }
      await save();
    },
    async publishLast(otherwise) {
      await saving?.catch(() => {});
      if (last && saved >= last.seq) await show([last]);
      else if (otherwise) {
        // This event is published without being saved. Its place is before the events that wait, so that a follower that comes back misses none.
        saved++;
        seq++;
        await publish([{ seq: saved, timestamp: timestamp(), event: otherwise }]);
        const moved = waiting.map((event) => ({ ...event, seq: event.seq + 1 }));
        if (last) last = moved.at(-1) ?? last;
        waiting = moved;
      }
    },
    leave() {
      hasLeft = true;
      waiting = [];
    },
  };
}

const CHUNK = 16_000; // UTF-16 units: texts of so many saves are one event, and joining them costs in proportion to their length.
const JOINED_AT = 50; // Events: few enough to hold, and to join at once.

/** What is shown of a turn, with the texts of many saves joined. */
function createShown() {
  let joined: readonly NumberedEvent[] = [];
  let fresh: NumberedEvent[] = [];
  let seq = 0;
  const join = (): void => {
    if (fresh.length === 0) return;
    const last = joined.at(-1);
    const isOpen = last !== undefined && lengthOf(last.event) < CHUNK;
    joined = isOpen ? [...joined.slice(0, -1), ...joinText([last, ...fresh])] : [...joined, ...joinText(fresh)];
    fresh = [];
  };
  return {
    seq: () => seq,
    add(events: readonly NumberedEvent[]): void {
      fresh.push(...events);
      seq = events.at(-1)?.seq ?? seq;
      if (fresh.length >= JOINED_AT) join();
    },
    list(): readonly NumberedEvent[] {
      join();
      return joined;
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

/** Reads what is saved of a turn, oldest first, from an item on. */
export async function readEvents(core: Core, username: string, turnId: string, from = 0): Promise<NumberedEvent[]> {
  const events: Json[] = [];
  for (;;) {
    const page = await core.store.collectionGet(username, "turns", turnId, "log", {
      from: from + events.length,
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

/** Whether the event is the last of its turn. */
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

/** The events after `position`; of a text that spans it, the rest. */
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

/** Whether a follower at `position` can go on. It cannot at a position that no saved event has, such as that of an end which could not be saved. */
export function canContinue(events: readonly NumberedEvent[], position: number): boolean {
  if (position === 0) return true;
  const next = events.find(({ seq }) => seq > position);
  if (!next) return events.at(-1)?.seq === position;
  if (startOf(next) <= position) return true;
  return events.some(({ seq }) => seq === position);
}
