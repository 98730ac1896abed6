/**
 * The default of `limit`: a sliding window in memory, exact because it remembers each take, by a clock that nobody
 * sets. The other processes on the same data are told of each take over the bus, and count it a moment later. Keys come from outside (addresses, names tried at sign-in), so every take also looks at two others and forgets them when
 * their window is over.
 */

import { AppError, errorOf } from "../basics/errors";
import { onceDone } from "../basics/once";
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

const TOPIC = "limit";
const LOOKED_AT = 2; // Per take at most one key is added, so looking at two catches up with any flood.

/** `steadyMs` is for tests. */
export function createLimit(core: Core, steadyMs = () => performance.now()): LimitProtocol {
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

  /** Those that still count, and may be added to. */
  const takesOf = (key: string, windowS: number, now: number): Take[] => {
    const takes = windows.get(key)?.takes ?? [];
    while (takes[0] && takes[0].atMs <= now - windowS * 1000) takes.shift();
    return takes;
  };

  const note = ({ key, cost, windowS }: SharedTake): void => {
    const atMs = steadyMs();
    const takes = takesOf(key, windowS, atMs);
    takes.push({ atMs, cost });
    windows.set(key, { takes, endsMs: atMs + windowS * 1000 });
  };
  const tell = createTeller(core, (take) => {
    forgetSome(steadyMs());
    note(take);
  });

  return {
    async take(key, max, windowS, cost = 1) {
      if (!(max >= 0 && windowS > 0 && cost >= 0)) {
        throw new AppError("invalid", "A limit needs a maximum and a cost of 0 or more, and a window over 0 seconds.");
      }
      const now = steadyMs();
      forgetSome(now);
      const result = judge(takesOf(key, windowS, now), { now, max, windowS, cost });
      if (result.allowed && cost > 0) {
        note({ key, cost, windowS });
        tell({ key, cost, windowS });
      }
      return result;
    },
  };
}

interface SharedTake {
  readonly key: string;
  readonly cost: number;
  readonly windowS: number;
}

/** Tells the other processes of a take, and from the first one on hears theirs. A bus that fails must not fail a take. */
function createTeller(core: Core, note: (take: SharedTake) => void): (take: SharedTake) => void {
  const own = Bun.randomUUIDv7();
  const listen = onceDone(() =>
    core.bus.subscribe(TOPIC, (message) => {
      const { from, ...take } = message as unknown as SharedTake & { readonly from: string };
      if (from !== own) note(take);
    }),
  );
  const publish = async (take: SharedTake): Promise<void> => {
    await listen();
    await core.bus.publish(TOPIC, { ...take, from: own });
  };
  return (take) => {
    publish(take).catch((error) => core.log.error("The bus did not take a use of a limit", { error: errorOf(error) }));
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
