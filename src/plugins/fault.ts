/** Why a plugin, or a part of it, is not used: named, logged and kept for `skeleton check`; the rest of the server runs. */

import { messageOf } from "../errors";
import type { Log } from "../protocols";

export interface Fault {
  readonly plugin: string;
  /** Path below the plugins folder; null for one that is no file. */
  readonly file: string | null;
  /** A sentence that says what to mend. */
  readonly message: string;
}

export interface Faults {
  add(source: { readonly name: string; readonly file: string | null }, cause: unknown): void;
  list(): readonly Fault[];
}

export function createFaults(log: Log): Faults {
  const faults: Fault[] = [];
  return {
    add({ name, file }, cause) {
      const fault = { plugin: name, file, message: messageOf(cause) };
      faults.push(fault);
      log.warn("A plugin is quarantined", { plugin: name, file: file ?? undefined, reason: fault.message });
    },
    list: () => faults,
  };
}
