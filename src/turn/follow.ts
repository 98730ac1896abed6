/**
 * Following a turn from any position, in whichever process it runs: a follower hears it live, reads what was shown before, and goes on with
 * what was heard since. What was shown is in the memory of a turn that runs here, and in the store in any case, since nothing is shown
 * before it is saved; so whatever the bus loses is read there. By calls, because a turn may have ten thousand listeners, and one
 * that waits must cost nothing; and as an iterable, for readers that take their time.
 */

import { errorOf } from "../basics/errors";
import { createCoalesced } from "../basics/once";
import type { Core, NumberedEvent, TurnInfo, TurnListener } from "../protocols";
import { canContinue, eventsAfter, isLast, lengthOf, readEvents, startOf, turnTopic } from "./event-log";
import { findLease } from "./lease";
import { readTurn } from "./records";

const LOOK_MS = 1000; // A follower to whom the bus brought nothing for so long looks into the store.
const WAITING_AT_MOST = 1_000_000; // UTF-16 units and events of one follower: 2 MB, many minutes of a fast model.
const RESET: NumberedEvent = { seq: 0, timestamp: "", event: { type: "reset" } };

/** The followers of one server. */
export interface Followers {
  /** Until the turn's last event, or until the function returned is called. */
  listen(username: string, turn: TurnInfo, after: number, listener: TurnListener): Promise<() => void>;
  follow(
    username: string,
    turn: TurnInfo,
    after: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly NumberedEvent[]>;
}

/** `shownHere`: what was shown of a turn that runs in this process; null of any other. */
export function createFollowers(core: Core, shownHere: (turnId: string) => readonly NumberedEvent[] | null): Followers {
  // Ten thousand followers that begin at once cost a few reads.
  const reads = createCoalesced<ShownTurn>();
  const looks = createLooks();
  const read = async (username: string, turn: TurnInfo, from: number, isStored: boolean): Promise<ShownTurn> => {
    const shown = isStored ? null : shownHere(turn.id);
    if (shown) return { shown, isHere: true, isOver: false, count: 0 };
    return reads(`${turn.id} ${turn.status} ${from}`, () => readShown(core, username, turn, from));
  };
  const followers: Followers = {
    listen: (username, turn, after, listener) =>
      listen(core, turn, after, listener, { looks, read: (from, isStored) => read(username, turn, from, isStored) }),
    follow: (username, turn, after, signal) =>
      batchesOf((listener) => followers.listen(username, turn, after, listener), signal),
  };
  return followers;
}

interface ShownTurn {
  readonly shown: readonly NumberedEvent[];
  /** Whether the turn runs in this process, whose bus loses nothing. */
  readonly isHere: boolean;
  /** Whether nothing more will come. */
  readonly isOver: boolean;
  /** Items of the store that were read, from the first on. */
  readonly count: number;
}

interface ShownReader {
  /** From an item of the store on; of a turn that runs here all. `isStored`: from the store in any case. */
  read(from: number, isStored: boolean): Promise<ShownTurn>;
  readonly looks: Looks;
}

async function listen(
  core: Core,
  turn: TurnInfo,
  after: number,
  listener: TurnListener,
  { read, looks }: ShownReader,
): Promise<() => void> {
  let position = after;
  /** Heard while what was shown is read; null = events are passed on as they come. */
  let heard: NumberedEvent[] | null = [];
  let heardLength = 0;
  let itemsRead = 0;
  let isOver = false;
  let isQuiet = false;
  let unsubscribe = (): void => {};

  const stop = (): void => {
    isOver = true;
    heard = null;
    looks.delete(look);
    unsubscribe();
  };

  const end = (error?: Error): void => {
    if (isOver) return;
    stop();
    listener.end(error);
  };

  const pass = (events: readonly NumberedEvent[]): void => {
    const fresh = isOver ? [] : eventsAfter(events, position);
    const last = fresh.at(-1);
    if (!last) return;
    position = last.seq;
    listener.take(fresh);
    if (isLast(last)) end();
  };

  const hear = (list: NumberedEvent[], events: readonly NumberedEvent[]): void => {
    list.push(...events);
    heardLength += lengthOfAll(events);
    // A store that takes so long is in trouble; the follower may come back.
    if (heardLength > WAITING_AT_MOST) end();
  };

  /** Reads what was shown, and what was heard meanwhile follows. Never rejects. */
  const catchUp = async (since: NumberedEvent[], isStored = false): Promise<void> => {
    heard = since;
    heardLength = lengthOfAll(since);
    try {
      const known = await read(itemsRead, isStored);
      if (isOver) return;
      if (itemsRead === 0 && !canContinue(known.shown, position)) beginAgain();
      itemsRead = known.count;
      // A hole among saved events is passed over: it has what was said instead of an end that could not be saved, or is of an earlier version.
      pass(known.shown);
      if (isOver) return;
      if (known.isOver) return end();
      if (!known.isHere) looks.add(look);
      const beyond = heard ?? [];
      heard = null;
      // This process stood still, and another one has the turn by now: its events are in the store alone.
      if (known.isHere && hasHole(beyond, position)) await catchUp(beyond, true);
      else pass(beyond);
    } catch (error) {
      end(errorOf(error));
    }
  };

  /** The bus may not reach the process that runs the turn, or that process may have died. */
  const look = (): void => {
    if (isQuiet && !heard) void catchUp([]);
    isQuiet = true;
  };

  const beginAgain = (): void => {
    listener.take([RESET]);
    position = 0;
  };

  // Messages may come before the subscription is known to be in force.
  unsubscribe = await core.bus.subscribe(turnTopic(turn.id), (message) => {
    const events = message as unknown as readonly NumberedEvent[];
    isQuiet = false;
    if (isOver) return;
    if (heard) hear(heard, events);
    else if (hasHole(events, position)) void catchUp([...events]);
    else pass(events);
  });
  if (isOver) unsubscribe();
  else void catchUp(heard);
  return stop;
}

async function readShown(core: Core, username: string, turn: TurnInfo, from: number): Promise<ShownTurn> {
  // The turn's record is read before its events: a turn that has ended has saved them all.
  const isOver = turn.status !== "running" || (await readTurn(core, username, turn.id))?.status !== "running";
  const shown = await readEvents(core, username, turn.id, from);
  const last = shown.at(-1);
  // The last event is saved before the thread is free, and a follower that hears it may send the next message at once.
  const isEarly = turn.status === "running" && last && isLast(last) && (await isLeased(core, turn));
  const count = from + shown.length - (isEarly ? 1 : 0);
  return { shown: isEarly ? shown.slice(0, -1) : shown, isHere: false, isOver: isOver && !isEarly, count };
}

async function isLeased(core: Core, { id, threadId }: TurnInfo): Promise<boolean> {
  return (await findLease(core, threadId))?.turnId === id;
}

interface Looks {
  add(look: () => void): void;
  delete(look: () => void): void;
}

/** One timer for all followers, while there are any. */
function createLooks(): Looks {
  const looks = new Set<() => void>();
  let timer: Timer | null = null;
  return {
    add(look) {
      looks.add(look);
      timer ??= setInterval(() => {
        for (const each of [...looks]) each();
      }, LOOK_MS).unref();
    },
    delete(look) {
      looks.delete(look);
      if (looks.size > 0 || !timer) return;
      clearInterval(timer);
      timer = null;
    },
  };
}

function hasHole(events: readonly NumberedEvent[], position: number): boolean {
  let end = position;
  for (const event of events) {
    if (startOf(event) > end) return true;
    end = Math.max(end, event.seq);
  }
  return false;
}

function lengthOfAll(events: readonly NumberedEvent[]): number {
  let length = 0;
  for (const { event } of events) length += lengthOf(event);
  return length;
}

/**
 * Each item is all events since the reader asked for the item before. The events that wait for a reader are bounded, so that a reader that is
 * too slow costs little: it is dropped.
 */
async function* batchesOf(
  begin: (listener: TurnListener) => Promise<() => void>,
  signal: AbortSignal,
): AsyncGenerator<readonly NumberedEvent[]> {
  let waiting: (readonly NumberedEvent[])[] = [];
  let size = 0;
  let isEnded = false;
  let failure: Error | null = null;
  let wake = () => {};
  const stop = await begin({
    take(events) {
      if (isEnded) return;
      size += lengthOfAll(events);
      // One batch may be larger than the bound: a reader that has read everything else is not slow.
      if (size <= WAITING_AT_MOST || waiting.length === 0) waiting.push(events);
      else [waiting, isEnded] = [[], true];
      wake();
    },
    end(error) {
      isEnded = true;
      failure = error ?? null;
      wake();
    },
  });
  const abort = () => wake();
  signal.addEventListener("abort", abort, { once: true });
  try {
    while (!signal.aborted) {
      const [first, ...others] = waiting;
      [waiting, size] = [[], 0];
      if (first) yield others.length === 0 ? first : [first, ...others].flat();
      else if (failure) throw failure;
      else if (isEnded) return;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    signal.removeEventListener("abort", abort);
    stop();
  }
}
