/** The plugin files of a folder, and the state that each is in. */

import { statSync } from "node:fs";
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import type { Imports, State } from "./imports";

/** Folders that are looked into; the object, not the folder, says what a plugin does. */
const FOLDERS = ["core", "functions", "tools"];

/** A plugin file as it is now. */
export interface Seen extends State {
  /** Path below the plugins folder. */
  readonly file: string;
  /** The real one, so that imports are found where the file is and not where a link is. Null = a link to nothing. */
  readonly path: string | null;
  /** Bytes; null = it is no file but a folder, a pipe or the like. */
  readonly size: number | null;
}

/** By their names, whatever their folder. None when there is no folder. */
export async function look(folder: string | null, imports: Imports): Promise<Seen[]> {
  const files = folder === null ? [] : await listFiles(folder);
  return Promise.all(
    files.map(async (file) => {
      const path = await realpath(join(folder ?? "", file)).catch(() => null);
      if (path === null) return { file, path, size: null, identity: "", changedAt: 0 };
      const stats = statSync(path, { throwIfNoEntry: false });
      return { file, path, size: stats?.isFile() ? stats.size : null, ...imports.stateOf(path) };
    }),
  );
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
