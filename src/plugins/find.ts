/**
 * The plugin files of a folder, each in the state that it and all that it imports by a relative path are in. Imports are read from the
 * text and found without Bun's resolver, which remembers what was not there.
 */

import { type BigIntStats, readFileSync, statSync } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { codeOf, messageOf } from "../basics/errors";

/** Folders that are looked into; the object, not the folder, says what a plugin does. */
const FOLDERS = ["core", "functions", "tools"];

/** A plugin file as it is now, or what somebody may take for one. */
export interface FoundFile {
  /** Path below the plugins folder; `.` for that itself. */
  readonly file: string;
  /** Differs when the file, or one that it imports, was changed, added or removed. */
  readonly identity: string;
  /** When any of them last changed; milliseconds since 1970. */
  readonly changedAt: number;
  /** Real paths, so that imports are found where the file is and not where a link is: its own, and those of all that it imports. */
  readonly paths: readonly string[];
  /** Why it cannot be used, as far as can be seen without opening it; null = it may be a plugin. */
  readonly unusable: string | null;
}

interface FileState {
  readonly identity: string;
  readonly changedAt: number;
  /** Paths. */
  readonly imports: readonly string[];
}

const TEXT_MAX = 1_000_000; // Bytes. What is longer is a bundle, and has its imports in it.

/** Looks at the folder each time it is called; a text is read again only when its file has changed. Null = there is no folder. */
export function createFinder(folder: string | null): () => Promise<FoundFile[]> {
  const known = new Map<string, FileState>();

  const look = (path: string): FileState => {
    const stats = statOf(path);
    const file = stats?.isFile() ? stats : null;
    const identity = file ? [file.dev, file.ino, file.size, file.ctimeNs].join(" ") : "missing";
    const before = known.get(path);
    if (before?.identity === identity) return before;
    const isRead = file !== null && file.size <= TEXT_MAX && /\.[cm]?[jt]sx?$/.test(path);
    const state = { identity, changedAt: Number(file?.ctimeMs ?? 0), imports: isRead ? importsOf(path) : [] };
    known.set(path, state);
    return state;
  };

  const addTree = (path: string, tree: Map<string, FileState>): Map<string, FileState> => {
    if (tree.has(path)) return tree;
    const state = look(path);
    tree.set(path, state);
    for (const it of state.imports) addTree(it, tree);
    return tree;
  };

  const stateOf = async (file: string): Promise<FoundFile> => {
    try {
      const path = await realpath(join(folder ?? "", file));
      // To open a pipe would wait for whoever writes to it.
      if (!statOf(path)?.isFile()) return unusable(file, "It cannot be loaded: it is not a file.");
      const tree = [...addTree(path, new Map())];
      const identity = tree.map(([name, state]) => `${name} ${state.identity}`).join("\n");
      const changedAt = Math.max(...tree.map(([, state]) => state.changedAt));
      return { file, identity, changedAt, paths: tree.map(([name]) => name), unusable: null };
    } catch (error) {
      return unusable(file, `It cannot be loaded: ${whyUnreadable(error)}.`);
    }
  };

  return async () => {
    if (folder === null) return [];
    const { unread, files, strays } = await list(folder);
    return [...unread, ...(await Promise.all(files.map(stateOf))), ...strays];
  };
}

/** The folder and those below it in which plugins are. */
export function foldersIn(folder: string): readonly string[] {
  return ["", ...FOLDERS].map((name) => join(folder, name));
}

/** By their names, whatever their folder: paths of what is taken for plugins, whether it can be used or not. */
export async function pluginFilesIn(folder: string): Promise<readonly string[]> {
  return (await list(folder)).files;
}

/** What the system says, for people. */
export function whyUnreadable(error: unknown): string {
  const code = codeOf(error);
  if (code === "ENOENT") return "it is a link to a file that is not there";
  if (code === "ELOOP") return "it is a link that leads back to itself";
  if (code === "EACCES" || code === "EPERM") return "the user that runs the server may not read it";
  return messageOf(error);
}

function unusable(file: string, why: string): FoundFile {
  return { file, identity: why, changedAt: 0, paths: [], unusable: why };
}

const ELSEWHERE = `It is not used: plugins are in the folders ${FOLDERS.join(", ")}. Move it there, or put _ before the name of what is none.`;
const OTHER_ENDING =
  "It is not used: a plugin's file ends in .ts. Rename it, or put _ before the name of what others import.";

/** `unread`: folders that cannot be read; `strays`: what a person may take for a plugin, where or as it is none. */
async function list(folder: string) {
  const [top, ...ours] = await Promise.all(["", ...FOLDERS].map((name) => contentsOf(folder, name)));
  const isOther = (name: string) =>
    ![...FOLDERS, "html"].includes(name) && !/[.]|^_|^node_modules$|^lost\+found$/.test(name);
  const names = top?.names ?? [];
  const others = await Promise.all(names.filter(isOther).map((name) => contentsOf(folder, name)));
  const inOurs = ours.flatMap((it) => it.names);
  const elsewhere = [...names, ...others.flatMap((it) => it.names)].filter(isPluginFile);
  const scripts = inOurs.filter((file) => /\/[^._][^/]*\.(?:[cm]?js|jsx|tsx|[cm]ts)$/.test(file));
  return {
    unread: [top, ...ours, ...others].flatMap((it) => it?.unread ?? []),
    files: inOurs.filter(isPluginFile).sort((a, b) => baseName(a).localeCompare(baseName(b), "en")),
    strays: [
      ...elsewhere.map((file) => unusable(file, ELSEWHERE)),
      ...scripts.filter((file) => !/\.(?:d|test)\.\w+$/.test(file)).map((file) => unusable(file, OTHER_ENDING)),
    ],
  };
}

interface Contents {
  /** Paths below the plugins folder. */
  readonly names: readonly string[];
  /** The folder, when it cannot be read. */
  readonly unread: FoundFile | null;
}

/** Of a folder below. `readdir` and not a glob, because globs skip symlinks, by which library plugins are installed. */
async function contentsOf(folder: string, below: string): Promise<Contents> {
  const path = join(folder, below);
  try {
    return { names: (await readdir(path)).map((name) => join(below, name)), unread: null };
  } catch (error) {
    const stats = await lstat(path).catch(() => null);
    // No plugins, or a file without an ending beside the folders.
    const isNothing = stats === null ? codeOf(error) === "ENOENT" : stats.isFile() && ![...FOLDERS, ""].includes(below);
    if (isNothing) return { names: [], unread: null };
    const why = stats?.isFile() ? "it is not a folder" : whyUnreadable(error);
    return { names: [], unread: unusable(below || ".", `It cannot be read: ${why}.`) };
  }
}

function isPluginFile(file: string): boolean {
  const name = baseName(file);
  return name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.endsWith(".test.ts") && !/^[._]/.test(name);
}

function baseName(file: string): string {
  return file.slice(file.indexOf("/") + 1);
}

/** In strings and comments too, which costs a look and nothing else. */
const RELATIVE = /\b(?:from|import|require)\s*\(?\s*(["'])(\.{1,2}\/[^"'\n]+)\1/g;
const ENDINGS = ["", ".ts", ".tsx", ".js", ".mjs", ".json", "/index.ts", "/index.js"];

/** Every path at which an import that leads nowhere yet could appear. */
function importsOf(path: string): string[] {
  return [...textOf(path).matchAll(RELATIVE)].flatMap((match) => {
    const paths = ENDINGS.map((ending) => resolve(dirname(path), match[2] ?? "") + ending);
    return paths.find((it) => statOf(it)?.isFile()) ?? paths;
  });
}

/** None of a file that may not be read: importing it says so, with its name. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Null when there is nothing, or nothing that this user may look at: a loop of links, a folder that is locked. */
export function statOf(path: string): BigIntStats | null {
  try {
    return statSync(path, { throwIfNoEntry: false, bigint: true }) ?? null;
  } catch {
    return null;
  }
}
