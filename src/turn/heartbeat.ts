/**
 * Which processes live. A process is dead when it is gone from this machine, or was silent for too long elsewhere. On this machine a
 * pid alone says little: a zombie keeps its own until its parent asks for it, and a later process may get it. So a process is known
 * by the time of its start too, where `/proc` tells.
 */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { codeOf } from "../basics/errors";
import type { Core, Json, StoreFields, StoreRecord } from "../protocols";

const PROCESSES: StoreFields = { host: "str", pid: "int", started: "str", heartbeat: "int" };

export const DEAD_AFTER_BEATS = 4; // Longer than any pause of a process that lives.

/** Of all servers in this process of the machine: several may live in one, as in tests. */
const ownIds = new Set<string>();

export async function declareProcesses(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists("processes", PROCESSES);
}

export function createHeartbeat(core: Core) {
  const processId = Bun.randomUUIDv7();
  ownIds.add(processId);
  let lastHeard = new Map<string, Heard>();
  const forget = async (id: string): Promise<void> => {
    await core.store.delete(null, "processes", id);
  };
  return {
    processId,
    /** Says that this process lives. */
    async beat(): Promise<void> {
      const isKnown = await core.store.update(null, "processes", processId, { heartbeat: Date.now() });
      if (!isKnown) await core.store.add(null, "processes", myself(), processId);
    },
    /** Ids of the processes that are dead; a holder without a record is. Silence is counted in the calls that are `isRegular`. */
    async findDead(holders: readonly string[], isRegular: boolean): Promise<Set<string>> {
      const records = await core.store.find(null, "processes");
      const known = new Set(records.map(({ id }) => id));
      const unknown = holders.filter((id) => !known.has(id));
      const others = records.filter(({ id }) => id !== processId);
      lastHeard = new Map(
        others.map((record) => [record.id, hear(record, lastHeard.get(record.id), isRegular ? 1 : 0)]),
      );
      const dead = others.filter((record) => isGone(record) || isSilent(lastHeard.get(record.id)));
      return new Set([...dead.map(({ id }) => id), ...unknown]);
    },
    /** Whether the process is gone from this machine, or nothing is known of it. */
    async isGone(id: string): Promise<boolean> {
      const record = await core.store.get(null, "processes", id);
      return record === null || isGone(record);
    },
    forget,
    /** Says that this process is gone. */
    async stop(): Promise<void> {
      ownIds.delete(processId);
      await forget(processId);
    },
  };
}

interface Heard {
  readonly heartbeat: number;
  readonly beatsSince: number;
}

/** Silence is counted in our own heartbeats, so that clocks that differ and a laptop that slept kill no process. */
function hear(record: StoreRecord, before: Heard | undefined, beats: number): Heard {
  const heartbeat = Number(record.heartbeat);
  return { heartbeat, beatsSince: before?.heartbeat === heartbeat ? before.beatsSince + beats : 0 };
}

function isSilent(heard: Heard | undefined): boolean {
  return (heard?.beatsSince ?? 0) >= DEAD_AFTER_BEATS;
}

/** What others need to know of this process. */
function myself(): { host: string; pid: number; started: string | null; heartbeat: number } {
  const started = stateOf(process.pid)?.started ?? null;
  return { host: hostname(), pid: process.pid, started, heartbeat: Date.now() };
}

/** On this machine a process that has ended is known at once; elsewhere only its silence tells. */
function isGone(record: StoreRecord): boolean {
  if (record.host !== hostname()) return false;
  const pid = Number(record.pid);
  if (pid !== process.pid) return !isRunning(pid, record.started);
  // In a container every start has the same pid: a record of it that is not ours is of an earlier life.
  return !ownIds.has(record.id);
}

/** `started` is null in the record of a process without `/proc`. */
function isRunning(pid: number, started: Json | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as another user of the machine.
    if (codeOf(error) !== "EPERM") return false;
  }
  const state = stateOf(pid);
  if (state === null) return true;
  return !state.hasEnded && (typeof started !== "string" || state.started === started);
}

/** Null where `/proc` does not tell: another system, or a process that is hidden from this one. */
function stateOf(pid: number): { readonly hasEnded: boolean; readonly started: string } | null {
  try {
    // The name of the program comes before these fields, in parentheses, and may hold any character.
    const [, fields = ""] = /^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
    const values = fields.split(" ");
    const [state = ""] = values;
    // In ticks since the machine started, so the same number may come again only after that.
    const started = values[START_TIME];
    if (started === undefined) return null;
    return { hasEnded: state === "Z" || state === "X", started: `${bootId()} ${started}` };
  } catch {
    return null;
  }
}

const START_TIME = 19; // The 22nd field of the line, the state being the third.

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}
