/**
 * Watches paths, as a hint that a look is due, and no more than that: the system tells nothing of network disks, of some mounts of
 * containers, and of what is not there yet. Whoever is told looks, and looks from time to time without being told.
 */

import { type FSWatcher, watch } from "node:fs";
import { statOf } from "./find";

export interface Watch {
  /** Watches what is at these paths now, and nothing else. A path at which there is nothing, or nothing that can be watched, is left out. */
  renew(paths: Iterable<string>): void;
  /** Nothing is told any more. */
  stop(): void;
}

/** For tests, which watch without the system. */
export type WatchPath = (path: string, changed: () => void) => Pick<FSWatcher, "close" | "on">;

const QUIET_MS = 300; // Who saves writes several times, and plugins.yaml is read again once it has rested for a quarter of a second.

/** `tell` is called when something has changed and then nothing for a moment. */
export function createWatch(tell: () => void, watchPath: WatchPath = watchBySystem): Watch {
  const watched = new Map<string, { readonly state: string; close(): void }>();
  let timer: Timer | undefined;
  let isStopped = false;

  const changed = (): void => {
    if (isStopped) return;
    if (timer) timer.refresh();
    else timer = setTimeout(tell, QUIET_MS).unref();
  };

  const open = (path: string, state: string): void => {
    try {
      const watcher = watchPath(path, changed);
      // Such as the limit of watches, which comes late: looking has to do.
      watcher.on("error", () => watcher.close());
      watched.set(path, { state, close: () => watcher.close() });
    } catch {} // As above.
  };

  return {
    renew(paths) {
      if (isStopped) return;
      const states = new Map([...paths].map((path) => [path, stateOf(path)] as const));
      for (const [path, { state, close }] of watched) {
        if (states.get(path) === state) continue;
        // Before it is opened again: the runtime shares one watch of a path, and the earlier one is of what was there.
        close();
        watched.delete(path);
      }
      for (const [path, state] of states) if (state !== null && !watched.has(path)) open(path, state);
    },
    stop() {
      isStopped = true;
      clearTimeout(timer);
      for (const { close } of watched.values()) close();
      watched.clear();
    },
  };
}

function watchBySystem(path: string, changed: () => void): FSWatcher {
  return watch(path, { persistent: false }, changed);
}

/** Another one whenever a watch that is open may be of something else than what is there; null = there is nothing, or nothing to see. */
function stateOf(path: string): string | null {
  const stats = statOf(path);
  // The number of a file that is gone is soon given to another one.
  return stats && [stats.dev, stats.ino, stats.ctimeNs].join(" ");
}
