/**
 * Builds `core` out of plugins, the built-ins first, and builds it anew when plugins change. The core that is given out stays the
 * same object; its parts are exchanged, and running turns keep those that they began with.
 */

import { EVERYBODY, publishFact } from "../facts";
import type { Config, Core, Log, Plugin, PluginFault } from "../protocols";
import { createTurns } from "../turn";
import { createBackground } from "../turn/background";
import { assemble, type Workshop } from "./assemble";
import { builtIns } from "./built-ins";
import { createCounts } from "./counts";
import { createFaults } from "./fault";
import { createFinder } from "./find";
import { createGenerations } from "./generations";
import { pluginsOf, tellLoaded, tellWinners } from "./info";
import { withDefaults } from "./load";
import { createCore, type Parts } from "./parts";
import { PATIENCE, type Patience } from "./patience";
import { createReloader } from "./reload";
import { createSettingsFile } from "./settings";
import type { Runnings } from "./start";
import { registerModules } from "./virtual";

export interface Installed {
  readonly core: Core;
  /** Everything that is not used, and why. */
  readonly faults: readonly PluginFault[];
  /** Names in plugins.yaml whose settings no plugin that is used reads. */
  readonly unread: readonly string[];
  /** Lets running turns end (see `Turns.shutdown`), then stops the plugins, the last started first. */
  stop(graceMs: number): Promise<void>;
}

export interface InstallOptions {
  readonly config: Config;
  readonly log: Log;
  /** More plugins, as if they were files; for tests and checks. */
  readonly plugins?: readonly Plugin[];
  /** For tests. */
  readonly patience?: Partial<Patience>;
}

/** A core that is started and ready for requests. Throws when a built-in cannot start. */
export async function install({ config, log, plugins = [], ...options }: InstallOptions): Promise<Installed> {
  registerModules();
  const patience = { ...PATIENCE, ...options.patience };
  const faults = createFaults(log);
  const settings = createSettingsFile(config.dataPath, log);
  const running: Runnings = new Map();
  const background = createBackground(log);
  const generations = createGenerations({ log, running, patience, background });
  const folder = config.skipPlugins ? null : config.pluginsPath;
  const finder = createFinder({
    folder,
    given: plugins,
    taken: builtIns.map(({ name }) => name),
    settings,
    faults,
    patience,
  });
  const core = createCore(() => generations.current()?.parts ?? shop.building);
  const own = builtIns.map((plugin) => ({
    ...withDefaults({ priority: 0, ...plugin }, null, settings),
    isBuiltIn: true,
  }));

  const change = async (isForced: boolean): Promise<void> => {
    const wanted = await finder.find(isForced);
    if (wanted === null) return;
    if (isForced) shop.failed = new WeakSet();
    const before = generations.current();
    const next = await assemble(shop, own, wanted);
    generations.commit(next);
    const unread = folder === null ? [] : settings.unread(next.plugins);
    if (unread.length > 0) log.warn(`plugins.yaml: no plugin reads the settings of ${unread.join(", ")}`);
    tellWinners(log, before, next);
    if (config.tracePlugins) tellLoaded(log, before, next, running);
    if (before && before.parts.model !== next.parts.model)
      await publishFact(core, EVERYBODY, { type: "models-changed" });
  };

  const reloader = createReloader(change, log);
  const turns = createTurns(core, { ready: reloader.ready, pin: generations.pin });
  const shop: Workshop = {
    config,
    log,
    faults,
    patience,
    turns,
    background,
    counts: createCounts(),
    plugins: pluginsOf(generations, running, faults, reloader.reload),
    generations,
    running,
    made: new WeakMap(),
    shown: new WeakMap(),
    failed: new WeakSet(),
    building: {} as Parts,
  };
  const close = async () => {
    await generations.stopAll();
    await core.bus.close();
    await core.store.close();
  };
  await change(false).catch(async (error) => {
    await close().catch(() => {}); // The first error is the one to mend.
    throw error;
  });
  await turns.open();
  if (folder !== null) reloader.start();
  return {
    core,
    get faults() {
      return faults.list();
    },
    get unread() {
      return settings.unread(generations.current()?.plugins ?? []);
    },
    async stop(graceMs) {
      await reloader.stop();
      await turns.shutdown(graceMs);
      await background.end();
      await close();
    },
  };
}
