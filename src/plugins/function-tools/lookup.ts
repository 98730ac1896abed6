/** Follows names to what they stand for, across files along relative imports. */

import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { ParserPlugin, parse } from "@babel/parser";
import { messageOf } from "../../basics/errors";
import { createSource, type SourceFile } from "./source";

/** Something declared, and the file that it is in. */
export interface Located<T> {
  readonly source: SourceFile;
  readonly declared: T;
}

type Kind = "functions" | "types" | "classes";
type Of<K extends Kind> = SourceFile[K] extends Map<string, infer Declared> ? Declared : never;

export interface Sources {
  /** Throws an Error whose message says why the file cannot be read. */
  open(path: string): SourceFile;
  /** What a name means inside a file, or null. */
  find<K extends Kind>(kind: K, source: SourceFile, name: string): Located<Of<K>> | null;
  /** What a file gives to others under a name, or null. */
  findExport<K extends Kind>(kind: K, source: SourceFile, name: string): Located<Of<K>> | null;
}

const PLUGINS: ParserPlugin[] = ["typescript", "decorators", "decoratorAutoAccessors"]; // What the runtime takes.
const TEXT_MAX = 200_000; // Characters: some 400 ms of a busy core, in which nothing else happens; by hand nobody writes as many.

export function createSources(parseText: typeof parse): Sources {
  const opened = new Map<string, SourceFile>();

  const open = (path: string): SourceFile => {
    const known = opened.get(path);
    if (known) return known;
    const text = readFileSync(path, "utf8");
    if (text.length > TEXT_MAX) throw new Error(`The types in ${basename(path)} cannot be read: it is too long.`);
    const source = createSource(path, text, parseSafely(parseText, path, text));
    opened.set(path, source);
    return source;
  };

  const find = <K extends Kind>(kind: K, source: SourceFile, name: string, seen: Set<string>): Lookup<K> => {
    const declared = (source[kind] as Map<string, Of<K>>).get(name);
    if (declared) return { source, declared };
    const elsewhere = source.imports.get(name);
    return elsewhere ? follow(kind, source, elsewhere.from, elsewhere.name, seen) : null;
  };

  const findExport = <K extends Kind>(kind: K, source: SourceFile, name: string, seen: Set<string>): Lookup<K> => {
    // Files may export one another's in a circle.
    const key = `${source.path} ${name}`;
    if (seen.has(key)) return null;
    seen.add(key);
    const given = source.exports.get(name);
    if (given) {
      return given.from === null
        ? find(kind, source, given.name, seen)
        : follow(kind, source, given.from, given.name, seen);
    }
    for (const from of source.stars) {
      const found = follow(kind, source, from, name, seen);
      if (found) return found;
    }
    return null;
  };

  const follow = <K extends Kind>(kind: K, { path }: SourceFile, from: string, name: string, seen: Set<string>) => {
    const target = from.startsWith(".") ? resolve(from, path) : null;
    return target === null ? null : findExport(kind, open(target), name, seen);
  };

  return {
    open,
    find: (kind, source, name) => find(kind, source, name, new Set()),
    findExport: (kind, source, name) => findExport(kind, source, name, new Set()),
  };
}

/** The runtime has loaded the file already, so what Babel finds wrong and can pass over is left to it. */
function parseSafely(parseText: typeof parse, path: string, text: string) {
  try {
    return parseText(text, { sourceType: "module", plugins: PLUGINS, errorRecovery: true });
  } catch (error) {
    const why = error instanceof RangeError ? "it nests too deep." : messageOf(error);
    throw new Error(`The types in ${basename(path)} cannot be read: ${why}`);
  }
}

type Lookup<K extends Kind> = Located<Of<K>> | null;

/** As an import would find it; null when there is no such TypeScript file. */
function resolve(specifier: string, from: string): string | null {
  try {
    const path = realpathSync(Bun.resolveSync(specifier, dirname(from)));
    return path.endsWith(".ts") ? path : null;
  } catch {
    return null;
  }
}
