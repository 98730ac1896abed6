/**
 * Which process runs which turn. A lease is a record whose id is the thread's, so the store lets one turn run per thread, in
 * whichever process. Its epoch counts how often the turn has changed hands, and stands in the turn's own record too: whatever an earlier holder
 * still writes names an older one, and is refused. A process keeps all its leases by one heartbeat; those of a dead process are
 * taken over by the process that notices first. A process that only stood still (SIGSTOP, a virtual machine that slept) learns from its next
 * heartbeat which turns it has lost, and takes nothing further before that.
 */

import { errorOf } from "../basics/errors";
import { PEER_LEFT } from "../basics/facts";
import { fromRecord } from "../basics/names";
import { share } from "../basics/once";
import { addIfAbsent } from "../basics/records";
import { pause } from "../basics/within";
import type { Core, StoreFields, StoreRecord } from "../protocols";
import { createHeartbeat, DEAD_AFTER_BEATS, declareProcesses } from "./heartbeat";

const STORE = "turn_claims"; // A lease was called a claim once, and the name stays.
const LEASES: StoreFields = {
  username: { type: "str", index: true },
  turn_id: "str",
  process_id: "str",
  epoch: "int",
};

const AWAKE_BEATS = DEAD_AFTER_BEATS / 2; // A process that was silent for longer asks first whether it is still thought alive.
const AGAIN_MS = 1000; // After a heartbeat that failed while a turn waits for it.
const LEFT_MS = [20, 250]; // A process closes its connections a moment before the system calls it dead; more on a busy machine.

export interface Lease {
  readonly threadId: string;
  readonly username: string;
  readonly turnId: string;
  /** 0 = of the process that began the turn. */
  readonly epoch: number;
}

/** A lease as it lies in the store. */
interface HeldLease extends Lease {
  readonly processId: string;
}

/** The leases of this process. */
export interface Leases {
  /** Takes the lease of a turn that begins. False when a turn runs in the thread already. */
  take(lease: Lease): Promise<boolean>;
  /** Of a turn that nobody runs and that could not be ended: the heartbeat ends it when it can. */
  abandon(lease: Lease): void;
  /** Whether the others cannot think yet that this process is dead. */
  isAwake(): boolean;
  /** Resolves when that is so again, and turns that were lost meanwhile are known to be; or when `signal` aborts. */
  wake(signal: AbortSignal): Promise<void>;
  /** Takes over what dead processes left, now and at every heartbeat. */
  start(keeper: LeaseKeeper): Promise<void>;
  stop(): Promise<void>;
}

/** The turn engine, as the leases call it. */
export interface LeaseKeeper {
  /** Ends a turn that nobody runs. */
  takeOver(lease: Lease): Promise<void>;
  /** The leases of turns that run here. */
  running(): Lease[];
  /** Another process has taken over a turn that runs here. */
  lose(turnId: string): void;
}

export async function declareLeases(core: Core): Promise<void> {
  await Promise.all([core.store.createStoreIfNotExists(STORE, LEASES), declareProcesses(core)]);
}

export function createLeases(core: Core, givenMs?: number): Leases {
  const heartbeat = createHeartbeat(core);
  const { processId } = heartbeat;
  let keeper: LeaseKeeper = { takeOver: async () => {}, running: () => [], lose: () => {} };
  let timer: Timer | null = null;
  let unsubscribe = (): void => {};
  /** When the last heartbeat began that succeeded. */
  let beaten = now();
  /** Leases that are ours by now, of turns that nobody runs. */
  const abandoned = new Map<string, Lease>();
  const works = new Map<string, Promise<void>>();
  const heartbeatMs = () => givenMs ?? core.config.heartbeatS * 1000;
  const isAwake = () => passedMs(beaten) < AWAKE_BEATS * heartbeatMs();

  const beatNow = async (isRegular: boolean): Promise<void> => {
    const begun = now();
    await heartbeat.beat();
    // The running turns are listed before the leases are read, so that each of them had its lease by then, or has lost it.
    const running = keeper.running();
    // Leases before processes: a process is known before it takes a lease.
    const leases = (await core.store.find(null, STORE)).map(toLease);
    const leaseOf = new Map(leases.map((lease) => [lease.threadId, lease]));
    for (const mine of running) if (!isSame(leaseOf.get(mine.threadId), mine)) keeper.lose(mine.turnId);
    beaten = begun;
    const dead = await heartbeat.findDead(
      leases.map((lease) => lease.processId),
      isRegular,
    );
    for (const left of leases.filter((lease) => dead.has(lease.processId))) {
      const lease = await takeOverLease(core, left, processId);
      // At once: whatever fails next, it is ours to end.
      if (lease) abandoned.set(lease.threadId, lease);
    }
    for (const deadId of dead) await heartbeat.forget(deadId);
  };

  const endAbandonedNow = async (): Promise<void> => {
    for (const lease of [...abandoned.values()]) {
      try {
        await keeper.takeOver(lease);
        abandoned.delete(lease.threadId);
      } catch (error) {
        // One turn that cannot be ended must not keep the others, or the server, from going on.
        const fields = { turn: lease.turnId, error: errorOf(error) };
        core.log.error("A turn that nobody runs could not be ended; trying again", fields);
      }
    }
  };

  // Shared also when the store is so slow that one takes longer than the pause; and apart, as many turns must not hold up a heartbeat.
  const beat = (isRegular = false) => share(works, "beat", () => beatNow(isRegular));
  const endAbandoned = () => share(works, "end", endAbandonedNow);

  /** Whether the process that runs a turn in the thread is gone from this machine. */
  const isLeft = async (threadId: string): Promise<boolean> => {
    const held = await findLease(core, threadId);
    return held !== null && held.processId !== processId && (await heartbeat.isGone(held.processId));
  };

  const failed = (error: unknown) => core.log.error("The heartbeat of this process failed", { error: errorOf(error) });
  const lookAround = (isRegular: boolean): void => {
    if (timer) void beat(isRegular).then(endAbandoned).catch(failed);
  };

  return {
    async take(lease) {
      if (!isAwake()) await beat();
      if (await addLease(core, lease, processId)) return true;
      if (!(await isLeft(lease.threadId))) return false;
      // A heartbeat now, so that the user need not wait for the next one.
      await beat();
      await endAbandoned();
      return addLease(core, lease, processId);
    },

    abandon(lease) {
      abandoned.set(lease.threadId, lease);
    },

    isAwake,

    async wake(signal) {
      while (!isAwake() && !signal.aborted) {
        const isBeaten = await beat().then(
          () => true,
          (error) => failed(error),
        );
        if (!isBeaten) await pause(AGAIN_MS, signal);
      }
    },

    async start(given) {
      keeper = given;
      await beat();
      await endAbandoned();
      timer = setInterval(lookAround, heartbeatMs(), true).unref();
      unsubscribe = await core.bus.subscribe(PEER_LEFT, () => {
        for (const ms of LEFT_MS) setTimeout(lookAround, ms, false).unref();
      });
    },

    async stop() {
      if (timer) clearInterval(timer);
      timer = null;
      unsubscribe();
      await Promise.allSettled(works.values());
      await heartbeat.stop();
    },
  };
}

/** By a clock that nobody sets and one that goes on while the machine sleeps: the one that says more is believed. */
function now(): readonly [number, number] {
  return [performance.now(), Date.now()];
}

function passedMs([steady, wall]: readonly [number, number]): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}

/** False when a turn runs in the thread already. */
function addLease(core: Core, lease: Lease, processId: string): Promise<boolean> {
  const { threadId, username, turnId, epoch } = lease;
  const fields = { username, turn_id: turnId, process_id: processId, epoch };
  return addIfAbsent(core.store, null, STORE, fields, threadId);
}

/** Frees the thread for the next turn; does nothing when another process has taken the turn over. */
export async function releaseLease(core: Core, { threadId, turnId, epoch }: Lease): Promise<void> {
  await core.store.delete(null, STORE, threadId, { turn_id: turnId, epoch });
}

/** Of the turn that runs in the thread, in any process; or null. */
export async function findLease(core: Core, threadId: string): Promise<HeldLease | null> {
  const record = await core.store.get(null, STORE, threadId);
  return record && toLease(record);
}

/** Whether no other process has taken the turn over. */
export async function isHeld(core: Core, lease: Lease): Promise<boolean> {
  return isSame(await findLease(core, lease.threadId), lease);
}

function isSame(a: Lease | null | undefined, b: Lease): boolean {
  return a?.turnId === b.turnId && a.epoch === b.epoch;
}

/** Thrown where a turn would go on that another process has by now. */
export function takenOver(): Error {
  return new Error("The turn was taken over by another process.");
}

/** Ids of the user's threads in which a turn runs, in any process. */
export async function leasedThreads(core: Core, username: string): Promise<string[]> {
  const records = await core.store.find(null, STORE, { where: { username }, select: [] });
  return records.map(({ id }) => id);
}

/** Makes a lease of a dead process that of another. Null when it is not there any more; one process gets it, however many try. */
async function takeOverLease(core: Core, left: HeldLease, processId: string): Promise<Lease | null> {
  const record = await core.store.get(null, STORE, left.threadId);
  if (record?.process_id !== left.processId) return null;
  const { processId: _, ...lease } = toLease(record);
  const epoch = lease.epoch + 1;
  const was = { process_id: left.processId, epoch: lease.epoch };
  const isOurs = await core.store.update(null, STORE, left.threadId, { process_id: processId, epoch }, was);
  return isOurs ? { ...lease, epoch } : null;
}

function toLease(record: StoreRecord): HeldLease {
  const { id: threadId, ...fields } = fromRecord<Omit<HeldLease, "threadId"> & { readonly id: string }>(record);
  return { ...fields, threadId };
}
