/** The plugin files of a folder, and the state that each is in. */

import { lstat, readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../basics/errors";
import { type Imports, type State, statOf } from "./imports";

/** Folders that are looked into; the object, not the folder, says what a plugin does. */
const FOLDERS = ["core", "functions", "tools"];

/** A plugin file as it is now, or what somebody may take for one. */
export interface Seen extends State {
  /** Path below the plugins folder; `.` for that itself. */
  readonly file: string;
  /** The real one, so that imports are found where the file is and not where a link is. Empty when it cannot be used. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Why it cannot be used, as far as can be seen without opening it; null = it may be a plugin. */
  readonly unusable: string | null;
  /** `folder`: one that cannot be read, so that nobody knows what is in it; `stray`: what is no plugin where or as it is. */
  readonly kind: "file" | "folder" | "stray";
}

/** By their names, whatever their folder. None when there is no folder. */
export async function look(folder: string | null, imports: Imports): Promise<Seen[]> {
  if (folder === null) return [];
  const [top, ...kinds] = await Promise.all(["", ...FOLDERS].map((kind) => contentsOf(folder, kind)));
  const inOurs = kinds.flatMap(({ names }) => names);
  const files = inOurs.filter(isPluginFile).sort((a, b) => baseName(a).localeCompare(baseName(b), "en"));
  const unread = [top, ...kinds].flatMap((contents) => contents?.unread ?? []);
  const strays = await listStrays(folder, top?.names ?? [], inOurs);
  return Promise.all([...unread, ...files.map((file) => stateOf(folder, file, imports)), ...strays]);
}

async function stateOf(folder: string, file: string, imports: Imports): Promise<Seen> {
  try {
    const path = await realpath(join(folder, file));
    const stats = statOf(path);
    // To open a pipe would wait for whoever writes to it.
    if (!stats?.isFile()) return unusable(file, "It cannot be loaded: it is not a file.", "file");
    return { file, path, size: Number(stats.size), unusable: null, kind: "file", ...imports.stateOf(path) };
  } catch (error) {
    return unusable(file, `It cannot be loaded: ${whyUnreadable(error)}.`, "file");
  }
}

/** What the system says, for people. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return "it is a link to a file that is not there";
  if (code === "ELOOP") return "it is a link that leads back to itself";
  if (code === "EACCES" || code === "EPERM") return "the user that runs the server may not read it";
  return messageOf(error);
}

function unusable(file: string, why: string, kind: Seen["kind"]): Seen {
  return { file, path: "", size: 0, unusable: why, kind, identity: why, changedAt: 0 };
}

const ELSEWHERE = `It is not used: plugins are in the folders ${FOLDERS.join(", ")}. Move it there, or put _ before the name of what is none.`;
const OTHER_ENDING =
  "It is not used: a plugin's file ends in .ts. Rename it, or put _ before the name of what others import.";

/** What a person may take for a plugin: in a folder that is none of plugins, or with the ending of another kind of script. */
async function listStrays(folder: string, top: readonly string[], inOurs: readonly string[]): Promise<Seen[]> {
  const others = top.filter((name) => !/[.]|^_|^node_modules$|^lost\+found$/.test(name));
  const contents = await Promise.all(
    others.filter((name) => ![...FOLDERS, "html"].includes(name)).map((name) => contentsOf(folder, name)),
  );
  const elsewhere = [...top, ...contents.flatMap(({ names }) => names)].filter(isPluginFile);
  const scripts = inOurs.filter((file) => /\/[^._][^/]*\.(?:[cm]?js|jsx|tsx|[cm]ts)$/.test(file));
  return [
    ...contents.flatMap(({ unread }) => unread ?? []),
    ...elsewhere.map((file) => unusable(file, ELSEWHERE, "stray")),
    ...scripts.filter((file) => !/\.(?:d|test)\.\w+$/.test(file)).map((file) => unusable(file, OTHER_ENDING, "stray")),
  ];
}

interface Contents {
  /** Paths below the plugins folder. */
  readonly names: readonly string[];
  /** The folder, when it cannot be read. */
  readonly unread: Seen | null;
}

/** Of a folder below. `readdir` and not a glob, because globs skip symlinks, by which library plugins are installed. */
async function contentsOf(folder: string, below: string): Promise<Contents> {
  const path = join(folder, below);
  try {
    return { names: (await readdir(path)).map((name) => join(below, name)), unread: null };
  } catch (error) {
    const stats = await lstat(path).catch(() => null);
    // No plugins, or a file without an ending beside the folders.
    const isNothing = stats === null ? isMissing(error) : stats.isFile() && ![...FOLDERS, ""].includes(below);
    if (isNothing) return { names: [], unread: null };
    const why = stats?.isFile() ? "it is not a folder" : whyUnreadable(error);
    return { names: [], unread: unusable(below || ".", `It cannot be read: ${why}.`, "folder") };
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function isPluginFile(file: string): boolean {
  const name = baseName(file);
  return name.endsWith(".ts") && !name.endsWith(".d.ts") && !name.endsWith(".test.ts") && !/^[._]/.test(name);
}

function baseName(file: string): string {
  return file.slice(file.indexOf("/") + 1);
}
