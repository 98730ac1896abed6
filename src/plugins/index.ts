/**
 * Builds `core` out of plugins, the built-ins first. A plugin that fails in any part is left out with all of its parts, as
 * if its file were not there, and what it would have replaced stays.
 */

import type { Config, Core, Log, Plugin } from "../protocols";
import { createTurns, type TurnEngine } from "../turn";
import { type Background, createBackground } from "../turn/background";
import { createHookRunner } from "../turn/hooks";
import { createTools } from "../turn/tools";
import { builtIns } from "./built-ins";
import { createFaults, type Fault } from "./fault";
import { type Found, findPlugins, sortPlugins } from "./find";
import { type Building, provideAll } from "./provide";
import { createSettingsFile, type SettingsFile, settingsOf } from "./settings";
import { type Started, startAll, stopAll } from "./start";
import { registerModules } from "./virtual";

export interface Installed {
  readonly core: Core;
  /** Everything that is not used, and why. */
  readonly faults: readonly Fault[];
  /** Lets running turns end (see `Turns.shutdown`), then stops the plugins, the last started first. */
  stop(graceMs: number): Promise<void>;
}

export interface InstallOptions {
  readonly config: Config;
  readonly log: Log;
  /** More plugins, as if they were files; for tests and checks. */
  readonly plugins?: readonly Plugin[];
}

/** A core that is started and ready for requests. Throws when a built-in cannot start. */
export async function install({ config, log, plugins = [] }: InstallOptions): Promise<Installed> {
  registerModules();
  const faults = createFaults(log);
  const settings = createSettingsFile(config.dataPath, log);
  const found = await findPlugins(config.pluginsPath, plugins, settings, faults);
  let candidates = sortPlugins([...builtIns.map((plugin) => asBuiltIn(plugin, settings)), ...found]);
  settings.warnOfUnknown(candidates);
  const background = createBackground(log);
  for (;;) {
    const { core, turns, used, winners } = build(config, log, background, candidates, faults.add);
    const started = await startAll(core, used);
    if (started.failure === null) {
      core.tools = createTools(started.tools);
      await turns.open();
      for (const [protocol, name] of Object.entries(winners)) log.info(`${protocol} is provided by ${name}`);
      const end = (graceMs: number) => stop(core, turns, background, started, graceMs);
      return { core, faults: faults.list(), stop: end };
    }
    const { plugin, cause } = started.failure;
    await close(core, started);
    if (plugin.isBuiltIn) throw cause;
    faults.add(plugin, cause);
    // Others were built around it and may have used it, so all is built anew without it.
    candidates = used.filter((other) => other !== plugin);
  }
}

function asBuiltIn(plugin: Plugin, settings: SettingsFile): Found {
  return { priority: 0, ...plugin, file: null, isBuiltIn: true, values: settings.read(plugin) };
}

function build(
  config: Config,
  log: Log,
  background: Background,
  candidates: readonly Found[],
  onFault: (plugin: Found, cause: unknown) => void,
) {
  const core = {
    config,
    log,
    background: background.begin,
    settings: (name: string) => settingsOf(name, candidates),
  } as Building;
  const { used, winners } = provideAll(core, candidates, onFault);
  core.hooks = createHookRunner(core, used);
  const turns: TurnEngine = createTurns(core);
  core.turns = turns;
  return { core, turns, used, winners };
}

async function stop(
  core: Core,
  turns: TurnEngine,
  background: Background,
  started: Started,
  graceMs: number,
): Promise<void> {
  await turns.shutdown(graceMs);
  await background.end();
  await close(core, started);
}

async function close(core: Core, { plugins }: Started): Promise<void> {
  await stopAll(core, plugins);
  await core.bus.close();
  await core.store.close();
}
