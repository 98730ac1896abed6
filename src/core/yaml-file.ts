/**
 * A YAML file of the owner, reloaded when it changes: `users.yaml`, `system_prompts.yaml`, `models.yaml`. Looks at the
 * file when asked (a stat, at most every CHECK_MS) instead of watching it: that survives editors that rename, network
 * disks and folders that come later, costs nothing while nobody asks, and leaves nothing to close.
 */

import { readFileSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type yaml from "yaml";
import { messageOf } from "../basics/errors";
import type { Log } from "../protocols";

export interface YamlFileOptions<Value> {
  readonly path: string;
  /** The value while there is no file. */
  readonly missing: Value;
  /**
   * Makes the value of what the file says (null for an empty file). Runs once per changed text. Throw an Error with a
   * sentence for the owner when the file as a whole is unusable; a single bad entry is better left out and logged.
   */
  readonly parse: (content: unknown) => Value;
  readonly log: Log;
}

export interface YamlFile<Value> {
  /**
   * The value of the file, at most 300 ms old (600 ms while somebody is writing). Never throws: when the file cannot be
   * read or parsed, the error is logged once and the last good value stays. The same object until the file changes, so
   * it can key a cache. A file that is deleted is `missing` again.
   */
  get(): Value;
  /** Like get, and sees a change made a moment ago, half-written or not. For those who just wrote the file. */
  refresh(): Value;
  /** Why the file as it is now is not in use, or null when it is. Looks as `get` does. */
  problem(): string | null;
}

const CHECK_MS = 250; // Two checks and a wait stay under the second after which a removed user must be out.
const SETTLE_MS = 50; // A file that changed this recently may be half written, or about to be renamed into place.
const MAX_WAIT_MS = 200; // But one that keeps changing is read in the end.
const COARSE_MS = 2000; // The coarsest clock of a file system (FAT): two changes within it may look the same.

/** Logs an error for each new problem, and an info line when a changed file is in use. */
export function createYamlFile<Value>({ path, missing, parse, log }: YamlFileOptions<Value>): YamlFile<Value> {
  let value = missing;
  let problem: string | null = null;
  /** The file's text that was taken last, good or not, or null for no file. Undefined = nothing yet. */
  let taken: { readonly text: string | null; readonly problem: string | null } | undefined;
  let checkedAt = Number.NEGATIVE_INFINITY;
  let seen: string | null = null;
  let waitingSince: number | null = null;

  const look = (isForced: boolean): void => {
    const now = Date.now();
    // A clock that was set back must not stop the checks.
    if (!isForced && now >= checkedAt && now - checkedAt < CHECK_MS) return;
    checkedAt = now;
    try {
      const { identity, changedAt } = stateOf(path);
      if (identity === seen) return;
      if (!isForced && taken !== undefined && isBeingWritten(changedAt, now)) return;
      waitingSince = null;
      take(identity === MISSING ? null : readFileSync(path, "utf8"));
      // Until a later change must look different, the text itself is compared.
      seen = now - changedAt > COARSE_MS ? identity : null;
    } catch (error) {
      seen = null;
      report(messageOf(error));
    }
  };

  const isBeingWritten = (changedAt: number, now: number): boolean => {
    if (now < changedAt || now - changedAt > SETTLE_MS) return false;
    waitingSince ??= now;
    return now - waitingSince < MAX_WAIT_MS;
  };

  const take = (text: string | null): void => {
    if (text !== taken?.text) {
      const isFirst = taken === undefined;
      taken = { text, problem: parseInto(text) };
      if (!isFirst && taken.problem === null) log.info(`${basename(path)} has changed and is in use`, { file: path });
    }
    report(taken.problem);
  };

  const parseInto = (text: string | null): string | null => {
    try {
      value = text === null ? missing : parse(contentOf(text));
      return null;
    } catch (error) {
      return messageOf(error);
    }
  };

  const report = (found: string | null): void => {
    if (found === problem) return;
    problem = found;
    if (found === null) return;
    log.error(`${basename(path)} cannot be used; what was there before stays in use`, { file: path, reason: found });
  };

  return {
    get() {
      look(false);
      return value;
    },
    refresh() {
      look(true);
      return value;
    },
    problem() {
      look(false);
      return problem;
    },
  };
}

/** Bun's parser is quick and does not say where; the other one is asked for that alone, as its messages quote the file. */
function contentOf(text: string): unknown {
  try {
    return Bun.YAML.parse(text);
  } catch (error) {
    // Loaded for a fault alone: it takes longer to load than all files to read.
    const { parseDocument } = require("yaml") as typeof yaml;
    const line = parseDocument(text).errors[0]?.linePos?.[0].line;
    const message = messageOf(error).replace(/^YAML Parse error: /, "");
    throw new Error(line === undefined ? `It is no YAML: ${message}` : `line ${line} is no YAML: ${message}`);
  }
}

const MISSING = "missing";

/** What a change shows in, and when the last one was; a missing file changed when its folder did. */
function stateOf(path: string): { readonly identity: string; readonly changedAt: number } {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stats === undefined) {
    const folder = statSync(dirname(path), { throwIfNoEntry: false });
    return { identity: MISSING, changedAt: folder?.mtimeMs ?? 0 };
  }
  // Reading a pipe or a device would block the server.
  if (!stats.isFile()) throw new Error("It is not a file");
  // The change time and not the modification time, which `cp -p`, `mv` and `touch` carry over or set back.
  return { identity: [stats.dev, stats.ino, stats.size, stats.ctimeNs].join(" "), changedAt: Number(stats.ctimeMs) };
}
