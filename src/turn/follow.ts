/**
 * Following a turn from any position, in whichever process it runs: a follower hears it live, has its owner save, reads the store, and
 * goes on with what was heard since. A hole between the two (the bus lost something) is filled from the store the same way. By calls,
 * because a turn may have ten thousand listeners, and one that waits must cost nothing; and as an iterable, for readers that take
 * their time.
 */

import { errorOf } from "../basics/errors";
import { createCoalesced } from "../basics/once";
import type { Core, NumberedEvent, TurnInfo, TurnListener } from "../protocols";
import { canContinue, eventsAfter, isLast, lengthOf, readEvents, startOf, turnTopic } from "./event-log";
import { findLease } from "./lease";
import { readTurn } from "./records";
import { saveRemotely } from "./remote";

const LOOK_AGAIN_MS = 1000;
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

export function createFollowers(core: Core): Followers {
  // Ten thousand followers that begin at once cost a few reads. Followers of a running turn have a read of their own, since it may leave
  // the turn's end out.
  const reads = createCoalesced<SavedTurn>();
  const followers: Followers = {
    listen: (username, turn, after, listener) =>
      listen(core, turn, after, listener, () =>
        reads(`${turn.id} ${turn.status}`, () => saveAndRead(core, username, turn)),
      ),
    follow: (username, turn, after, signal) =>
      batchesOf((listener) => followers.listen(username, turn, after, listener), signal),
  };
  return followers;
}

interface SavedTurn {
  readonly hasOwner: boolean;
  readonly saved: readonly NumberedEvent[];
}

async function listen(
  core: Core,
  turn: TurnInfo,
  after: number,
  listener: TurnListener,
  read: () => Promise<SavedTurn>,
): Promise<() => void> {
  let position = after;
  /** Heard while the store is read; null = events are passed on as they come. */
  let heard: NumberedEvent[] | null = [];
  let heardLength = 0;
  let isOver = false;
  let lookAgain: Timer | null = null;
  let unsubscribe = (): void => {};

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

  /** Reads what is saved, and what was heard meanwhile follows. Never rejects. */
  const catchUp = async (since: NumberedEvent[], isFirst = false): Promise<void> => {
    heard = since;
    heardLength = 0;
    try {
      const { hasOwner, saved } = await read();
      if (isOver) return;
      // The store may just be behind, where the owner cannot be asked; but a hole over a position that was told is of a crash.
      const isBehind = !isFirst && (saved.at(-1)?.seq ?? 0) < position;
      if (!isBehind && !canContinue(saved, position)) beginAgain();
      // A hole among saved events was left by a crash, and is passed over.
      pass(saved);
      if (isOver) return;
      if (turn.status !== "running") return end();
      // An owner that does not answer is dead, or the bus does not reach it: then the store alone tells.
      if (!hasOwner) lookAgain ??= setInterval(() => !heard && void catchUp([]), LOOK_AGAIN_MS);
      const beyond = eventsAfter(heard ?? [], position);
      heard = null;
      // Not even the store has it: the follower begins again.
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

  // Messages may come before it is known to be in force.
  unsubscribe = await core.bus.subscribe(turnTopic(turn.id), (message) => {
    const events = message as unknown as readonly NumberedEvent[];
    if (isOver) return;
    if (heard) hear(heard, events);
    else if (hasHole(events, position)) catchUp([...events]);
    else pass(events);
  });
  if (isOver) unsubscribe();
  void catchUp(heard, true);
  return stop;
}

/** The owner saves first, so that what was published until now is in the store. */
async function saveAndRead(core: Core, username: string, turn: TurnInfo): Promise<SavedTurn> {
  // A turn that has ended since has no owner that would answer.
  const isRunning = turn.status === "running" && (await readTurn(core, username, turn.id))?.status === "running";
  const hasOwner = isRunning && (await saveRemotely(core, turn.id));
  const events = await readEvents(core, username, turn.id);
  const last = events.at(-1);
  // The last event is saved before the thread is free, and a follower that hears it may send the next message at once.
  const isEarly = turn.status === "running" && last && isLast(last) && (await isLeased(core, turn));
  return { hasOwner, saved: isEarly ? events.slice(0, -1) : events };
}

async function isLeased(core: Core, { id, threadId }: TurnInfo): Promise<boolean> {
  return (await findLease(core, threadId))?.turnId === id;
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
 * All that was told since the reader last asked, as soon as there is anything. Events that wait are bounded, so that a reader that is too
 * slow costs little: it is dropped.
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
