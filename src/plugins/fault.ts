/**
 * Why a plugin, or a part of it, is not used: named, logged and kept until it is mended; the rest of the server runs. But the
 * server does not start without what is required.
 */

import { join } from "node:path";
import { messageOf } from "../basics/errors";
import type { Log, PluginFault } from "../protocols";

export interface FaultSource {
  readonly name: string;
  readonly file: string | null;
}

export interface FaultKind {
  /** What was there before stays in use. */
  readonly isReplacing?: boolean;
  /** It is in use, without what the fault names. */
  readonly isPartial?: boolean;
  /** The server does not start without it. */
  readonly isRequired?: boolean;
}

export interface Faults {
  /** Throws an Error that says all in one line when the fault ends the start of the server. */
  add(source: FaultSource, cause: unknown, kind?: FaultKind): void;
  /** Forgets those of a file or, without one, of a plugin. */
  clear(source: FaultSource): void;
  list(): readonly PluginFault[];
  /** From now on the server runs, and no fault ends it. */
  started(): void;
}

/** How the log begins to tell of a plugin that is in use without a part of it. */
export const PARTLY_USED = "A part of a plugin cannot be used";

export interface FaultOptions {
  readonly log: Log;
  /** Where the files are, for the line that ends the start. */
  readonly folder: string;
  /** For a check: no fault ends the start. */
  readonly isLenient?: boolean;
}

export function createFaults({ log, folder, isLenient = false }: FaultOptions): Faults {
  const faults = new Map<string, PluginFault>();
  let isStarting = !isLenient;
  return {
    add(source, cause, { isReplacing = false, isPartial = false, isRequired = false } = {}) {
      const { name: plugin, file } = source;
      const message = sentenceOf(cause);
      const fault = { plugin, file, message };
      if (isStarting && isRequired) throw new Error(endOfStart(fault, folder), { cause });
      if (faults.get(keyOf(source))?.message === message) return;
      faults.set(keyOf(source), fault);
      const fields = { plugin, file: file ?? undefined, reason: fault.message };
      if (isReplacing) log.error("A changed plugin cannot be used; what was there before stays in use", fields);
      else log.warn(isPartial ? PARTLY_USED : "A plugin is quarantined", fields);
    },
    clear: (source) => void faults.delete(keyOf(source)),
    list: () => [...faults.values()],
    started() {
      isStarting = false;
    },
  };
}

/** How to start all the same. */
export const WITHOUT = "SKELETON_SKIP_PLUGINS=1 starts without any plugin.";

function endOfStart({ plugin, file, message }: PluginFault, folder: string): string {
  const path = file === null ? null : join(folder, file);
  const what = path === null ? `the plugin ${plugin}` : file?.endsWith(".ts") ? `the plugin ${plugin} (${path})` : path;
  const remedy = path === null ? "" : " Mend it, or take it away; `skeleton check` says all that is wrong.";
  const line = `The server does not start without ${what}: ${message.replace(/[^.!?…]$/, "$&.")}${remedy} ${WITHOUT}`;
  // A file's name may hold a line break.
  return line.replace(/\s+/g, " ");
}

const MESSAGE_MAX = 500; // Characters. Some errors quote the whole text of a file.

function sentenceOf(cause: unknown): string {
  const message = messageOf(cause).replace(/\s+/g, " ").trim();
  return message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)}…` : message;
}

function keyOf({ name, file }: FaultSource): string {
  return file ?? `plugin ${name}`;
}
