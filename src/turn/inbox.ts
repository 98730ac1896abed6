/** What a follower has been told and has not read yet: bounded, so that one who does not read costs little and is dropped. */

import type { NumberedEvent } from "../protocols";
import { lengthOf } from "./numbered";

const WAITING_AT_MOST = 1_000_000; // UTF-16 units and events: 2 MB, many minutes of a fast model.

export interface Inbox {
  put(events: readonly NumberedEvent[]): void;
  /** Nothing more comes; what waits is still given out, and then the error thrown. */
  end(error?: Error): void;
  /** All that waits, as soon as anything does. Null at the end, when the reader was dropped, or when `signal` aborted. */
  take(): Promise<readonly NumberedEvent[] | null>;
}

export function createInbox(signal: AbortSignal): Inbox {
  let waiting: (readonly NumberedEvent[])[] = [];
  let size = 0;
  let isEnded = false;
  let failure: Error | null = null;
  let wake: (() => void) | null = null;
  signal.addEventListener("abort", () => wake?.(), { once: true });

  return {
    put(events) {
      if (isEnded) return;
      for (const { event } of events) size += lengthOf(event);
      // What comes at once may be larger than that: one who has read everything else is not slow.
      isEnded = size > WAITING_AT_MOST && waiting.length > 0;
      if (isEnded) waiting = [];
      else waiting.push(events);
      wake?.();
    },
    end(error) {
      isEnded = true;
      failure = error ?? null;
      wake?.();
    },
    async take() {
      while (waiting.length === 0 && !isEnded && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (signal.aborted) return null;
      if (waiting.length === 0 && failure) throw failure;
      const [first, ...others] = waiting;
      waiting = [];
      size = 0;
      if (!first) return null;
      return others.length === 0 ? first : [first, ...others].flat();
    },
  };
}
