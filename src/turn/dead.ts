/** Which processes are dead: those that are gone from this machine, and those elsewhere that have been silent for too long. */

import { hostname } from "node:os";
import type { Core, StoreRecord } from "../protocols";
import type { HeldClaim } from "./claims";

export const DEAD_AFTER_BEATS = 4; // Longer than any pause of a process that lives.

/** Of this process: several cores may live in one, as in tests. */
export const ownIds = new Set<string>();

export interface Watch {
  /** Ids of processes that are dead, also of those that only a claim still names. Called with every heartbeat of our own. */
  findDead(claims: readonly HeldClaim[]): Promise<Set<string>>;
}

export function createWatch(core: Core, ownId: string): Watch {
  let lastHeard = new Map<string, Heard>();
  return {
    async findDead(claims) {
      const records = await core.store.find(null, "processes");
      const known = new Set(records.map(({ id }) => id));
      const unknown = claims.map(({ processId }) => processId).filter((id) => !known.has(id));
      const others = records.filter(({ id }) => id !== ownId);
      lastHeard = new Map(others.map((record) => [record.id, hear(record, lastHeard.get(record.id))]));
      const dead = others.filter((record) => isGone(record) || isSilent(lastHeard.get(record.id)));
      return new Set([...dead.map(({ id }) => id), ...unknown]);
    },
  };
}

interface Heard {
  readonly heartbeat: number;
  readonly beatsSince: number;
}

/** Counted in our own heartbeats, so that clocks that differ and a laptop that slept kill nobody. */
function hear(record: StoreRecord, before: Heard | undefined): Heard {
  const heartbeat = Number(record.heartbeat);
  return { heartbeat, beatsSince: before?.heartbeat === heartbeat ? before.beatsSince + 1 : 0 };
}

function isSilent(heard: Heard | undefined): boolean {
  return (heard?.beatsSince ?? 0) >= DEAD_AFTER_BEATS;
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
