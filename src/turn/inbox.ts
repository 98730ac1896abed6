/** What a follower has been sent and has not read yet: bounded, so that one who does not read costs little and is dropped. */

import type { NumberedEvent } from "../protocols";
import { lengthOf } from "./numbered";

const WAITING_AT_MOST = 1_000_000; // UTF-16 units and events: 2 MB, many minutes of a fast model.

export interface Inbox {
  put(events: readonly NumberedEvent[]): void;
  /**
   * All that waits, as soon as anything does; empty when nothing came within `patienceMs` (null = without end). Null when
   * the reader was dropped or `signal` aborted.
   */
  take(patienceMs: number | null): Promise<readonly NumberedEvent[] | null>;
}

export function createInbox(signal: AbortSignal): Inbox {
  let waiting: (readonly NumberedEvent[])[] = [];
  let size = 0;
  let isDropped = false;
  let wake: (() => void) | null = null;
  signal.addEventListener("abort", () => wake?.(), { once: true });

  return {
    put(events) {
      if (isDropped) return;
      for (const { event } of events) size += lengthOf(event);
      // What comes at once may be larger than that: one who has read everything else is not slow.
      isDropped = size > WAITING_AT_MOST && waiting.length > 0;
      if (isDropped) waiting = [];
      else waiting.push(events);
      wake?.();
    },
    async take(patienceMs) {
      const isIdle = () => waiting.length === 0 && !isDropped && !signal.aborted;
      let isPatient = true;
      const timer =
        patienceMs === null
          ? null
          : setTimeout(() => {
              isPatient = false;
              wake?.();
            }, patienceMs);
      while (isPatient && isIdle()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (timer) clearTimeout(timer);
      if (signal.aborted || isDropped) return null;
      const [first, ...others] = waiting;
      waiting = [];
      size = 0;
      return others.length === 0 ? (first ?? []) : [first ?? [], ...others].flat();
    },
  };
}
