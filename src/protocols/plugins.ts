/** The plugins that are installed. */

import type { PluginPage } from "./plugin-page";

/** `core.plugins`: what is installed. */
export interface Plugins {
  /** The plugins in use, in the order of wrapping: from low priority to high, equal ones by file name; built-ins first. */
  list(): readonly PluginInfo[];
  /** The plugins that are not used, and why; also a changed file whose earlier plugin stays in use. */
  faults(): readonly PluginFault[];
  /** For each protocol the name of the plugin whose provider is the outermost. */
  winners(): Readonly<Record<string, string>>;
  /** The page of a plugin, or null. Ask at each request: a reload may have brought another one. */
  page(name: string): InstalledPage | null;
  /**
   * Looks at the files now and tries again what failed. Resolves when what changed is in use, or is a fault. Never throws.
   * Nobody has to call it: a turn looks before it starts, and the server when it is told of a change, and every ten seconds.
   */
  reload(): Promise<void>;
}

export interface PluginInfo {
  readonly name: string;
  readonly priority: number;
  /** Path below the plugins folder; null for a built-in. */
  readonly file: string | null;
  readonly provides: readonly string[];
  readonly hooks: readonly string[];
  /** Names; of a source those that it has now. */
  readonly tools: readonly string[];
  /** Who may open its page; null = it has none. */
  readonly access: "public" | "user" | "admin" | null;
  /** What its source of tools cannot offer now, and why. */
  readonly missing: readonly string[];
  readonly hasSettings: boolean;
  /** The server does not start without it. */
  readonly isRequired: boolean;
}

export interface PluginFault {
  readonly plugin: string;
  /** Path below the plugins folder; null for one that is no file. */
  readonly file: string | null;
  /** A sentence that says what to mend. */
  readonly message: string;
}

export interface InstalledPage extends PluginPage {
  readonly access: "public" | "user" | "admin";
}
