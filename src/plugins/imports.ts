/**
 * Which files a plugin is made of: itself and what it imports by a relative path, and so on. Read from the text and found without
 * Bun's resolver, which remembers what was not there; so that a change shows, and that of what runs nothing old is used again.
 */

import { type BigIntStats, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

export interface State {
  /** Differs when the file, or one that it imports, was changed, added or removed. */
  readonly identity: string;
  /** When any of them last changed; milliseconds since 1970. */
  readonly changedAt: number;
}

export interface Imports {
  stateOf(path: string): State;
  /** Lets the next import of these files run them anew, with those of their imports that changed since they ran, or all. */
  forget(paths: readonly string[], isAll: boolean): void;
}

interface ImportedFile extends State {
  readonly imports: readonly string[];
}

const TEXT_MAX = 1_000_000; // Bytes. What is longer is a bundle, and has its imports in it.

export function createImports(): Imports {
  const known = new Map<string, ImportedFile>();
  /** What each file was when it last ran. */
  const ran = new Map<string, string>();

  const look = (path: string): ImportedFile => {
    const { identity, changedAt, size } = identify(path);
    const before = known.get(path);
    if (before?.identity === identity) return before;
    const isRead = size > 0 && size <= TEXT_MAX && /\.[cm]?[jt]sx?$/.test(path);
    const file = { identity, changedAt, imports: isRead ? importsOf(path) : [] };
    known.set(path, file);
    return file;
  };

  /** The files and all that they lead to, each after its own imports. */
  const treeOf = (paths: readonly string[], tree = new Map<string, ImportedFile>(), seen = new Set<string>()) => {
    for (const path of paths) {
      if (seen.has(path)) continue;
      seen.add(path);
      const file = look(path);
      treeOf(file.imports, tree, seen);
      tree.set(path, file);
    }
    return tree;
  };

  return {
    stateOf(path) {
      const files = [...treeOf([path])];
      return {
        identity: files.map(([name, { identity }]) => `${name} ${identity}`).join("\n"),
        changedAt: Math.max(...files.map(([, { changedAt }]) => changedAt)),
      };
    },
    forget(paths, isAll) {
      const tree = treeOf(paths);
      const stale = new Set(isAll ? tree.keys() : paths);
      // Imports come before those who import them, unless they import one another.
      for (let size = 0; size !== stale.size; ) {
        size = stale.size;
        for (const [path, { identity, imports }] of tree) {
          if (ran.get(path) !== identity || imports.some((it) => stale.has(it))) stale.add(path);
        }
      }
      for (const path of stale) {
        delete require.cache[path];
        ran.set(path, tree.get(path)?.identity ?? "");
      }
    },
  };
}

const MISSING = { identity: "missing", changedAt: 0, size: 0 };

function identify(path: string): { readonly identity: string; readonly changedAt: number; readonly size: number } {
  const stats = statOf(path);
  if (!stats?.isFile()) return MISSING;
  const { dev, ino, size, ctimeNs, ctimeMs } = stats;
  return { identity: [dev, ino, size, ctimeNs].join(" "), changedAt: Number(ctimeMs), size: Number(size) };
}

/** In strings and comments too, which costs a look and nothing else. */
const RELATIVE = /\b(?:from|import|require)\s*\(?\s*(["'])(\.{1,2}\/[^"'\n]+)\1/g;

function importsOf(path: string): string[] {
  const text = textOf(path);
  return [...text.matchAll(RELATIVE)].flatMap((match) => find(resolve(dirname(path), match[2] ?? "")));
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

const ENDINGS = ["", ".ts", ".tsx", ".js", ".mjs", ".json", "/index.ts", "/index.js"];

/** All that it could be when there is no such file yet: it may come. */
function find(path: string): string[] {
  const paths = ENDINGS.map((ending) => path + ending);
  const found = paths.find((it) => statOf(it)?.isFile());
  return found === undefined ? paths : [found];
}
