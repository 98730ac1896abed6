/** Waiting that ends: by a clock, by a signal, or by both. */

export interface WaitLimit {
  readonly ms?: number;
  readonly signal?: AbortSignal;
}

/**
 * What `work` gives; or, when the time is over or the signal aborts first, what `late` gives, which may throw. A rejection that comes
 * after that is nobody's, and not an unhandled one. The timer and the listener go with the wait.
 *
 * @example
 * ```ts
 * const asking = fetch("https://slow.example", { signal });
 * const answer = await within(asking, { ms: 2000, signal }, () => null);
 * ```
 */
export function within<T, L>(work: Promise<T>, limit: WaitLimit, late: () => L): Promise<T | L> {
  return wait(work, limit, late);
}

/** Resolves after `ms`, or as soon as the signal aborts: the caller looks at it. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return wait<void, void>(null, { ms, signal }, () => {});
}

function wait<T, L>(work: Promise<T> | null, { ms, signal }: WaitLimit, late: () => L): Promise<T | L> {
  const { promise, resolve, reject } = Promise.withResolvers<T | L>();
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", over);
  };
  const over = () => {
    end();
    try {
      resolve(late());
    } catch (error) {
      reject(error);
    }
  };
  const timer = ms === undefined ? undefined : setTimeout(over, ms);
  signal?.addEventListener("abort", over, { once: true });
  work?.finally(end).then(resolve, reject);
  if (signal?.aborted) over();
  return promise;
}
