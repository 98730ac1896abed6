/** A core without HTTP, and what tests of the turn engine put around its parts: a bus that several share, a store that fails. */

import { createLog } from "../../src/basics/log";
import { createBus } from "../../src/core/bus";
import { createLazyStore } from "../../src/core/store";
import { install } from "../../src/plugins";
import type { BusProtocol, Config, Core, Json, Log, Owner, Plugin, StoreProtocol } from "../../src/protocols";
import { atEnd } from "./at-end";
import { temporaryFolder, testConfig } from "./temporary";

export interface TestCoreOptions {
  readonly dataPath?: string;
  readonly config?: Partial<Config>;
  readonly plugins?: readonly Plugin[];
  /** Gets what is logged, level warn and above. */
  readonly logged?: string[];
}

export async function startCore(options: TestCoreOptions = {}): Promise<Core> {
  const config = testConfig(options.dataPath ?? temporaryFolder(), options.config);
  const log = createLog("warn", (_level, line) => void options.logged?.push(line));
  const installed = await install({ config, log, plugins: options.plugins ?? [] });
  atEnd(() => installed.stop(0));
  return installed.core;
}

/** What `auth` stands on: the store, which logs nothing, and the bus; nothing starts. */
export function authCore(config: Config, log: Log): Core {
  const core = { config, log } as { -readonly [Part in keyof Core]: Core[Part] };
  core.bus = createBus(core);
  core.store = createLazyStore({ ...core, log: createLog("error", () => {}) });
  return core;
}

/** A bus between cores that are given the same plugin. Messages are copied and late, as between processes. */
export function sharedBus(): Plugin {
  const topics = new Map<string, Set<(message: Json) => void>>();
  const bus: BusProtocol = {
    async publish(topic, message) {
      const text = JSON.stringify(message);
      await new Promise(setImmediate);
      for (const handler of [...(topics.get(topic) ?? [])]) handler(JSON.parse(text));
    },
    async subscribe(topic, handler) {
      const own = (message: Json) => handler(message);
      topics.set(topic, (topics.get(topic) ?? new Set()).add(own));
      return () => void topics.get(topic)?.delete(own);
    },
    async close() {},
  };
  return { name: "shared-bus", provide: { bus: () => bus } };
}

/** Makes writes to the store throw while `fails` says so; it is asked with the store's name. */
export function failingStore(fails: (store: string) => boolean): Plugin {
  const wrap = (base: StoreProtocol): StoreProtocol => {
    const checked = <A extends unknown[], R>(write: (owner: Owner, store: string, ...rest: A) => Promise<R>) => {
      return async (owner: Owner, store: string, ...rest: A): Promise<R> => {
        if (fails(store)) throw new Error("database or disk is full");
        return write(owner, store, ...rest);
      };
    };
    return {
      ...base,
      add: checked(base.add),
      addMany: checked(base.addMany),
      update: checked(base.update),
      delete: checked(base.delete),
      collectionAppend: checked(base.collectionAppend),
    };
  };
  return { name: "failing-store", provide: { store: (_core, base) => wrap(base) } };
}
