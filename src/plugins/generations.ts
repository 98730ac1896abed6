/**
 * What is installed at one time is a generation: the plugins and the core made of them. A reload brings the next one; a turn keeps
 * the one that it began with, and a plugin is stopped when no generation in use has it.
 */

import type { Core, Log } from "../protocols";
import type { Background } from "../tools/background";
import type { LoadedPlugin } from "./load";
import { type CoreParts, createCore } from "./parts";
import type { Patience } from "./patience";
import { type Runnings, stopOne } from "./start";

export interface Generation {
  readonly parts: CoreParts;
  /** From low priority to high. */
  readonly plugins: readonly LoadedPlugin[];
}

/** The core of one generation, which stays as it is until it is released. */
export interface Pinned {
  readonly core: Core;
  release(): void;
}

export interface Generations {
  /** Null before the first. */
  current(): Generation | null;
  /** Plugins that only earlier generations have are stopped when nobody uses those any more. */
  commit(next: Generation): void;
  /** Stops in a moment whatever runs and is of no generation in use: what was started for one that came to nothing. */
  sweep(): void;
  pin(): Pinned;
  /** Stops every plugin that runs, the last started first. */
  stopAll(): Promise<void>;
}

const STOP_AFTER_MS = 1000; // Calls that came from elsewhere than a turn are over by then.

interface Options {
  readonly log: Log;
  readonly running: Runnings;
  readonly patience: Patience;
  readonly background: Background;
}

export function createGenerations({ log, running, patience, background }: Options): Generations {
  /** How many turns use each, besides whoever comes now. */
  const users = new Map<Generation, number>();
  const stopping = new Map<LoadedPlugin, Timer>();
  let current: Generation | null = null;

  const stop = async (plugin: LoadedPlugin): Promise<void> => {
    clearTimeout(stopping.get(plugin));
    stopping.delete(plugin);
    if (!running.delete(plugin)) return;
    // Its work may use what its stop takes away.
    await background.endOf(plugin);
    await stopOne(log, plugin, patience);
  };

  const sweep = (): void => {
    for (const [generation, count] of users) if (count === 0 && generation !== current) users.delete(generation);
    const used = new Set([...users.keys()].flatMap(({ plugins }) => plugins));
    for (const plugin of running.keys()) {
      if (!used.has(plugin) && !stopping.has(plugin)) {
        stopping.set(plugin, setTimeout(stop, STOP_AFTER_MS, plugin).unref());
      }
    }
  };

  return {
    current: () => current,
    commit(next) {
      current = next;
      users.set(next, 0);
      sweep();
    },
    sweep,
    pin() {
      const generation = current;
      if (!generation) throw new Error("Nothing is installed yet.");
      users.set(generation, (users.get(generation) ?? 0) + 1);
      const release = () => {
        users.set(generation, (users.get(generation) ?? 1) - 1);
        sweep();
      };
      return { core: snapshotOf(generation), release };
    },
    async stopAll() {
      for (const plugin of [...running.keys()].toReversed()) await stop(plugin);
    },
  };
}

const snapshots = new WeakMap<Generation, Core>();

function snapshotOf(generation: Generation): Core {
  const known = snapshots.get(generation);
  if (known) return known;
  const core = Object.freeze({ ...createCore(() => generation.parts) });
  snapshots.set(generation, core);
  return core;
}
