/**
 * The default of `limit`: a sliding window in memory, exact because it remembers each take, by a clock that nobody
 * sets. Keys come from outside (addresses, names tried at sign-in), so every take also looks at two others and forgets them when
 * their window is over.
 */

import { AppError } from "../basics/errors";
import type { Core, LimitProtocol, LimitResult } from "../protocols";

interface Take {
  readonly atMs: number;
  readonly cost: number;
}

interface Window {
  /** Oldest first. */
  readonly takes: Take[];
  endsMs: number;
}

const LOOKED_AT = 2; // Per take at most one key is added, so looking at two catches up with any flood.

/** `steadyMs` is for tests. */
export function createLimit(_core: Core, steadyMs = () => performance.now()): LimitProtocol {
  const windows = new Map<string, Window>();
  let round = windows.entries();

  const forgetSome = (now: number): void => {
    for (let looked = 0; looked < LOOKED_AT; looked += 1) {
      const next = round.next();
      if (next.done) {
        round = windows.entries();
        return;
      }
      const [key, window] = next.value;
      if (window.endsMs <= now) windows.delete(key);
    }
  };

  return {
    async take(key, max, windowS, cost = 1) {
      if (!(max >= 0 && windowS > 0 && cost >= 0)) {
        throw new AppError("invalid", "A limit needs a maximum and a cost of 0 or more, and a window over 0 seconds.");
      }
      const now = steadyMs();
      forgetSome(now);
      const takes = windows.get(key)?.takes ?? [];
      while (takes[0] && takes[0].atMs <= now - windowS * 1000) takes.shift();
      const result = judge(takes, { now, max, windowS, cost });
      if (result.allowed && cost > 0) {
        takes.push({ atMs: now, cost });
        windows.set(key, { takes, endsMs: now + windowS * 1000 });
      }
      return result;
    },
  };
}

interface Request {
  readonly now: number;
  readonly max: number;
  readonly windowS: number;
  readonly cost: number;
}

function judge(takes: readonly Take[], { now, max, windowS, cost }: Request): LimitResult {
  // A look asks about the smallest take there is.
  const wanted = cost === 0 ? 1 : cost;
  let used = takes.reduce((sum, take) => sum + take.cost, 0);
  if (used + wanted <= max) return { allowed: true, remaining: max - used - cost };
  for (const take of takes) {
    used -= take.cost;
    if (used + wanted > max) continue;
    const waitMs = take.atMs + windowS * 1000 - now;
    return { allowed: false, retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)) };
  }
  // More than the maximum at once: never possible, so any time is as good; the window keeps a caller from hurrying.
  return { allowed: false, retryAfterS: Math.max(1, Math.ceil(windowS)) };
}
