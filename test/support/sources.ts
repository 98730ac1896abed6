/**
 * Reads the project's own source as text: files, imports, functions. By regular expression, since TypeScript 7 offers no stable
 * parser and Biome's formatting makes the indentation of a line say where a function ends.
 */

import { readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { projectFolder } from "./project";

export interface Source {
  /** From the project's folder, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** A file of the project, or the name of a package as it is written. */
  readonly to: string;
  readonly isPackage: boolean;
  readonly isType: boolean;
}

/** The TypeScript files below the folders, by path. A folder that is not there has none. */
export function readSources(...folders: readonly string[]): Source[] {
  const paths = folders.flatMap((folder) => [...new Bun.Glob(`${folder}/**/*.ts`).scanSync({ cwd: projectFolder })]);
  return paths.sort().map((path) => ({ path, text: readFileSync(join(projectFolder, path), "utf8") }));
}

const STATIC_IMPORT = /^(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?"([^"]+)"/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** What a file imports or re-exports, types included. */
export function importsOf({ path, text }: Source): Import[] {
  return [
    ...[...text.matchAll(STATIC_IMPORT)].map((it) => resolve(path, it[2] ?? "", it[1] !== undefined)),
    ...[...text.matchAll(DYNAMIC_IMPORT)].map((it) => resolve(path, it[1] ?? "", false)),
  ];
}

function resolve(from: string, specifier: string, isType: boolean): Import {
  if (!specifier.startsWith(".")) return { from, to: specifier, isPackage: true, isType };
  const path = normalize(join(dirname(from), specifier));
  const found = [path, `${path}.ts`, `${path}/index.ts`].find(isFile);
  return { from, to: found ?? path, isPackage: false, isType };
}

function isFile(path: string): boolean {
  return statSync(join(projectFolder, path), { throwIfNoEntry: false })?.isFile() ?? false;
}

/** A circle of imports as the paths on it, or null. */
export function findCircle(imports: readonly Import[]): string[] | null {
  const targets = Map.groupBy(imports, (it) => it.from);
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const { to } of targets.get(path) ?? []) {
      const circle = visit(to, [...trail, path]);
      if (circle) return circle;
    }
    done.add(path);
    return null;
  };
  for (const path of targets.keys()) {
    const circle = visit(path, []);
    if (circle) return circle;
  }
  return null;
}

export interface FunctionLength {
  readonly name: string;
  /** From its name to its closing brace, without the lines of functions inside it: a factory is as long as it reads. */
  readonly lines: number;
}

const FUNCTION_START =
  /^(\s*)(?:export )?(?:default )?(?:(?:async )?function\*? ?(\w*)|(?:const )?(\w+)(?: = |: )(?:async )?\(.*=>|(?:async )?\*?(\w+)\()/;
const NO_FUNCTION = /^\s*(?:if|for|while|switch|catch|return|await|test|describe)\b/;

/** Functions with a body in braces, in the order in which they begin. */
export function functionsOf({ text }: Source): FunctionLength[] {
  const lines = text.split("\n");
  const spans = lines.flatMap((line, start) => {
    const match = NO_FUNCTION.test(line) ? null : FUNCTION_START.exec(line);
    const end = match ? endOfBlock(lines, start, match[1] ?? "") : null;
    return match && end !== null ? [{ name: match[2] || match[3] || match[4] || "function", start, end }] : [];
  });
  return spans.map(({ name, start, end }) => {
    const inner = spans.filter((it) => it.start > start && it.end < end);
    const outermost = inner.filter((it) => !inner.some((other) => other.start < it.start && other.end > it.end));
    return { name, lines: end - start + 1 - outermost.reduce((sum, it) => sum + it.end - it.start + 1, 0) };
  });
}

/** The line with the closing brace of what starts at a line, or null when no block starts there. */
function endOfBlock(lines: readonly string[], start: number, indent: string): number | null {
  const end = lines.findIndex(
    (line, at) => at > start && line.startsWith(indent) && /^[^\s)]/.test(line.slice(indent.length)),
  );
  return lines[end]?.slice(indent.length).startsWith("}") ? end : null;
}

/** Names of the members of an interface, those it extends aside; empty when there is no such interface. */
export function membersOf(sources: readonly Source[], name: string): string[] {
  for (const { text } of sources) {
    const body = new RegExp(`^export interface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, "ms").exec(text)?.[1];
    if (body) return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(<]/gm)].map((it) => it[1] ?? "");
  }
  return [];
}
