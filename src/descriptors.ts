/**
 * Keeps some file descriptors free. Each connection takes one, and a process that has none left cannot accept the next connection, which
 * then waits and has Bun try again without end, at the full cost of a core. So before that the server stops to listen:
 * new connections are refused, idle ones closed, streams go on, and it listens again once there is room.
 */

import { closeSync, openSync, readFileSync } from "node:fs";
import type { Log } from "./protocols";

const LOOK_MS = 250; // How long a flood can have Bun spin once it has begun.
const REST_MS = 1000; // While most are free, so that a server with nothing to do is seldom woken.
const RESERVE_SHARE = 1 / 8; // Of the limit: for files, calls of models, and what comes between two looks;
const RESERVE_MIN = 16; // at least,
const RESERVE_MAX = 256; // and at most.
const PAUSE_MS = 1000; // At least, so that a flood that goes on is let in once a second and no more.
const SAY_AGAIN_MS = 60_000; // A flood that goes on must not fill the log.

export interface Listener {
  /** Stops to listen; what is open and busy goes on. */
  pause(): void;
  /** Listens again. Throws an Error when that cannot be. */
  resume(): void;
}

/** Until the function returned is called. Where the system does not tell its limit nothing is watched. */
export function watchDescriptors(log: Log, { pause, resume }: Listener): () => void {
  const limit = descriptorLimit();
  if (limit === null) return () => {};
  const reserve = Math.min(RESERVE_MAX, Math.max(RESERVE_MIN, Math.floor(limit * RESERVE_SHARE)));
  let pausedMs: number | null = null;
  let saidMs = Number.NEGATIVE_INFINITY;
  const look = (): void => {
    const now = performance.now();
    const free = limit - lowestFree(limit);
    timer = setTimeout(look, free > limit / 2 ? REST_MS : LOOK_MS);
    if (pausedMs === null && free < reserve) {
      pausedMs = now;
      if (now - saidMs > SAY_AGAIN_MS) log.warn(TOO_MANY, { limit });
      saidMs = now;
      pause();
    } else if (pausedMs !== null && now - pausedMs >= PAUSE_MS && free >= 2 * reserve) {
      try {
        resume();
        pausedMs = null;
      } catch (error) {
        log.error("Cannot listen again; trying again", { error: error as Error });
      }
    }
  };
  let timer = setTimeout(look, LOOK_MS);
  return () => clearTimeout(timer);
}

const TOO_MANY =
  "Nearly all file descriptors are in use, so new connections are refused until some are free. Raise the limit: LimitNOFILE in a systemd unit, ulimits in compose.yaml";

/** Bun raises the soft limit to the hard one when it starts. Null where /proc does not tell, or there is no limit. */
function descriptorLimit(): number | null {
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return limit === undefined ? null : Number(limit);
  } catch {
    return null; // Not Linux.
  }
}

/** The number that the next file gets, which is the lowest that is free: at least as many are in use. */
function lowestFree(limit: number): number {
  try {
    const descriptor = openSync("/dev/null", "r");
    closeSync(descriptor);
    return descriptor;
  } catch {
    return limit; // None.
  }
}
