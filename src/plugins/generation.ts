/**
 * What is installed at one time is a generation: plugins, and the core made of them. The next one is built whole beside the one in use, of
 * which all that did not change is carried over. A plugin that fails in any part is left out with all of its parts, as if its file were not
 * there; of one that was changed the earlier one stays; and nothing changes when one that is required would be lost.
 */

import { messageOf } from "../basics/errors";
import { safeViews } from "../core/views";
import type { Core, Plugin, ProtocolName, ViewsProtocol } from "../protocols";
import { createHookRunner } from "../tools/hooks";
import { createTools } from "../tools/tools";
import type { CoreParts, Draft } from "./core";
import { type Fault, faultOf, faultsOfOwner, isFixed, isRequired, keyOf, requireNone } from "./fault";
import type { Entries, LoadedPlugin, PluginEntry } from "./load";
import { listerOf, type Offer } from "./offers";
import { type SettingsFile, settingsOf } from "./settings";
import { missingMembers } from "./shape";
import { type Stage, startPlugin, stopAll } from "./start";
import { traced, tracedOffer } from "./trace";

export interface Generation {
  /** Its parts, which stay as they are. */
  readonly core: Core;
  /** From low priority to high, so that a later one wraps an earlier one. */
  readonly plugins: readonly LoadedPlugin[];
  readonly entries: Entries;
  /** Why what is not in it is not. */
  readonly faults: readonly Fault[];
}

export interface Workshop extends Stage {
  /** What every generation has. */
  readonly given: Pick<Core, "config" | "log" | "turns" | "plugins" | "counts">;
  readonly settings: SettingsFile;
  /** Whether no fault ends the start. */
  readonly isLenient: boolean;
  /** The views that pages use, by those that a plugin provides: the same for the same, since what was rendered is kept under them. */
  readonly safe: WeakMap<ViewsProtocol, ViewsProtocol>;
}

/** Throws when there is none before it, and a built-in or a plugin without which the server does not run cannot be used. */
export async function build(
  shop: Workshop,
  draft: Draft,
  files: Entries,
  previous: Generation | null,
): Promise<Generation> {
  const { settings, given } = shop;
  const entries = new Map(files);
  holdFixed(entries, previous, settings);
  const ofOwner = faultsOfOwner(settings, pluginsOf(entries), faultsIn(entries));
  for (;;) {
    const { plugins, unused } = choose(entries, previous, settings);
    const faults = [...faultsIn(entries), ...unused, ...ofOwner];
    if (!previous && !shop.isLenient) requireNone(faults, given.config.pluginsPath);
    const parts = emptyParts(shop, plugins);
    draft.parts = parts;
    const failure = await assemble(shop, parts, draft.core, plugins);
    if (failure === null) return { core: Object.freeze(parts), plugins, entries, faults };
    const { plugin, cause } = failure;
    const fault = faultOf(plugin, cause, settings);
    const wasGood = previous?.plugins.includes(plugin) === true;
    if (previous && wasGood && (plugin.isBuiltIn || isRequired(plugin, settings))) {
      given.log.error(`The plugin ${plugin.name} is required, and could not go on beside what was changed.`);
      return { ...previous, entries, faults: [...faults, fault] };
    }
    if (plugin.isBuiltIn) throw cause;
    const { found = null } = entries.get(keyOf(plugin)) ?? {};
    entries.set(keyOf(plugin), { found, plugin: wasGood ? null : earlierOf(plugin, previous), fault });
    if (!previous) await startOver(shop, parts, plugins);
  }
}

function pluginsOf(entries: Entries): LoadedPlugin[] {
  return [...entries.values()].flatMap(({ plugin }) => plugin ?? []);
}

function faultsIn(entries: Entries): Fault[] {
  return [...entries.values()].flatMap(({ fault }) => fault ?? []);
}

function earlierOf(plugin: LoadedPlugin, previous: Generation | null): LoadedPlugin | null {
  return previous?.plugins.find((it) => keyOf(it) === keyOf(plugin)) ?? null;
}

const FIXED_WHY =
  "It provides store or bus, on which running turns and open pages depend: the change takes effect when the server starts again.";

/** What running turns stand on stays as it is. */
function holdFixed(entries: Map<string, PluginEntry>, previous: Generation | null, settings: SettingsFile): void {
  for (const [key, { found, plugin }] of previous ? entries : []) {
    const earlier = plugin && earlierOf(plugin, previous);
    if (!plugin || plugin === earlier || !(isFixed(plugin) || (earlier && isFixed(earlier)))) continue;
    entries.set(key, { found, plugin: earlier, fault: faultOf(plugin, new Error(FIXED_WHY), settings) });
  }
}

/**
 * From low priority to high. Of plugins with one name the one that has been in use goes on, and at the start the first, which is a
 * built-in: another file must not take a plugin's place by its name.
 */
function choose(entries: Entries, previous: Generation | null, settings: SettingsFile) {
  const unused: Fault[] = [];
  const all = pluginsOf(entries);
  const plugins = all.filter((plugin) => {
    const { name } = plugin;
    const inUse = previous?.plugins.find((it) => it.name === name);
    const namesakes = all.filter((it) => it.name === name);
    const holder = namesakes.find(({ file }) => file === inUse?.file) ?? namesakes[0];
    if (!holder || holder === plugin) return true;
    const by = holder.isBuiltIn ? "a built-in plugin" : (holder.file ?? holder.name);
    const why = `The name ${name} is taken by ${by}. Give one of them another name.`;
    unused.push(faultOf(plugin, new Error(why), settings));
    return false;
  });
  return { plugins: plugins.toSorted((a, b) => a.priority - b.priority), unused };
}

function emptyParts({ given, background }: Workshop, plugins: readonly LoadedPlugin[]): CoreParts {
  const named = (name: string) => plugins.find((plugin) => plugin.name === name) ?? null;
  return {
    ...given,
    background: (name, work) => background.begin(named(name), name, work),
    settings: (name: string) => settingsOf(name, plugins),
  } as CoreParts;
}

interface PluginFailure {
  readonly plugin: LoadedPlugin;
  readonly cause: unknown;
}

/** Fills `parts`, which `core` shows, and starts the plugins that do not run. Gives the first failure, which ends it, or null. */
async function assemble(
  shop: Workshop,
  parts: CoreParts,
  core: Core,
  plugins: readonly LoadedPlugin[],
): Promise<PluginFailure | null> {
  const { running, patience, settings, given } = shop;
  const { config, log } = given;
  const isTraced = ({ isBuiltIn }: LoadedPlugin) => config.tracePlugins && !isBuiltIn;
  const unfit = await firstFailure(plugins, (plugin) => Object.assign(parts, providersOf(plugin, parts, core)));
  if (unfit) return unfit;
  const winner = winnersOf(plugins).get("views");
  const own = winner?.isBuiltIn === false ? winner.name : null;
  parts.views = shop.safe.getOrInsertComputed(parts.views, (views) => safeViews(core, views, own));
  const hooked = plugins.filter(({ hooks }) => hooks).map((it) => (isTraced(it) ? traced(it, log) : it));
  const isNeeded = (plugin: Plugin) => isRequired(plugin, settings);
  parts.hooks = createHookRunner(core, hooked, { seconds: patience.hookS, isRequired: isNeeded });
  const owners = new Map<string, LoadedPlugin>();
  // Plugins that run already come first: a plugin that is added must not take the name of one of their tools.
  const inTurn = plugins.toSorted((a, b) => Number(running.has(b)) - Number(running.has(a)));
  const unstarted = await firstFailure(inTurn, async (plugin) => {
    await startPlugin(shop, plugin, core);
    claimTools(plugin, running.get(plugin)?.offer, owners);
  });
  if (unstarted) return blamed(unstarted, plugins);
  const offers = plugins.flatMap((plugin) => {
    const { offer } = running.get(plugin) ?? {};
    return offer && isTraced(plugin) ? tracedOffer(offer, log) : (offer ?? []);
  });
  parts.tools = createTools(listerOf(offers, log, patience));
  return null;
}

async function firstFailure(
  plugins: readonly LoadedPlugin[],
  run: (plugin: LoadedPlugin) => unknown,
): Promise<PluginFailure | null> {
  for (const plugin of plugins) {
    try {
      await run(plugin);
    } catch (cause) {
      return { plugin, cause };
    }
  }
  return null;
}

/** By protocol, the plugin whose provider is the outermost. */
export function winnersOf(plugins: readonly LoadedPlugin[]): Map<string, LoadedPlugin> {
  return new Map(plugins.flatMap((plugin) => Object.keys(plugin.provide ?? {}).map((protocol) => [protocol, plugin])));
}

/** All providers of one plugin, none of them in the core yet: it is used whole or not at all. For each base one is made, once. */
function providersOf(plugin: LoadedPlugin, parts: CoreParts, core: Core): Partial<CoreParts> {
  const providers: Record<string, unknown> = {};
  for (const [protocol, factory] of Object.entries(plugin.provide ?? {}) as [ProtocolName, Factory | undefined][]) {
    if (!factory) continue;
    const base = parts[protocol];
    const known = plugin.made.getOrInsertComputed(protocol, () => new WeakMap());
    const make = () => providerOf(plugin, protocol, base, () => factory(core, base));
    // A built-in has no base.
    providers[protocol] = known.getOrInsertComputed(base ?? plugin, make);
  }
  return providers;
}

/** The type of factory and base is that of the same protocol, which the compiler cannot follow through a loop. */
type Factory = (core: Core, base: unknown) => unknown;

function providerOf(plugin: LoadedPlugin, protocol: ProtocolName, base: object | undefined, make: () => unknown) {
  let provider: unknown;
  try {
    provider = make();
  } catch (error) {
    if (plugin.isBuiltIn) throw error;
    throw new Error(`Its factory of ${protocol} failed: ${messageOf(error)}`, { cause: error });
  }
  const lack = missingMembers(protocol, provider, base ?? {});
  if (lack !== null) throw new Error(lack);
  return provider;
}

/** Throws an Error when another has a tool of the same name. */
function claimTools(plugin: LoadedPlugin, offer: Offer | undefined, owners: Map<string, LoadedPlugin>): void {
  for (const { name } of offer?.fixed ?? []) {
    const owner = owners.get(name);
    const by = owner?.file ?? owner?.name;
    if (owner) throw new Error(`There is a tool ${name} already, in ${by}. Give one of them another name.`);
    owners.set(name, plugin);
  }
}

/** What built-ins do when they start is to declare what they keep: the fault is that of whoever provides the store. */
function blamed({ plugin, cause }: PluginFailure, plugins: readonly LoadedPlugin[]): PluginFailure {
  const keeper = winnersOf(plugins).get("store");
  if (!plugin.isBuiltIn || !keeper || keeper.isBuiltIn) return { plugin, cause };
  const why = `Its store failed when ${plugin.name} was started: ${messageOf(cause)}`;
  return { plugin: keeper, cause: new Error(why, { cause }) };
}

/** Others were built around the one that failed and may have used it, so all is built anew without it. */
async function startOver(shop: Workshop, { bus, store }: CoreParts, plugins: readonly LoadedPlugin[]): Promise<void> {
  if (shop.running.size === 0) return;
  await stopAll(shop);
  // A store that failed may not close either.
  await Promise.allSettled([bus.close(), store.close()]);
  for (const { made } of plugins) made.clear();
}
