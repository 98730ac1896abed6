/**
 * Builds `core` out of plugins, the built-ins first, and builds it anew when plugins change. The core that is given out stays the
 * same object; its parts are exchanged, and running turns keep those that they began with.
 */

import { errorOf, messageOf } from "../basics/errors";
import { EVERYBODY, publishFact } from "../basics/facts";
import { within } from "../basics/within";
import type { Config, Core, Log, Plugin } from "../protocols";
import { createBackground } from "../tools/background";
import { createTurns } from "../turn";
import { builtInsFor } from "./built-ins";
import { createCounts, createDraft } from "./core";
import { requireSettings } from "./fault";
import { foldersIn, pluginFilesIn } from "./find";
import { build, type Generation, type Workshop } from "./generation";
import { createPlugins, tellChanges } from "./info";
import { createLoad, givenEntries, type LoadedPlugin } from "./load";
import { PATIENCE, type Patience } from "./patience";
import { createSettingsFile, type SettingsFile } from "./settings";
import { type Stage, stopAll, stopPlugin } from "./start";
import { createWatch, type WatchPath } from "./watch";

export interface Installed {
  readonly core: Core;
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
  /** For tests. */
  readonly looking?: Partial<Looking>;
  /** For checks: what is required and cannot be used is a fault as of any other plugin, and the built-in stands in for it. */
  readonly isLenient?: boolean;
  /** False = for a command, beside a server or without: no turn is run or taken over, and no file is watched. Default: true. */
  readonly isServing?: boolean;
}

/** A core that is started and ready for requests. Throws an Error for the owner when a built-in, or a required plugin, cannot start. */
export async function install({
  config,
  log,
  plugins: given = [],
  isLenient = false,
  isServing = true,
  ...options
}: InstallOptions): Promise<Installed> {
  const folder = config.skipPlugins ? null : config.pluginsPath;
  const settings = createSettingsFile(config.dataPath, log);
  const patience = { ...PATIENCE, ...options.patience };
  const stage: Stage = { running: new Map(), background: createBackground(log), patience, log };
  const exchange = createExchange(stage);
  const load = createLoad({ folder, settings, patience });
  // Not inside the function below: plugins keep it by their core, and it would keep all that came before.
  const latest = () => exchange.current()?.core ?? null;
  const first = createDraft(latest);
  const { core } = first;

  /** Builds the next generation when anything has changed, and exchanges it for the one in use. */
  const change = async (isForced: boolean): Promise<void> => {
    const before = exchange.current();
    const entries = await load(before?.entries ?? givenEntries(builtInsFor(config), given, settings), isForced);
    if (entries === null) return;
    const draft = before ? createDraft(latest) : first;
    const keep = (error: unknown): Generation => {
      if (!before) throw error;
      tellFailure(log, error);
      return { ...before, entries }; // Not tried again until something changes.
    };
    const next = await exchange.replace(() => build(shop, draft, entries, before).catch(keep));
    draft.parts = null;
    tellChanges(shop, before, next);
    const unread = folder === null ? [] : settings.unread(next.plugins);
    if (unread.length > 0) log.warn(`plugins.yaml: no plugin reads the settings of ${unread.join(", ")}`);
    if (before && before.core.model !== next.core.model) await publishFact(core, EVERYBODY, { type: "models-changed" });
  };

  const watched = (): string[] => {
    const files = [...(exchange.current()?.entries.values() ?? [])].flatMap(({ found }) => found?.paths ?? []);
    // In the data folder the database is written to all the time.
    const folders = folder === null || folder === config.dataPath ? [] : foldersIn(folder);
    return [...folders, ...files, settings.path];
  };
  const looks = createLooks({ change, watched, log, ...options.looking });
  const turns = createTurns(core, { ready: looks.ready, pin: exchange.pin });
  const plugins = createPlugins({ current: exchange.current, running: stage.running, settings, reload: looks.reload });
  const counts = createCounts();
  const shop: Workshop = {
    ...stage,
    given: { config, log, turns, plugins, counts },
    settings,
    isLenient: isLenient || folder === null,
    safe: new WeakMap(),
  };
  const close = async () => {
    await stopAll(stage);
    await core.bus.close();
    await core.store.close();
  };
  if (folder === null) await tellSkipped(config, settings, log);
  else if (!isLenient) requireSettings(settings, config);
  try {
    await change(false);
    if (isServing) await openTurns(core, turns);
  } catch (error) {
    await close().catch(() => {}); // The first error is the one to mend.
    throw error;
  }
  if (isServing && folder !== null) looks.start();
  return {
    core,
    get unread() {
      return settings.unread(exchange.current()?.plugins ?? []);
    },
    async stop(graceMs) {
      await looks.stop();
      if (isServing) await turns.shutdown(graceMs);
      await stage.background.end();
      await close();
    },
  };
}

const STOP_AFTER_MS = 1000; // Calls that came from elsewhere than a turn are over by then.

/** Which generation is in use. A turn keeps the one that it began with, and a plugin is stopped when no generation in use has it. */
function createExchange(stage: Stage) {
  const { running } = stage;
  /** How many turns use each. */
  const pins = new Map<Generation, number>();
  let current: Generation | null = null;
  let isBuilding = false;
  const isIdle = (plugin: LoadedPlugin) => ![current, ...pins.keys()].some((it) => it?.plugins.includes(plugin));
  const sweep = (): void => {
    const idle = [...running.keys()].filter(isIdle);
    const stop = () => {
      if (isBuilding) return;
      for (const plugin of idle) if (running.has(plugin) && isIdle(plugin)) void stopPlugin(stage, plugin);
    };
    if (idle.length > 0) setTimeout(stop, STOP_AFTER_MS).unref();
  };
  return {
    current: () => current,
    /** What the next one may take over is not stopped while it is built. */
    async replace(make: () => Promise<Generation>): Promise<Generation> {
      isBuilding = true;
      try {
        current = await make();
        return current;
      } finally {
        isBuilding = false;
        sweep();
      }
    },
    pin() {
      const generation = current;
      if (!generation) throw new Error("Nothing is installed yet.");
      pins.set(generation, (pins.get(generation) ?? 0) + 1);
      const release = (): void => {
        const left = (pins.get(generation) ?? 1) - 1;
        if (left > 0) pins.set(generation, left);
        else pins.delete(generation);
        if (generation !== current) sweep();
      };
      return { core: generation.core, release };
    },
  };
}

export interface Looking {
  /** How often without a hint: for network disks, some mounts of containers, and folders that come later. */
  readonly everyMs: number;
  /** How long after the start for the first time: the first watch takes milliseconds, which the first visitor is not to wait for. */
  readonly firstMs: number;
  readonly watchPath: WatchPath;
}

interface LooksOptions extends Partial<Looking> {
  readonly change: (isForced: boolean) => Promise<void>;
  /** Paths in which a change shows, as far as it is known now. */
  readonly watched: () => readonly string[];
  readonly log: Log;
}

const LOOK_MS = 50; // Nobody saves a file and sends a message in less; a thousand turns a second cost twenty looks.
const EVERY_MS = 10_000; // Whoever waits for a change sends a message, before which there is a look.
const FIRST_MS = 1000;
const READY_MS = 1000; // A plugin that starts a server of its own takes longer; a turn after this one has it.

/**
 * When plugins are looked at again: before a turn starts, so that it has what was saved before it, and for all that happens outside of
 * turns when the system tells of a change, and every ten seconds for what it does not tell of.
 */
function createLooks({ change, watched, log, everyMs = EVERY_MS, firstMs = FIRST_MS, watchPath }: LooksOptions) {
  let changing: Promise<void> | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let timer: Timer | undefined;
  let isStopped = false;

  /** One at a time. */
  const run = (isForced: boolean): Promise<void> => {
    if (isStopped) return Promise.resolve();
    const next = (changing ?? Promise.resolve())
      .then(() => {
        lookedAt = performance.now();
        return change(isForced);
      })
      .catch((error) => tellFailure(log, error))
      .finally(() => {
        if (changing === next) changing = null;
      });
    changing = next;
    return next;
  };
  const look = () => changing ?? (performance.now() - lookedAt < LOOK_MS ? null : run(false));

  /** Watched before it is looked at, so that nothing falls in between, and after it, for what has come. */
  const lookAnew = async (): Promise<void> => {
    watch.renew(watched());
    await run(false);
    watch.renew(watched());
  };
  const watch = createWatch(() => void lookAnew(), watchPath);

  return {
    /** Resolves when what was saved before is in use; at the latest when it has taken so long that a person would notice. */
    async ready(): Promise<void> {
      const looking = look();
      if (looking) await within(looking, { ms: READY_MS }, () => {});
    },
    reload: () => run(true),
    start(): void {
      const again = (): void => {
        timer = setTimeout(again, everyMs).unref();
        void lookAnew();
      };
      timer = setTimeout(again, firstMs).unref();
    },
    /** Resolves when nothing is being changed any more. */
    async stop(): Promise<void> {
      isStopped = true;
      clearTimeout(timer);
      watch.stop();
      await changing;
    },
  };
}

function tellFailure(log: Log, error: unknown): void {
  log.error("Plugins could not be loaded anew; those before stay in use", { error: errorOf(error) });
}

/** A failure says whose store and bus it is, when they are not ours. */
async function openTurns({ plugins }: Core, turns: ReturnType<typeof createTurns>): Promise<void> {
  await turns.open().catch((error) => {
    const { store = "store", bus = "bus" } = plugins.winners();
    const others = Object.entries({ store, bus }).filter(([protocol, name]) => name !== protocol);
    const keepers = others.map(([protocol, name]) => ` (${protocol} is provided by the plugin ${name})`).join("");
    throw new Error(`Turns of earlier could not be looked for: ${messageOf(error)}${keepers}`, { cause: error });
  });
}

/** Without its plugins a server may show what it should not, and take people in whom it should not. */
async function tellSkipped({ pluginsPath }: Config, settings: SettingsFile, log: Log): Promise<void> {
  const files = await pluginFilesIn(pluginsPath);
  const required = settings.required();
  if (files.length + required.length === 0) return;
  log.error("SKELETON_SKIP_PLUGINS: the server runs without any of its plugins, also those that guard it", {
    missing: files.join(" ") || undefined,
    required: required.join(" ") || undefined,
  });
}
