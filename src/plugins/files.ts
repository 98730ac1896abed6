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
  /** Why it is not where or what a plugin's file is, which nobody would learn otherwise; null = it is. */
  readonly misplaced: string | null;
}

/** By their names, whatever their folder. None when there is no folder. */
export async function look(folder: string | null, imports: Imports): Promise<Seen[]> {
  if (folder === null) return [];
  const [files, strays] = await Promise.all([listFiles(folder), listStrays(folder)]);
  return Promise.all([...files.map((file) => stateOf(folder, file, imports)), ...strays]);
}

async function stateOf(folder: string, file: string, imports: Imports): Promise<Seen> {
  const path = await realpath(join(folder, file)).catch(() => null);
  if (path === null) return { file, path, size: null, misplaced: null, identity: "", changedAt: 0 };
  const stats = statSync(path, { throwIfNoEntry: false });
  return { file, path, size: stats?.isFile() ? stats.size : null, misplaced: null, ...imports.stateOf(path) };
}

async function listFiles(folder: string): Promise<string[]> {
  const names = await Promise.all(FOLDERS.map((kind) => namesIn(folder, kind)));
  const files = names.flat().filter(isPluginFile);
  return files.sort((a, b) => baseName(a).localeCompare(baseName(b), "en"));
}

const ELSEWHERE = `It is not used: plugins are in the folders ${FOLDERS.join(", ")}. Move it there, or put _ before the name of what is none.`;
const OTHER_ENDING =
  "It is not used: a plugin's file ends in .ts. Rename it, or put _ before the name of what others import.";

/** What a person may take for a plugin: in a folder that is none of plugins, or with the ending of another kind of script. */
async function listStrays(folder: string): Promise<Seen[]> {
  const top = await namesIn(folder, "");
  const others = top.filter((name) => !/[.]|^_|^node_modules$/.test(name) && ![...FOLDERS, "html"].includes(name));
  const [inOthers, inOurs] = await Promise.all([
    Promise.all(others.map((name) => namesIn(folder, name))),
    Promise.all(FOLDERS.map((kind) => namesIn(folder, kind))),
  ]);
  const elsewhere = [...top, ...inOthers.flat()].filter(isPluginFile).map((file) => stray(file, ELSEWHERE));
  const scripts = inOurs.flat().filter((file) => /\/[^._][^/]*\.(?:[cm]?js|jsx|tsx|[cm]ts)$/.test(file));
  return [
    ...elsewhere,
    ...scripts.filter((file) => !/\.(?:d|test)\.\w+$/.test(file)).map((file) => stray(file, OTHER_ENDING)),
  ];
}

function stray(file: string, misplaced: string): Seen {
  return { file, path: null, size: null, misplaced, identity: misplaced, changedAt: 0 };
}

/** Paths of what is in a folder below. `readdir` and not a glob, because globs skip symlinks, by which library plugins are installed. */
async function namesIn(folder: string, below: string): Promise<string[]> {
  const names = await readdir(join(folder, below)).catch((error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  return names.map((name) => join(below, name));
}

function isPluginFile(file: string): boolean {
  const name = baseName(file);
  return name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.endsWith(".test.ts") && !/^[._]/.test(name);
}

function baseName(file: string): string {
  return file.slice(file.indexOf("/") + 1);
}
