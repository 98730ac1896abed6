/** What a page's live channel has to send and has not sent: bounded, so that a page that does not read is let go. */

export interface Outbox {
  put(message: Uint8Array): void;
  /** Nothing more is taken in; what is there is still given out. */
  end(): void;
  /** The next message. Null at the end, when the page was let go, or when `signal` aborted. */
  take(): Promise<Uint8Array | null>;
}

const WAITING_AT_MOST = 4 * 1024 * 1024; // Bytes. A page that was let go connects again and gets the state.

export function createOutbox(signal: AbortSignal): Outbox {
  const waiting: Uint8Array[] = [];
  let bytes = 0;
  let isEnded = false;
  let wake: (() => void) | null = null;
  signal.addEventListener("abort", () => wake?.(), { once: true });
  return {
    put(message) {
      if (isEnded) return;
      bytes += message.length;
      if (bytes > WAITING_AT_MOST) isEnded = true;
      else waiting.push(message);
      wake?.();
    },
    end() {
      isEnded = true;
      wake?.();
    },
    async take() {
      while (waiting.length === 0 && !isEnded && !signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (signal.aborted) return null;
      const message = waiting.shift() ?? null;
      bytes -= message?.length ?? 0;
      return message;
    },
  };
}
