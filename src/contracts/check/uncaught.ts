/**
 * Errors that nobody catches while plugins are checked. Each is a fault of the file that its stack names, or else of the file that
 * is checked at the moment; that may be none, while all are loaded together. The same is said once, however often it comes.
 */

import { realpath } from "node:fs/promises";
import { hearUncaught } from "../../uncaught";

export interface UncaughtInCheck {
  /** Adds a file that errors may come from, under the name that it has in what is said. */
  know(file: string, path: string): Promise<void>;
  /** What came from the file since it was last asked, and what came from no file that is known. A sentence each. */
  of(file: string): readonly string[];
  /** What came from no file that is known. */
  ofNobody(): readonly string[];
  /** All that is left, with the file. */
  rest(): readonly (readonly [file: string, sentence: string])[];
  end(): void;
}

export function collectUncaught(): UncaughtInCheck {
  /** Real paths, which stacks have, by the files' names. */
  const paths = new Map<string, string>();
  const said = new Set<string>();
  let uncaught: Error[] = [];
  const end = hearUncaught((error) => void uncaught.push(error));
  const fileOf = ({ stack = "" }: Error) => [...paths].find(([, path]) => stack.includes(`${path}:`))?.[0] ?? null;

  const take = (owner: string | null, isTaken: (file: string | null) => boolean): string[] => {
    const taken = uncaught.filter((error) => isTaken(fileOf(error)));
    uncaught = uncaught.filter((error) => !taken.includes(error));
    const sentences = taken.map((error) => sentenceOf(error, paths.get(owner ?? "") ?? null));
    return [...new Set(sentences)].filter((sentence) => {
      const key = `${owner} ${sentence}`;
      return !said.has(key) && said.add(key);
    });
  };

  return {
    async know(file, path) {
      paths.set(file, await realpath(path).catch(() => path));
    },
    of: (file) => take(file, (from) => from === null || from === file),
    ofNobody: () => take(null, (from) => from === null),
    rest: () =>
      [...paths.keys()].flatMap((file) => take(file, (from) => from === file).map((it) => [file, it] as const)),
    end,
  };
}

const MESSAGE_MAX = 300; // Characters, as of a promise that is not kept.

function sentenceOf({ message, stack = "" }: Error, path: string | null): string {
  const line = path === null ? undefined : /^:(\d+)/.exec(stack.split(path)[1] ?? "")?.[1];
  const what = path === null ? "what one of the plugins throws" : "what it throws";
  const said = message.replace(/\s+/g, " ").slice(0, MESSAGE_MAX);
  return `Nobody catches ${what}${line === undefined ? "" : ` in line ${line}`}: ${said}`;
}
