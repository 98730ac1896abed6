/** Why a plugin file cannot be imported, in a sentence that says where and what to do: from source and beside the executable the same. */

import { basename, dirname, relative } from "node:path";
import { messageOf } from "../basics/errors";

/** `path` is the plugin's file; what went wrong may be in one that it imports. */
export function whyUnloadable(thrown: unknown, path: string): string {
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
