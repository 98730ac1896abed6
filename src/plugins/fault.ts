/** Why a plugin, or a part of it, is not used: named, logged and kept until it is mended; the rest of the server runs. */

import { messageOf } from "../errors";
import type { Log, PluginFault } from "../protocols";

export interface Source {
  readonly name: string;
  readonly file: string | null;
}

export interface Faults {
  /** `isReplacing`: what was there before stays in use. */
  add(source: Source, cause: unknown, isReplacing?: boolean): void;
  /** Forgets those of a file or, without one, of a plugin. */
  clear(source: Source): void;
  list(): readonly PluginFault[];
}

export function createFaults(log: Log): Faults {
  const faults = new Map<string, PluginFault>();
  return {
    add(source, cause, isReplacing = false) {
      const { name: plugin, file } = source;
      const message = sentenceOf(cause);
      if (faults.get(keyOf(source))?.message === message) return;
      const fault = { plugin, file, message };
      faults.set(keyOf(source), fault);
      const fields = { plugin, file: file ?? undefined, reason: fault.message };
      if (isReplacing) log.error("A changed plugin cannot be used; what was there before stays in use", fields);
      else log.warn("A plugin is quarantined", fields);
    },
    clear: (source) => void faults.delete(keyOf(source)),
    list: () => [...faults.values()],
  };
}

const MESSAGE_MAX = 500; // Characters. Some errors quote the whole text of a file.

function sentenceOf(cause: unknown): string {
  const message = messageOf(cause).replace(/\s+/g, " ").trim();
  return message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)}…` : message;
}

function keyOf({ name, file }: Source): string {
  return file ?? `plugin ${name}`;
}
