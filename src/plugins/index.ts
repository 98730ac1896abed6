/**
 * Builds `core` out of plugins, the built-ins first, and builds it anew when plugins change. The core that is given out stays the
 * same object; its parts are exchanged, and running turns keep those that they began with.
 */

import { messageOf } from "../basics/errors";
import { EVERYBODY, publishFact } from "../basics/facts";
import type { Config, Core, Log, Plugin, PluginFault } from "../protocols";
import { createBackground } from "../tools/background";
import { createTurns } from "../turn";
import { assemble, type Workshop } from "./assemble";
import { builtIns } from "./built-ins";
import { createCounts } from "./counts";
import { createFaults } from "./fault";
import { look } from "./files";
import { createFinder } from "./find";
import { createGenerations } from "./generations";
import { createImports } from "./imports";
import { pluginsOf, tellLoaded, tellWinners } from "./info";
import { type LoadedPlugin, withDefaults } from "./load";
import { type CoreParts, createCore } from "./parts";
import { PATIENCE, type Patience } from "./patience";
import { createReloader } from "./reload";
import { holdToNames, holdToSettings } from "./required";
import { createSettingsFile, type SettingsFile } from "./settings";
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
  /** For checks: what is required and cannot be used is a fault as of any other plugin, and the built-in stands in for it. */
  readonly isLenient?: boolean;
  /** False = for a command, beside a server or without: no turn is run or taken over, and no file is watched. Default: true. */
  readonly isServing?: boolean;
}

/** A core that is started and ready for requests. Throws an Error for the owner when a built-in, or a required plugin, cannot start. */
export async function install({
  config,
  log,
  plugins = [],
  isLenient,
  isServing = true,
  ...options
}: InstallOptions): Promise<Installed> {
  registerModules();
  const patience = { ...PATIENCE, ...options.patience };
  const faults = createFaults({ log, folder: config.pluginsPath, isLenient: isLenient === true });
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

  let wanted: readonly LoadedPlugin[] = [];
  let missing: readonly string[] = [];
  const change = async (isForced: boolean): Promise<void> => {
    const found = await finder.find(isForced);
    wanted = found ?? wanted;
    if (folder !== null) missing = holdToNames(settings, [...own, ...wanted], faults, missing);
    if (found === null) return;
    if (isForced) shop.failed = new WeakSet();
    const before = generations.current();
    const next = await assemble(shop, own, wanted).catch((error) => {
      if (before) generations.sweep();
      throw error;
    });
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
    settings,
    patience,
    turns,
    background,
    counts: createCounts(),
    plugins: pluginsOf(generations, running, { faults, settings, reload: reloader.reload }),
    generations,
    running,
    made: new WeakMap(),
    shown: new WeakMap(),
    failed: new WeakSet(),
    held: new Set(),
    building: {} as CoreParts,
  };
  const close = async () => {
    await generations.stopAll();
    await core.bus.close();
    await core.store.close();
  };
  if (folder === null) await tellSkipped(config, settings, log);
  else holdToSettings(settings, config, isLenient === true ? faults : null);
  try {
    await change(false);
    if (isServing)
      await turns.open().catch((error) => {
        throw new Error(`Turns of earlier could not be looked for: ${messageOf(error)}${keepersOf(core)}`, {
          cause: error,
        });
      });
  } catch (error) {
    await close().catch(() => {}); // The first error is the one to mend.
    throw error;
  }
  faults.started();
  if (isServing && folder !== null) reloader.start();
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
      if (isServing) await turns.shutdown(graceMs);
      await background.end();
      await close();
    },
  };
}

/** Whose store and bus it is, when they are not ours. */
function keepersOf({ plugins }: Core): string {
  const { store = "store", bus = "bus" } = plugins.winners();
  const others = Object.entries({ store, bus }).filter(([protocol, name]) => name !== protocol);
  return others.map(([protocol, name]) => ` (${protocol} is provided by the plugin ${name})`).join("");
}

/** Without its plugins a server may show what it should not, and take people in whom it should not. */
async function tellSkipped({ pluginsPath }: Config, settings: SettingsFile, log: Log): Promise<void> {
  const files = (await look(pluginsPath, createImports()))
    .filter(({ kind }) => kind === "file")
    .map(({ file }) => file);
  const required = settings.required();
  if (files.length + required.length === 0) return;
  log.error("SKELETON_SKIP_PLUGINS: the server runs without any of its plugins, also those that guard it", {
    missing: files.join(" ") || undefined,
    required: required.join(" ") || undefined,
  });
}
