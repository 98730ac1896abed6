/** Imports a plugin file, checks what it exports, and gives it its settings. */

import { isUtf8 } from "node:buffer";
import type { Plugin } from "../protocols";
import type { FaultKind, Faults } from "./fault";
import { type Seen, whyUnreadable } from "./files";
import { type Exports, type WithFunctions, withFunctions } from "./function-tools";
import { type Patience, within } from "./patience";
import { mayBeRequired } from "./required";
import type { SettingsFile } from "./settings";
import { checkPlugin, isName } from "./shape";
import { whyUnloadable } from "./unloadable";

const PRIORITY = 10; // Of a plugin that does not say: over the built-ins.
const FILE_MAX = 16 * 1024 ** 2; // Bytes. The largest bundle is a tenth of it, and to parse 60 MiB stops the server for 10 s.

/** One that is loaded: the same object as long as neither its files nor its settings change. */
export interface LoadedPlugin extends Plugin {
  readonly priority: number;
  /** Path below the plugins folder; null for one that is no file. */
  readonly file: string | null;
  /** One that fails is the end, because nothing is there to take its place. */
  readonly isBuiltIn: boolean;
  /** What `core.settings` gives; undefined for a plugin without a schema. */
  readonly values: unknown;
}

/** What became of a file. */
export interface PluginEntry {
  readonly identity: string;
  /** In use; null = the file was never good. */
  readonly plugin: LoadedPlugin | null;
  readonly isBroken: boolean;
}

export interface LoadOptions {
  readonly settings: SettingsFile;
  readonly faults: Faults;
  readonly patience: Patience;
}

/** A file that cannot be used is a fault; what was good `before` stays in use. */
export async function load(
  seen: Seen,
  before: PluginEntry | null,
  { settings, faults, patience }: LoadOptions,
): Promise<PluginEntry> {
  const { file, path, size, identity, unusable } = seen;
  let exported: unknown;
  const addFault = (cause: unknown, kind: FaultKind) => {
    const known = readableOf(exported);
    const name = nameOf(seen, known.name);
    const isRequired = mayBeRequired(seen, known) || settings.required().includes(name);
    faults.add({ name, file }, cause, { ...kind, isRequired });
  };
  faults.clear({ name: "", file });
  try {
    if (unusable !== null) throw new Error(unusable);
    if (size > FILE_MAX) throw new Error(`It cannot be loaded: it is larger than ${FILE_MAX / 1024 ** 2} MiB.`);
    if (!isUtf8(await bytesOf(path))) throw new Error("It cannot be loaded: it is no text in UTF-8; save it as such.");
    const { plugin: found, refused } = await importPlugin(path, file, patience);
    exported = found;
    const plugin = withDefaults(checkPlugin(exported), file, settings);
    if (refused.length > 0) addFault(new Error(refused.join(" ")), { isPartial: true });
    return { identity, plugin, isBroken: false };
  } catch (error) {
    const plugin = before?.plugin ?? null;
    addFault(error, { isReplacing: plugin !== null });
    return { identity, plugin, isBroken: true };
  }
}

/** What can be told of a plugin that cannot be used: a member may be what throws. */
function readableOf(exported: unknown): { name?: unknown; required?: unknown; provide?: unknown } {
  const members = ["name", "required", "provide"].map((member) => {
    try {
      return [member, Reflect.get(Object(exported), member)];
    } catch {
      return [member, undefined];
    }
  });
  return Object.fromEntries(members);
}

/** As far as it is known: the plugin's own, or that of its file. */
function nameOf({ file }: Seen, own: unknown): string {
  return isName(own) ? own : file.replace(/^.*\/|\.ts$/g, "");
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await Bun.file(path).bytes();
  } catch (error) {
    throw new Error(`It cannot be loaded: ${whyUnreadable(error)}.`, { cause: error });
  }
}

/** What a file exports as default; in tools/ its exported functions are tools too. */
async function importPlugin(path: string, file: string, { loadS }: Patience): Promise<WithFunctions> {
  const exports = await importFile(path, loadS).catch((error) => {
    throw new Error(`It cannot be loaded: ${whyUnloadable(error, path)}`);
  });
  const found = file.startsWith("tools/")
    ? await withFunctions(exports, path, file)
    : { plugin: exports.default, refused: [] };
  if (found.plugin !== undefined) return found;
  throw new Error("It has no default export; export the plugin object as default, or functions if it is in tools/.");
}

/** How often files have been imported since they first hung. */
const hung = new Map<string, number>();

async function importFile(path: string, seconds: number): Promise<Exports> {
  // A file that has not come to its end stays in the runtime's registry; under another name it can be run anew.
  const round = hung.get(path);
  if (round !== undefined) hung.set(path, round + 1);
  const name = round === undefined ? path : `${path}?${round}`;
  let isOver = false;
  const importing = async () => {
    const exports: Exports = await import(name);
    isOver = true;
    return exports;
  };
  return within(seconds, "top-level `await`", importing).finally(() => {
    if (!isOver && round === undefined) hung.set(path, 1);
  });
}

/** Throws an Error when the settings do not fit. */
export function withDefaults(plugin: Plugin, file: string | null, settings: SettingsFile): LoadedPlugin {
  const values = settings.read(plugin);
  return { ...plugin, priority: plugin.priority ?? PRIORITY, file, isBuiltIn: false, values };
}
