/** Finds the plugin files of a folder and imports them. A file that cannot be used is a fault, never an end. */

import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../errors";
import type { Plugin } from "../protocols";
import type { Faults } from "./fault";
import { type Exports, withFunctions } from "./functions";
import type { SettingsFile } from "./settings";
import { checkPlugin } from "./shape";

/** Folders that are looked into; the object, not the folder, says what a plugin does. */
const FOLDERS = ["core", "functions", "tools"];
const PRIORITY = 10; // Of a plugin that does not say: over the built-ins.

export interface Found extends Plugin {
  readonly priority: number;
  /** Path below the plugins folder; null for one that is no file. */
  readonly file: string | null;
  /** One that fails is the end, because nothing is there to take its place. */
  readonly isBuiltIn: boolean;
  /** What `core.settings` gives; undefined for a plugin without a schema. */
  readonly values: unknown;
}

/** The plugins that can be used: those given, and those of the folder in the order of their file names. */
export async function findPlugins(
  folder: string,
  given: readonly Plugin[],
  settings: SettingsFile,
  faults: Faults,
): Promise<Found[]> {
  const found: Found[] = [];
  const add = (value: unknown, file: string | null) => {
    const plugin = checkPlugin(value);
    const twin = found.find(({ name }) => name === plugin.name);
    if (twin) throw new Error(`The name ${plugin.name} is taken by ${twin.file}. Give one of them another name.`);
    const values = settings.read(plugin);
    found.push({ ...plugin, priority: plugin.priority ?? PRIORITY, file, isBuiltIn: false, values });
  };
  for (const plugin of given) add(plugin, null);
  for (const file of await listFiles(folder)) {
    try {
      add(await importPlugin(folder, file), file);
    } catch (error) {
      faults.add({ name: file.replace(/^.*\/|\.ts$/g, ""), file }, error);
    }
  }
  return found;
}

/** From low priority to high, equal ones as they were, so that a later one wraps an earlier one. */
export function sortPlugins(plugins: readonly Found[]): Found[] {
  return plugins.toSorted((a, b) => a.priority - b.priority);
}

/** `readdir` and not a glob, because globs skip symlinks, and a link is how a library plugin is installed. */
async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const kind of FOLDERS) {
    const names = await readdir(join(folder, kind)).catch((error) => {
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
      throw error;
    });
    files.push(...names.filter(isPluginFile).map((name) => `${kind}/${name}`));
  }
  return files.sort((a, b) => baseName(a).localeCompare(baseName(b), "en"));
}

function isPluginFile(name: string): boolean {
  return name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.endsWith(".test.ts") && !/^[._]/.test(name);
}

function baseName(file: string): string {
  return file.slice(file.indexOf("/") + 1);
}

/** What a file exports as default; in tools/ its exported functions are tools too. */
async function importPlugin(folder: string, file: string): Promise<unknown> {
  // The real path, so that its own imports are found where the file is and not where the link is.
  const load = async () => {
    const path = await realpath(join(folder, file));
    return { path, exports: (await import(path)) as Exports };
  };
  const { path, exports } = await load().catch((error) => {
    throw new Error(`It cannot be loaded: ${reasonOf(error)}`);
  });
  const plugin = file.startsWith("tools/") ? await withFunctions(exports, path, file) : exports.default;
  if (plugin !== undefined) return plugin;
  throw new Error("It has no default export; export the plugin object as default, or functions if it is in tools/.");
}

/** Of what Bun found wrong in a text the first is said, with its line; later ones follow from it. */
function reasonOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof BuildMessage && first.position
    ? `line ${first.position.line}: ${first.message}`
    : messageOf(first);
}
