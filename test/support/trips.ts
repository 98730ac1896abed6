/**
 * A store that is far away and asks what is one trip after the other: it answers nothing until everybody waits for it, and then all at
 * once. So what is asked at once takes one trip, and what needs an answer first takes another.
 */

import type { Plugin, StoreProtocol } from "../../src/protocols";

export interface Trip {
  /** As "get threads", in the order in which they were asked. */
  readonly calls: string[];
}

export interface Trips {
  readonly plugin: Plugin;
  /** From now on. */
  begin(): void;
  /** Those that were answered; what is asked at this moment held nobody up. */
  end(): readonly Trip[];
}

const QUIET_MS = 15; // Without a question: whoever has something else to do before the next one has done it.

export function countTrips(): Trips {
  let trips: Trip[] | null = null;
  const waiting: (() => void)[] = [];
  let calls: string[] = [];
  let timer: Timer | null = null;

  const answer = (): void => {
    trips?.push({ calls });
    calls = [];
    for (const go of waiting.splice(0)) go();
  };

  const ask = (call: string): Promise<void> | void => {
    if (!trips) return;
    calls.push(call);
    if (timer) clearTimeout(timer);
    timer = setTimeout(answer, QUIET_MS);
    return new Promise((resolve) => waiting.push(resolve));
  };

  const far = (base: StoreProtocol): StoreProtocol => {
    const members = Object.entries(base).map(([name, member]) => {
      const call = async (...args: unknown[]) => {
        const store = name === "createStoreIfNotExists" || typeof args[1] !== "string" ? args[0] : args[1];
        await ask(`${name} ${store}`);
        return (member as (...args: unknown[]) => unknown)(...args);
      };
      return [name, call];
    });
    return Object.fromEntries(members) as StoreProtocol;
  };

  return {
    plugin: { name: "far-store", provide: { store: (_core, base) => far(base) } },
    begin() {
      trips = [];
    },
    end() {
      const ended = trips ?? [];
      trips = null;
      if (timer) clearTimeout(timer);
      calls = [];
      for (const go of waiting.splice(0)) go();
      return ended;
    },
  };
}
