/** `core.plugins`: what is installed, for people to see; and what the log says of it. */

import type { Log, PluginInfo, Plugins, Tool } from "../protocols";
import type { Faults } from "./fault";
import type { Generation, Generations } from "./generations";
import type { LoadedPlugin } from "./load";
import { missingOf, nowOf, type Offer } from "./offers";
import { winnersOf } from "./provide";
import { isRequired } from "./required";
import type { SettingsFile } from "./settings";
import type { Runnings } from "./start";

export function pluginsOf(generations: Generations, running: Runnings, { faults, settings, reload }: Kept): Plugins {
  const current = () => generations.current()?.plugins ?? [];
  return {
    list: () => current().map((plugin) => ({ ...infoOf(plugin, running), isRequired: isRequired(plugin, settings) })),
    faults: faults.list,
    winners: () => Object.fromEntries([...winnersOf(current())].map(([protocol, { name }]) => [protocol, name])),
    page(name) {
      const plugin = current().find((it) => it.name === name);
      return (plugin && running.get(plugin)?.page) ?? null;
    },
    reload,
  };
}

interface Kept {
  readonly faults: Faults;
  readonly settings: SettingsFile;
  readonly reload: () => Promise<void>;
}

function infoOf(plugin: LoadedPlugin, running: Runnings): Omit<PluginInfo, "isRequired"> {
  const { name, priority, file, provide = {}, hooks = {}, page, access = "user", settings } = plugin;
  return {
    name,
    priority,
    file,
    provides: Object.keys(provide),
    hooks: Object.keys(hooks),
    tools: toolsOf(running.get(plugin)?.offer).map((tool) => tool.name),
    missing: missingOf(running.get(plugin)?.offer),
    access: page ? access : null,
    hasSettings: settings !== undefined,
  };
}

function toolsOf(offer: Offer | undefined): readonly Tool[] {
  return offer ? [...offer.fixed, ...nowOf(offer, new Set(), () => {})] : [];
}

/** For `SKELETON_TRACE_PLUGINS`: what each plugin that was loaded gives. */
export function tellLoaded(log: Log, before: Generation | null, { plugins }: Generation, running: Runnings): void {
  for (const plugin of plugins) {
    if (plugin.isBuiltIn || before?.plugins.includes(plugin)) continue;
    const { name, file, provides, hooks, tools } = infoOf(plugin, running);
    const given = Object.entries({ provides, hooks, tools }).map(([what, names]) => [
      what,
      names.join(" ") || undefined,
    ]);
    log.info("Trace", { plugin: name, file, ...Object.fromEntries(given) });
  }
}

/** Of the first generation all, of later ones what is another. */
export function tellWinners(log: Log, before: Generation | null, { plugins }: Generation): void {
  const earlier = winnersOf(before?.plugins ?? []);
  for (const [protocol, plugin] of winnersOf(plugins)) {
    if (earlier.get(protocol) !== plugin) {
      log.info(`${protocol} is provided by ${plugin.isBuiltIn ? "built-in" : (plugin.file ?? plugin.name)}`);
    }
  }
  if (!before) return;
  const added = plugins.filter((plugin) => !before.plugins.includes(plugin)).map(({ name }) => name);
  const names = new Set(plugins.map(({ name }) => name));
  const removed = before.plugins.filter(({ name }) => !names.has(name)).map(({ name }) => name);
  if (added.length + removed.length === 0) return;
  log.info("Plugins have changed", { loaded: added.join(" ") || undefined, removed: removed.join(" ") || undefined });
}
