/**
 * Makes a generation out of plugins. One that fails in any part is left out with all of its parts, as if its file were not there,
 * and what it would have replaced stays; of a plugin that was changed the earlier one stays.
 */

import { messageOf } from "../basics/errors";
import { safeViews } from "../core/views";
import type { Config, Core, Counts, Log, Plugins, Turns, ViewsProtocol } from "../protocols";
import type { Background } from "../tools/background";
import { createHookRunner } from "../tools/hooks";
import { createTools } from "../tools/tools";
import type { Faults } from "./fault";
import { sortPlugins } from "./find";
import type { Generation, Generations } from "./generations";
import type { LoadedPlugin } from "./load";
import { listerOf } from "./offers";
import { type CoreParts, createCore } from "./parts";
import type { Patience } from "./patience";
import { type Made, type ProviderFailure, provideAll, winnersOf } from "./provide";
import { isRequired, mayBeRequired } from "./required";
import { type SettingsFile, settingsOf } from "./settings";
import { type Runnings, startAll } from "./start";
import { traced, tracedOffer } from "./trace";

export interface Workshop {
  readonly config: Config;
  readonly log: Log;
  readonly faults: Faults;
  readonly settings: SettingsFile;
  readonly patience: Patience;
  readonly turns: Turns;
  readonly background: Background;
  readonly plugins: Plugins;
  readonly counts: Counts;
  readonly generations: Generations;
  readonly running: Runnings;
  made: Made;
  /** The views that pages use, by those that a plugin provides. */
  readonly shown: WeakMap<ViewsProtocol, ViewsProtocol>;
  /** Those that failed and are not tried again. */
  failed: WeakSet<LoadedPlugin>;
  /** Those that are required and kept all from being changed, because they failed beside what was. */
  readonly held: Set<LoadedPlugin>;
  /** What the first generation has so far, for those who ask before it is complete. */
  building: CoreParts;
}

/** Throws when a built-in cannot be used, or a plugin that the server does not run without; the previous generation then stays. */
export async function assemble(
  shop: Workshop,
  builtIns: readonly LoadedPlugin[],
  wanted: readonly LoadedPlugin[],
): Promise<Generation> {
  const previous = shop.generations.current();
  const earlier = (plugin: LoadedPlugin) =>
    previous?.plugins.find(({ file }) => file !== null && file === plugin.file) ?? null;
  const usable = wanted.flatMap((plugin) => (shop.failed.has(plugin) ? (earlier(plugin) ?? []) : plugin));
  let candidates = sortPlugins([...builtIns, ...holdFixed(usable, previous, shop.faults)]);
  const making: Making = { parts: null };
  const core = coreOf(making, shop);
  try {
    for (;;) {
      const parts = emptyParts(shop, candidates);
      making.parts = parts;
      if (!previous) shop.building = parts;
      const failure = await build(shop, parts, core, candidates);
      if (failure === null) {
        for (const plugin of shop.held) shop.faults.clear(plugin);
        shop.held.clear();
        return { parts, plugins: candidates };
      }
      const { plugin, cause } = failure;
      if (plugin.isBuiltIn) throw cause;
      shop.failed.add(plugin);
      await shop.background.endOf(plugin);
      const substitute = earlier(plugin);
      const replacement = substitute === plugin ? null : substitute;
      const isHeld = previous?.plugins.includes(plugin) === true && isRequired(plugin, shop.settings);
      shop.faults.add(plugin, cause, {
        isReplacing: replacement !== null || isHeld,
        isRequired:
          isRequired(plugin, shop.settings) || mayBeRequired({ file: plugin.file ?? "", kind: "file" }, plugin),
      });
      if (isHeld) {
        shop.held.add(plugin);
        throw new Error(`The plugin ${plugin.name} is required, and could not go on beside what was changed.`);
      }
      candidates = sortPlugins(candidates.flatMap((it) => (it === plugin ? (replacement ?? []) : it)));
    }
  } finally {
    making.parts = null;
  }
}

interface Making {
  /** Null when it is made, or given up. */
  parts: CoreParts | null;
}

/** What plugins are given: it shows what is being made, and later whatever is current. */
function coreOf(making: Making, shop: Workshop): Core {
  // Not inside the function that makes: plugins keep this, and it would keep all that came before, and so on.
  return createCore(() => making.parts ?? shop.generations.current()?.parts ?? shop.building);
}

function emptyParts(
  { config, log, turns, background, plugins, counts }: Workshop,
  candidates: readonly LoadedPlugin[],
): CoreParts {
  const named = (name: string) => candidates.find((plugin) => plugin.name === name);
  return {
    config,
    log,
    turns,
    background: (name, work) => background.begin(named(name) ?? null, name, work),
    plugins,
    counts,
    settings: (name: string) => settingsOf(name, candidates),
  } as CoreParts;
}

async function build(
  shop: Workshop,
  parts: CoreParts,
  core: Core,
  candidates: readonly LoadedPlugin[],
): Promise<ProviderFailure | null> {
  const { config, log, running, patience } = shop;
  const failure = provideAll(parts, core, candidates, shop.made);
  if (failure) return failure;
  parts.views = shownBy(shop, parts, core, candidates);
  const hooked = candidates.filter(({ hooks }) => hooks);
  const isTraced = ({ isBuiltIn }: LoadedPlugin) => config.tracePlugins && !isBuiltIn;
  const heard = hooked.map((plugin) => (isTraced(plugin) ? traced(plugin, log) : plugin));
  parts.hooks = createHookRunner(core, heard, {
    seconds: shop.patience.hookS,
    isRequired: (plugin) => isRequired(plugin, shop.settings),
  });
  const notStarted = await startAll({ core, running, patience, log }, candidates);
  if (notStarted) {
    if (!shop.generations.current()) await startOver(shop, parts);
    return blamed(notStarted, candidates);
  }
  const offers = candidates.flatMap((plugin) => {
    const offer = running.get(plugin)?.offer ?? [];
    return "fixed" in offer && isTraced(plugin) ? tracedOffer(offer, log) : offer;
  });
  parts.tools = createTools(listerOf(offers, log, patience));
  return null;
}

/** What built-ins do when they start is to declare what they keep: the fault is that of whoever provides the store. */
function blamed({ plugin, cause }: ProviderFailure, candidates: readonly LoadedPlugin[]): ProviderFailure {
  const keeper = winnersOf(candidates).get("store");
  if (!plugin.isBuiltIn || !keeper || keeper.isBuiltIn) return { plugin, cause };
  const why = `Its store failed when ${plugin.name} was started: ${messageOf(cause)}`;
  return { plugin: keeper, cause: new Error(why, { cause }) };
}

/** The same for the same provider: what was rendered is kept under it. */
function shownBy(
  { shown }: Workshop,
  { views }: CoreParts,
  core: Core,
  candidates: readonly LoadedPlugin[],
): ViewsProtocol {
  const winner = winnersOf(candidates).get("views");
  const safe = shown.get(views) ?? safeViews(core, views, !winner || winner.isBuiltIn ? null : winner.name);
  shown.set(views, safe);
  return safe;
}

/** Others were built around the one that failed and may have used it, so all is built anew without it. */
async function startOver(shop: Workshop, parts: CoreParts): Promise<void> {
  await shop.generations.stopAll();
  // A store that failed may not close either.
  await Promise.allSettled([parts.bus.close(), parts.store.close()]);
  shop.made = new WeakMap();
}

const FIXED = ["store", "bus"] as const;
const FIXED_WHY =
  "It provides store or bus, on which running turns and open pages depend: the change takes effect when the server starts again.";

/** The plugins as they may be now: those that provide what running turns stand on stay as they are. */
function holdFixed(wanted: readonly LoadedPlugin[], previous: Generation | null, faults: Faults): LoadedPlugin[] {
  if (!previous) return [...wanted];
  const fixed = previous.plugins.filter((plugin) => !plugin.isBuiltIn && isFixed(plugin));
  for (const plugin of [...wanted.filter(isFixed), ...fixed]) {
    if (!wanted.includes(plugin) || !previous.plugins.includes(plugin)) {
      const isThere = fixed.some(({ file, name }) => file === plugin.file && name === plugin.name);
      faults.add(plugin, new Error(FIXED_WHY), { isReplacing: isThere });
    }
  }
  const keyOf = ({ file, name }: LoadedPlugin) => file ?? name;
  const kept = new Map(fixed.map((plugin) => [keyOf(plugin), plugin]));
  // In the order of the files, which decides who wraps whom; one whose file is gone comes last.
  const there = wanted.flatMap((plugin) => kept.get(keyOf(plugin)) ?? (isFixed(plugin) ? [] : plugin));
  return [...there, ...fixed.filter((plugin) => !there.includes(plugin))];
}

function isFixed({ provide }: LoadedPlugin): boolean {
  return FIXED.some((protocol) => provide?.[protocol]);
}
