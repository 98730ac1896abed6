/**
 * The plugins that there are: those of the folder, loaded anew when their files or settings change. A file that cannot be used is
 * a fault, never an end.
 */

import type { Plugin } from "../protocols";
import { look, type Seen } from "./files";
import { createImports } from "./imports";
import { type LoadedPlugin, type LoadOptions, load, type PluginEntry, withDefaults } from "./load";
import { isRequired, mayBeRequired } from "./required";
import { checkPlugin } from "./shape";

const SETTLE_MS = 50; // A file that changed this recently may be half written, or about to be renamed into place.
const SETTLE_MAX_MS = 500; // But one that keeps changing is read in the end.

export interface FinderOptions extends LoadOptions {
  /** Null = none. */
  readonly folder: string | null;
  /** More plugins, as if they were files. */
  readonly given: readonly Plugin[];
  /** Names that no plugin may have: those of the built-ins. */
  readonly taken?: readonly string[];
}

export interface Finder {
  /**
   * The plugins that can be used: those given, and those of the folder in the order of their file names. Null when nothing
   * has changed since the last time. `isForced`: takes files as they are this moment, and tries again what failed.
   */
  find(isForced?: boolean): Promise<readonly LoadedPlugin[] | null>;
}

export function createFinder({ folder, given, taken = [], settings, faults, patience }: FinderOptions): Finder {
  const imports = createImports();
  const gifts = given.map((plugin) => withDefaults(checkPlugin(plugin), null, settings));
  const hideTwins = createTwinCheck({ faults, settings }, taken);
  let entries: ReadonlyMap<string, PluginEntry> | null = null;
  let version: unknown = null;

  const changeSince = (before: ReadonlyMap<string, PluginEntry>, seen: readonly Seen[], isForced: boolean) => {
    const hasSettings = settings.version(isForced) !== version;
    const changed = seen.filter(({ file, identity }) => {
      const entry = before.get(file);
      if (entry?.identity !== identity || (entry.isBroken && (isForced || hasSettings))) return true;
      return hasSettings && entry.plugin !== null && settings.differ(entry.plugin);
    });
    const gone = [...before].filter(([file, { identity }]) => identity !== GONE && !isThere(file, seen));
    return { changed, gone: gone.map(([file]) => file) };
  };

  /** The server does not run without it, unless it only moved to another file. */
  const keptWithoutFile = ({ plugin }: PluginEntry, others: readonly PluginEntry[]): PluginEntry | null => {
    if (!plugin || !isRequired(plugin, settings) || others.some((it) => it.plugin?.name === plugin.name)) return null;
    faults.add(plugin, new Error(GONE_WHY), { isReplacing: true });
    return { identity: GONE, plugin, isBroken: true };
  };

  /** Waits for whoever is writing. */
  const settle = async (isForced: boolean) => {
    const end = Date.now() + SETTLE_MAX_MS;
    for (let round = 0; ; round++) {
      const seen = await look(folder, imports);
      const change = changeSince(entries ?? new Map(), seen, isForced);
      // What is gone may be about to come back: some editors save like that.
      const isFresh = change.changed.some(isBeingWritten) || (change.gone.length > 0 && round === 0);
      if (isForced || entries === null || !isFresh || Date.now() > end) return { seen, ...change };
      await Bun.sleep(SETTLE_MS);
    }
  };

  return {
    async find(isForced = false) {
      const { seen, changed, gone } = await settle(isForced);
      if (entries !== null && changed.length + gone.length === 0) return null;
      version = settings.version(isForced);
      imports.forget(
        changed.flatMap(({ path }) => path ?? []),
        isForced,
      );
      const next = new Map<string, PluginEntry>();
      for (const state of seen) {
        const before = entries?.get(state.file) ?? null;
        const entry = changed.includes(state) ? await load(state, before, { settings, faults, patience }) : before;
        if (entry) next.set(state.file, entry);
      }
      for (const [file, entry] of entries ?? []) {
        if (next.has(file)) continue;
        const kept = isThere(file, seen) ? entry : keptWithoutFile(entry, [...next.values()]);
        if (kept) next.set(file, kept);
        else faults.clear({ name: "", file });
      }
      entries = next;
      return hideTwins([...gifts, ...[...next.values()].flatMap(({ plugin }) => plugin ?? [])]);
    },
  };
}

const GONE = "gone";
const GONE_WHY =
  "Its file is not there any more, and it is required: it stays in use until the server starts again, which then goes without it.";

/** Whether the file may be there: nobody knows what is in a folder that cannot be read. */
function isThere(file: string, seen: readonly Seen[]): boolean {
  return seen.some(
    (it) => it.file === file || (it.kind === "folder" && (it.file === "." || file.startsWith(`${it.file}/`))),
  );
}

/** From low priority to high, equal ones as they were, so that a later one wraps an earlier one. */
export function sortPlugins(plugins: readonly LoadedPlugin[]): LoadedPlugin[] {
  return plugins.toSorted((a, b) => a.priority - b.priority);
}

function isBeingWritten({ changedAt }: Seen): boolean {
  const now = Date.now();
  return now >= changedAt && now - changedAt < SETTLE_MS;
}

/**
 * Of plugins with one name the one that has been in use goes on, at the start the first, and a built-in comes before all: another file
 * must not take a plugin's place by its name.
 */
function createTwinCheck(
  { faults, settings }: Pick<FinderOptions, "faults" | "settings">,
  taken: readonly string[],
): (plugins: readonly LoadedPlugin[]) => LoadedPlugin[] {
  let twins: readonly LoadedPlugin[] = [];
  let holders: ReadonlyMap<string, string | null> = new Map();
  return (plugins) => {
    const before = twins;
    const first = new Map(plugins.toReversed().map((plugin) => [plugin.name, plugin]));
    for (const plugin of plugins) if (holders.get(plugin.name) === plugin.file) first.set(plugin.name, plugin);
    const used = plugins.filter((plugin) => first.get(plugin.name) === plugin && !taken.includes(plugin.name));
    holders = new Map(used.map(({ name, file }) => [name, file]));
    twins = plugins.filter((plugin) => !used.includes(plugin));
    for (const twin of before) if (!twins.includes(twin)) faults.clear(twin);
    for (const twin of twins) {
      const other = taken.includes(twin.name) ? "a built-in plugin" : first.get(twin.name)?.file;
      const why = `The name ${twin.name} is taken by ${other}. Give one of them another name.`;
      const isLacking = isRequired(twin, settings) || mayBeRequired({ file: twin.file ?? "", kind: "file" }, twin);
      faults.add(twin, new Error(why), { isRequired: isLacking });
    }
    return used;
  };
}
