/**
 * Whether this process has more to do than it can: its loop is late again and again while turns run. New turns are refused then, so that those
 * that run are served; without that each new one makes all others later, until nobody is served. Looks only while turns run.
 */

import { AppError } from "../basics/errors";
import type { Core } from "../protocols";

const LOOK_MS = 100;
const LATE_MS = 250;
const FOR_MS = 3000;
const COUNTED_MS = 1000; // Of one look: a process that stood still, or whose machine slept, was late once.
const RETRY_S = 5;

export interface Overload {
  /** Called when a turn begins to run. */
  watch(): void;
  /** Throws AppError("unavailable") when the process has too much to do. */
  refuse(): void;
}

export function createOverload(core: Core, isRunning: () => boolean): Overload {
  const lateness = createLateness();
  let timer: Timer | null = null;
  const look = (): void => {
    const was = lateness.isTooLate();
    lateness.look(performance.now());
    if (lateness.isTooLate() && !was) core.log.warn("This process has more to do than it can: new replies are refused");
    if (isRunning() || !timer) return;
    clearInterval(timer);
    timer = null;
    lateness.forget();
  };
  return {
    watch() {
      timer ??= setInterval(look, LOOK_MS).unref();
    },
    refuse() {
      if (!lateness.isTooLate()) return;
      const text = "The server has more to do than it can at the moment. Try again in some seconds.";
      throw new AppError("unavailable", text, { retryAfterS: RETRY_S, reason: "overloaded" });
    },
  };
}

/** How long on end looks have been late that were to come every LOOK_MS. */
export function createLateness() {
  let lastMs: number | null = null;
  let lateMs = 0;
  return {
    look(nowMs: number): void {
      const passedMs = lastMs === null ? 0 : nowMs - lastMs;
      lastMs = nowMs;
      lateMs = passedMs - LOOK_MS > LATE_MS ? lateMs + Math.min(passedMs, COUNTED_MS) : 0;
    },
    isTooLate: () => lateMs >= FOR_MS,
    forget(): void {
      lastMs = null;
      lateMs = 0;
    },
  };
}
