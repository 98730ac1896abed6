/**
 * Which process runs which turn. A process shows that it lives by one heartbeat, however many turns it runs; those of a
 * process that is dead are taken over by whoever notices first. One that only stood still (SIGSTOP, a virtual machine
 * that slept) learns from its next heartbeat which of its turns it has lost, and takes nothing further before that.
 */

import { errorOf } from "../basics/errors";
import type { Core, StoreFields } from "../protocols";
import { addClaim, type Claim, findClaim, isSame, listClaims, takeClaim } from "./claims";
import { createWatch, DEAD_AFTER_BEATS, isGone, myself, ownIds } from "./dead";

const PROCESSES: StoreFields = { host: "str", pid: "int", started: "str", heartbeat: "int" };

const AWAKE_BEATS = DEAD_AFTER_BEATS / 2; // Whoever has been silent for longer asks first whether it is still thought alive.
const AGAIN_MS = 1000; // After a heartbeat that failed while a turn waits for it.

/** What is done about turns. */
export interface TurnKeeper {
  /** Ends a turn that nobody runs. */
  takeOver(claim: Claim): Promise<void>;
  /** The claims of turns that run here. */
  running(): Claim[];
  /** Somebody else has taken over a turn that runs here. */
  lose(turnId: string): void;
}

export interface Ownership {
  /** False when a turn runs in the thread already. */
  claim(claim: Claim): Promise<boolean>;
  /** The claim of a turn that nobody runs and that could not be ended: the heartbeat takes it over until it can. */
  abandon(claim: Claim): void;
  /** Whether the others cannot think yet that this process is dead. */
  isAwake(): boolean;
  /** Resolves when that is so again, and turns that were lost meanwhile are known to be; or when `signal` aborts. */
  wake(signal: AbortSignal): Promise<void>;
  /** Takes over what dead processes left, now and at every heartbeat. */
  start(keeper: TurnKeeper): Promise<void>;
  stop(): Promise<void>;
}

export async function declareProcesses(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists("processes", PROCESSES);
}

export function createOwnership(core: Core, givenMs?: number): Ownership {
  const processId = Bun.randomUUIDv7();
  ownIds.add(processId);
  let keeper: TurnKeeper = { takeOver: async () => {}, running: () => [], lose: () => {} };
  let timer: Timer | null = null;
  /** When the last heartbeat began that succeeded. */
  let beaten = now();
  /** Ours by now, with a turn that nobody runs. */
  const abandoned = new Map<string, Claim>();
  const watch = createWatch(core, processId);
  const heartbeatMs = () => givenMs ?? core.config.heartbeatS * 1000;
  const isAwake = () => passedMs(beaten) < AWAKE_BEATS * heartbeatMs();

  const beatOnce = shared(async () => {
    const begun = now();
    const isKnown = await core.store.update(null, "processes", processId, { heartbeat: Date.now() });
    if (!isKnown) await core.store.add(null, "processes", myself(), processId);
    // Before the claims are read, so that each of them is among those unless it was lost.
    const running = keeper.running();
    // Claims before processes: a process is known before it claims anything.
    const claims = await listClaims(core);
    const claimOf = new Map(claims.map((claim) => [claim.threadId, claim]));
    for (const mine of running) if (!isSame(claimOf.get(mine.threadId), mine)) keeper.lose(mine.turnId);
    beaten = begun;
    const dead = await watch.findDead(claims);
    for (const left of claims.filter((claim) => dead.has(claim.processId))) {
      const claim = await takeClaim(core, left, processId);
      // At once: whatever fails next, it is ours to end.
      if (claim) abandoned.set(claim.threadId, claim);
    }
    for (const deadId of dead) await core.store.delete(null, "processes", deadId);
  });

  /** Beside the heartbeat, which many turns must not hold up. */
  const endAbandoned = shared(async () => {
    for (const claim of [...abandoned.values()]) {
      try {
        await keeper.takeOver(claim);
        abandoned.delete(claim.threadId);
      } catch (error) {
        // One turn that cannot be ended must not keep the others, or the server, from going on.
        const fields = { turn: claim.turnId, error: errorOf(error) };
        core.log.error("A turn that nobody runs could not be ended; trying again", fields);
      }
    }
  });

  /** Whether whoever runs a turn in the thread is gone from this machine. */
  const isLeft = async (threadId: string): Promise<boolean> => {
    const held = await findClaim(core, threadId);
    if (!held || held.processId === processId) return false;
    const holder = await core.store.get(null, "processes", held.processId);
    return holder === null || isGone(holder);
  };

  const failed = (error: unknown) => core.log.error("The heartbeat of this process failed", { error: errorOf(error) });

  return {
    async claim(claim) {
      if (!isAwake()) await beatOnce();
      if (await addClaim(core, claim, processId)) return true;
      if (!(await isLeft(claim.threadId))) return false;
      // Nobody has to wait for the next heartbeat to find that out.
      await beatOnce();
      await endAbandoned();
      return addClaim(core, claim, processId);
    },

    abandon(claim) {
      abandoned.set(claim.threadId, claim);
    },

    isAwake,

    async wake(signal) {
      while (!isAwake() && !signal.aborted) {
        const isBeaten = await beatOnce().then(
          () => true,
          (error) => failed(error),
        );
        if (!isBeaten) await Bun.sleep(AGAIN_MS);
      }
    },

    async start(given) {
      keeper = given;
      await beatOnce();
      await endAbandoned();
      timer = setInterval(() => void beatOnce().then(endAbandoned).catch(failed), heartbeatMs());
      timer.unref();
    },

    async stop() {
      if (timer) clearInterval(timer);
      timer = null;
      await Promise.allSettled([beatOnce.last(), endAbandoned.last()]);
      ownIds.delete(processId);
      await core.store.delete(null, "processes", processId);
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

/** Whoever calls while it is at work gets what that gives, also when the store is so slow that it takes longer than a pause. */
function shared(work: () => Promise<void>): (() => Promise<void>) & { last(): Promise<void> | null } {
  let working: Promise<void> | null = null;
  const begin = () => {
    working ??= work().finally(() => {
      working = null;
    });
    return working;
  };
  return Object.assign(begin, { last: () => working });
}
