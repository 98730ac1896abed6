/**
 * Which process runs which turn. A claim is a record whose id is the thread's, so the store lets one turn run per thread,
 * whoever asks; a process shows that it lives by one heartbeat, however many turns it runs. Turns of a process that is
 * dead are taken over by whoever notices first.
 */

import { hostname } from "node:os";
import { isAppError } from "../errors";
import type { Core, StoreFields, StoreRecord } from "../protocols";

const CLAIMS: StoreFields = {
  username: { type: "str", index: true },
  turn_id: "str",
  process_id: { type: "str", index: true },
};

const PROCESSES: StoreFields = { host: "str", pid: "int", heartbeat: "int" };

const HEARTBEAT_MS = 5000;
const DEAD_AFTER_BEATS = 4; // Longer than any pause of a process that lives.

/** Of this process: several cores may live in one, as in tests. */
const ownIds = new Set<string>();

export interface Claim {
  readonly threadId: string;
  readonly username: string;
  readonly turnId: string;
}

export interface Ownership {
  /** False when a turn runs in the thread already. */
  claim(claim: Claim): Promise<boolean>;
  release(threadId: string): Promise<void>;
  /** The claim of a turn that nobody runs and that could not be ended: the heartbeat takes it over until it can. */
  abandon(claim: Claim): void;
  /** As `findClaim`. */
  find(threadId: string): Promise<Claim | null>;
  /** Ids of the user's threads in which a turn runs, in any process. */
  threadsOf(username: string): Promise<string[]>;
  /** Takes over what dead processes left, now and at every heartbeat. */
  start(takeOver: (claim: Claim) => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

export async function declareOwnershipStores(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists("turn_claims", CLAIMS);
  await core.store.createStoreIfNotExists("processes", PROCESSES);
}

export function createOwnership(core: Core, heartbeatMs = HEARTBEAT_MS): Ownership {
  const processId = Bun.randomUUIDv7();
  ownIds.add(processId);
  let timer: Timer | null = null;
  let beating: Promise<void> | null = null;
  /** Ours by now, with a turn that nobody runs. */
  const abandoned = new Map<string, Claim>();
  const lastHeard = new Map<string, { heartbeat: number; beatsSince: number }>();

  /** Counted in our own heartbeats, so that clocks that differ and a laptop that slept kill nobody. */
  const isSilent = (record: StoreRecord): boolean => {
    const heartbeat = Number(record.heartbeat);
    const heard = lastHeard.get(record.id);
    const beatsSince = heard?.heartbeat === heartbeat ? heard.beatsSince + 1 : 0;
    lastHeard.set(record.id, { heartbeat, beatsSince });
    return beatsSince >= DEAD_AFTER_BEATS;
  };

  const beat = async (takeOver: (claim: Claim) => Promise<void>): Promise<void> => {
    const alive = await core.store.update(null, "processes", processId, { heartbeat: Date.now() });
    if (!alive) await core.store.add(null, "processes", myself(), processId);
    for (const deadId of await findDead(core, processId, (record) => isGone(record) || isSilent(record))) {
      for (const claim of await takeClaims(core, deadId, processId)) abandoned.set(claim.threadId, claim);
      await core.store.delete(null, "processes", deadId);
      lastHeard.delete(deadId);
    }
    for (const claim of [...abandoned.values()]) {
      try {
        await takeOver(claim);
        abandoned.delete(claim.threadId);
      } catch (error) {
        // One turn that cannot be ended must not keep the others, or the server, from going on.
        const fields = { turn: claim.turnId, error: error as Error };
        core.log.error("A turn that nobody runs could not be ended; trying again", fields);
      }
    }
  };

  /** One at a time, also when the store is so slow that a beat takes longer than the pause. */
  const beatOnce = (takeOver: (claim: Claim) => Promise<void>): Promise<void> => {
    beating ??= beat(takeOver).finally(() => {
      beating = null;
    });
    return beating;
  };

  return {
    async claim({ threadId, username, turnId }) {
      const fields = { username, turn_id: turnId, process_id: processId };
      try {
        await core.store.add(null, "turn_claims", fields, threadId);
        return true;
      } catch (error) {
        if (isAppError(error) && error.code === "conflict") return false;
        throw error;
      }
    },

    async release(threadId) {
      await core.store.delete(null, "turn_claims", threadId, { process_id: processId });
    },

    abandon(claim) {
      abandoned.set(claim.threadId, claim);
    },

    find: (threadId) => findClaim(core, threadId),

    async threadsOf(username) {
      const records = await core.store.find(null, "turn_claims", { where: { username }, select: [] });
      return records.map(({ id }) => id);
    },

    async start(takeOver) {
      await beatOnce(takeOver);
      timer = setInterval(() => {
        beatOnce(takeOver).catch((error) => core.log.error("The heartbeat of this process failed", { error }));
      }, heartbeatMs);
      timer.unref();
    },

    async stop() {
      if (timer) clearInterval(timer);
      timer = null;
      await beating?.catch(() => {});
      ownIds.delete(processId);
      await core.store.delete(null, "processes", processId);
    },
  };
}

/** The turn that runs in the thread, in any process, or null. */
export async function findClaim(core: Core, threadId: string): Promise<Claim | null> {
  const record = await core.store.get(null, "turn_claims", threadId);
  return record && toClaim(record);
}

function myself(): { host: string; pid: number; heartbeat: number } {
  return { host: hostname(), pid: process.pid, heartbeat: Date.now() };
}

/** On this machine a process that has ended is known at once; elsewhere only its silence tells. */
function isGone(record: StoreRecord): boolean {
  if (record.host !== hostname()) return false;
  const pid = Number(record.pid);
  // In a container every start has the same pid: a record of it that is not ours is of an earlier life.
  return pid === process.pid ? !ownIds.has(record.id) : !isRunning(pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, for somebody else.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Ids of processes that are dead, also of those that only a claim still names. */
async function findDead(core: Core, ownId: string, isDead: (record: StoreRecord) => boolean): Promise<Set<string>> {
  // Claims first: a process is known before it claims anything.
  const claims = await core.store.find(null, "turn_claims", { select: ["process_id"] });
  const records = await core.store.find(null, "processes");
  const known = new Set(records.map(({ id }) => id));
  const unknown = claims.map((claim) => String(claim.process_id)).filter((id) => !known.has(id));
  const dead = records.filter((record) => record.id !== ownId && isDead(record)).map(({ id }) => id);
  return new Set([...dead, ...unknown]);
}

/** Makes claims ours. Each is taken by one process only, whoever else tries. */
async function takeClaims(core: Core, deadId: string, processId: string): Promise<Claim[]> {
  const taken: Claim[] = [];
  for (const record of await core.store.find(null, "turn_claims", { where: { process_id: deadId } })) {
    const fields = { process_id: processId };
    const isMine = await core.store.update(null, "turn_claims", record.id, fields, { process_id: deadId });
    if (isMine) taken.push(toClaim(record));
  }
  return taken;
}

function toClaim(record: StoreRecord): Claim {
  return { threadId: record.id, username: String(record.username), turnId: String(record.turn_id) };
}
