/**
 * Runs a plugin's file and says why it cannot be run, from source and beside the executable the same. `import … from "skeleton"`, and
 * from the packages that plugins share with the server, work in it also where there is no node_modules.
 */

import { basename, dirname, relative } from "node:path";
import * as typebox from "@sinclair/typebox";
import * as elysia from "elysia";
import { messageOf } from "../basics/errors";
import * as skeleton from "../kit";
import type { Exports } from "./function-tools";
import { inTime } from "./patience";

const LOADED: Readonly<Record<string, object>> = { skeleton, elysia, "@sinclair/typebox": typebox };

/** What only files of plugin_library/ need: in the executable, and loaded when the first plugin imports it. */
const ON_DEMAND: Readonly<Record<string, () => Promise<object>>> = {
  "@modelcontextprotocol/client": () => import("@modelcontextprotocol/client"),
  "@modelcontextprotocol/client/stdio": () => import("@modelcontextprotocol/client/stdio"),
};

let isRegistered = false;

/** Once in a process, and before any file is imported. */
function registerModules(): void {
  if (isRegistered) return;
  isRegistered = true;
  Bun.plugin({
    name: "skeleton",
    setup(build) {
      for (const [name, exports] of Object.entries(LOADED)) {
        build.module(name, () => ({ exports: { ...exports }, loader: "object" }));
      }
      for (const [name, load] of Object.entries(ON_DEMAND)) {
        build.module(name, async () => ({ exports: { ...(await loadReal(name, load)) }, loader: "object" }));
      }
    },
  });
}

/** From source the name would lead here again, and its path leads to the package; in the executable nothing has a path. */
function loadReal(name: string, load: () => Promise<object>): Promise<object> {
  return Bun.isStandaloneExecutable ? load() : import(Bun.resolveSync(name, import.meta.dir));
}

/** How often each file was imported that has hung: it stays in the runtime's registry, and runs anew under another name alone. */
const rounds = new Map<string, number>();

/** Throws an Error that says where it fails and what to do. */
export async function importFile(path: string, seconds: number): Promise<Exports> {
  registerModules();
  const round = rounds.get(path) ?? 0;
  const importing: Promise<Exports> = import(round === 0 ? path : `${path}?${round}`);
  try {
    return await inTime(seconds, "top-level `await`", () => importing);
  } catch (error) {
    if (round > 0 || Bun.peek.status(importing) === "pending") rounds.set(path, round + 1);
    throw new Error(`It cannot be loaded: ${whyUnloadable(error, path)}`, { cause: error });
  }
}

/** Lets the next import of a file run it anew with all that it imports, but for what others go on with. */
export function forget([path, ...imports]: readonly string[], kept: ReadonlySet<string>): void {
  if (path !== undefined) delete require.cache[path];
  for (const it of imports) if (!kept.has(it)) delete require.cache[it];
}

/** `path` is the plugin's file; what went wrong may be in one that it imports. */
function whyUnloadable(thrown: unknown, path: string): string {
  // Of what Bun found wrong in a text the first is said; later ones follow from it.
  const error: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  if (error instanceof BuildMessage && error.position) {
    return `${placeOf(error.position.file, error.position.line, path)}: ${error.message}`;
  }
  if (error instanceof ResolveMessage) return unresolved(error, path);
  const message = messageOf(error).replace(/^Its /, "its ");
  const hint = /before initialization/.test(message) ? " Do two files import one another?" : "";
  const place = error instanceof Error ? thrownAt(error, path) : null;
  return (place === null ? message : `${place}: ${message}`) + hint;
}

function unresolved({ specifier, referrer }: ResolveMessage, path: string): string {
  const who = referrer === path ? "it" : basename(referrer);
  if (/^[./]/.test(specifier)) return `there is no file ${specifier}, which ${who} imports.`;
  return (
    `there is no package ${specifier} here, which ${who} imports. Bundle it into the file with ` +
    `\`bun build mine.ts --target=bun --external skeleton --outfile=${basename(path)}\`.`
  );
}

/** The first place in a file of the plugins folder; nothing of what Bun or we do in between. */
function thrownAt({ stack = "" }: Error, path: string): string | null {
  for (const [, file = "", line] of stack.matchAll(/(?:\(|at )(\/[^\n()]+?):(\d+)(?::\d+)?\)?$/gm)) {
    if (!relative(dirname(path), file).startsWith("../..")) return placeOf(file, Number(line), path);
  }
  return null;
}

function placeOf(file: string, line: number, path: string): string {
  return file === path ? `line ${line}` : `line ${line} of ${relative(dirname(path), file)}`;
}
