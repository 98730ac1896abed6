/** `core.plugins`: what is installed, for people to see; and what the log says of it when it has changed. */

import type { Log, PluginInfo, Plugins } from "../protocols";
import { type Fault, isRequired, PARTLY_USED } from "./fault";
import { type Generation, type Workshop, winnersOf } from "./generation";
import type { LoadedPlugin } from "./load";
import { missingOf, namesIn } from "./offers";

interface InfoOptions extends Pick<Workshop, "running" | "settings"> {
  readonly current: () => Generation | null;
  readonly reload: () => Promise<void>;
}

export function createPlugins({ current, running, settings, reload }: InfoOptions): Plugins {
  const plugins = () => current()?.plugins ?? [];
  return {
    list: () => plugins().map((plugin) => ({ ...infoOf(plugin, running), isRequired: isRequired(plugin, settings) })),
    faults: () => (current()?.faults ?? []).map(({ plugin, file, message }) => ({ plugin, file, message })),
    winners: () => Object.fromEntries([...winnersOf(plugins())].map(([protocol, { name }]) => [protocol, name])),
    page(name) {
      const plugin = plugins().find((it) => it.name === name);
      return (plugin && running.get(plugin)?.page) ?? null;
    },
    reload,
  };
}

function infoOf(plugin: LoadedPlugin, running: Workshop["running"]): Omit<PluginInfo, "isRequired"> {
  const { name, priority, file, provide = {}, hooks = {}, page, access = "user", settings } = plugin;
  const offer = running.get(plugin)?.offer;
  return {
    name,
    priority,
    file,
    provides: Object.keys(provide),
    hooks: Object.keys(hooks),
    tools: namesIn(offer),
    missing: missingOf(offer),
    access: page ? access : null,
    hasSettings: settings !== undefined,
  };
}

/** The log's sentence on a generation: of the first all plugins, of a later one those that changed. */
export function tellChanges(shop: Workshop, before: Generation | null, after: Generation): void {
  const { log, config } = shop.given;
  tellFaults(log, before, after);
  const earlier = winnersOf(before?.plugins ?? []);
  for (const [protocol, plugin] of winnersOf(after.plugins)) {
    if (earlier.get(protocol) !== plugin) {
      log.info(`${protocol} is provided by ${plugin.isBuiltIn ? "built-in" : (plugin.file ?? plugin.name)}`);
    }
  }
  if (config.tracePlugins) traceLoaded(shop, before, after);
  if (!before) return;
  const added = after.plugins.filter((plugin) => !before.plugins.includes(plugin)).map(({ name }) => name);
  const names = new Set(after.plugins.map(({ name }) => name));
  const removed = before.plugins.filter(({ name }) => !names.has(name)).map(({ name }) => name);
  if (added.length + removed.length === 0) return;
  log.info("Plugins have changed", { loaded: added.join(" ") || undefined, removed: removed.join(" ") || undefined });
}

function tellFaults(log: Log, before: Generation | null, { faults, plugins }: Generation): void {
  for (const { plugin, file, message, isPartial } of faults) {
    const isKnown = (it: Fault) => it.message === message && it.file === file && it.plugin === plugin;
    if (before?.faults.some(isKnown)) continue;
    const stays = plugins.some((it) => (file === null ? it.name === plugin : it.file === file));
    const fields = { plugin, file: file ?? undefined, reason: message };
    if (isPartial) log.warn(PARTLY_USED, fields);
    else if (stays) log.error("A changed plugin cannot be used; what was there before stays in use", fields);
    else log.warn("A plugin is quarantined", fields);
  }
}

/** For `SKELETON_TRACE_PLUGINS`: what each plugin that was loaded gives. */
function traceLoaded({ given, running }: Workshop, before: Generation | null, { plugins }: Generation): void {
  const textOf = (names: readonly string[]) => names.join(" ") || undefined;
  for (const plugin of plugins.filter((it) => !it.isBuiltIn && !before?.plugins.includes(it))) {
    const { name, file, provides, hooks, tools } = infoOf(plugin, running);
    const gives = { provides: textOf(provides), hooks: textOf(hooks), tools: textOf(tools) };
    given.log.info("Trace", { plugin: name, file, ...gives });
  }
}
