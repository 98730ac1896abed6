/**
 * Builds `core` out of plugins, the built-ins first: each provider gets the one it replaces. One that is broken is left out
 * and what it would have replaced stays.
 */

import type { Config, Core, Log, Plugin, ProtocolName, Tool } from "../protocols";
import { createTurns } from "../turn";
import { createHookRunner } from "../turn/hooks";
import { createTools } from "../turn/tools";
import { builtIns } from "./built-ins";
import { createFaults, type Fault, type Faults } from "./fault";
import { type Found, findPlugins } from "./find";
import { missingMembers, PROTOCOLS } from "./shape";
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
  const given = [...builtIns, ...plugins].map((plugin) => ({ priority: 10, file: null, ...plugin }));
  const found = [...given, ...(await findPlugins(config.pluginsPath, faults))].sort((a, b) => a.priority - b.priority);
  const core = { config, log } as Building;
  const winners = provideAll(core, found, faults);
  core.hooks = createHookRunner(core, found);
  const turns = createTurns(core);
  core.turns = turns;
  const started = await startAll(core, found, faults);
  await turns.open();
  core.tools = createTools(await collectTools(core, started, faults));
  for (const [protocol, name] of Object.entries(winners)) log.info(`${protocol} is provided by ${name}`);
  return {
    core,
    faults: faults.list(),
    async stop(graceMs) {
      await turns.shutdown(graceMs);
      await stopAll(core, started);
      await core.bus.close();
      await core.store.close();
    },
  };
}

type Building = { -readonly [K in keyof Core]: Core[K] };

function provideAll(core: Building, plugins: readonly Found[], faults: Faults): Record<string, string> {
  const winners: Record<string, string> = {};
  for (const protocol of Object.keys(PROTOCOLS) as ProtocolName[]) {
    for (const plugin of plugins) {
      if (provideOne(core, protocol, plugin, faults)) winners[protocol] = plugin.file ?? "built-in";
    }
  }
  return winners;
}

function provideOne<P extends ProtocolName>(core: Building, protocol: P, plugin: Found, faults: Faults): boolean {
  const factory = plugin.provide?.[protocol];
  if (!factory) return false;
  const base = core[protocol];
  try {
    const provider = factory(core, base);
    const lack = missingMembers(protocol, provider, base ?? {});
    if (lack !== null) throw new Error(lack);
    core[protocol] = provider as Building[P];
    return true;
  } catch (error) {
    if (plugin.file === null && base === undefined) throw error;
    faults.add(plugin, error);
    return false;
  }
}

async function startAll(core: Core, plugins: readonly Found[], faults: Faults): Promise<Found[]> {
  const started: Found[] = [];
  for (const plugin of plugins) {
    try {
      await plugin.start?.(core);
      started.push(plugin);
    } catch (error) {
      if (plugin.file === null) throw error;
      faults.add(plugin, error);
    }
  }
  return started;
}

async function collectTools(core: Core, plugins: readonly Found[], faults: Faults): Promise<Tool[]> {
  const tools: Tool[] = [];
  for (const plugin of plugins) {
    try {
      const own = typeof plugin.tools === "function" ? await plugin.tools(core) : (plugin.tools ?? []);
      const twin = own.find(({ name }) => tools.some((tool) => tool.name === name));
      if (twin) throw new Error(`There is a tool ${twin.name} already.`);
      tools.push(...own);
    } catch (error) {
      faults.add(plugin, error);
    }
  }
  return tools;
}

async function stopAll(core: Core, plugins: readonly Found[]): Promise<void> {
  for (const plugin of plugins.toReversed()) {
    try {
      await plugin.stop?.();
    } catch (error) {
      core.log.warn("A plugin failed to stop", { plugin: plugin.name, error: error as Error });
    }
  }
}
