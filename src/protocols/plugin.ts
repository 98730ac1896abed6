/**
 * The plugin object: what a file in `plugins/` exports as default. Built-ins are plugins too (`src/plugins/built-ins.ts`), so
 * the core can do nothing that a plugin cannot. How to write one, and where it goes: `docs/plugins.md`.
 */

import type { TSchema } from "@sinclair/typebox";
import type { Core, Protocols } from "./core";
import type { Hooks } from "./hooks";
import type { PluginPage } from "./plugin-page";
import type { Tool, ToolSource } from "./tool";

export interface Plugin {
  /** Unique among plugins, the built-ins included; 1 to 64 of `a-z 0-9 -`. Names its settings and its page. */
  readonly name: string;
  /** Built-ins are 0, plugins 10 unless they say otherwise. Higher wraps lower; equal ones in file-name order. */
  readonly priority?: number;
  /**
   * A factory per protocol that it replaces or wraps. `base` is what it replaces: spread it to change a part. A factory
   * uses `core` only inside the methods it returns; other parts may not be there yet. It is called again when what it wraps
   * was replaced. One that provides `store` or `bus` is not exchanged while the server runs.
   */
  readonly provide?: { readonly [P in keyof Protocols]?: (core: Core, base: Protocols[P]) => Protocols[P] };
  /** What it does before, in and after each model call. */
  readonly hooks?: Hooks;
  /** Offered to the model in every turn; a function is asked once, when the plugin starts, and may give a source of tools. See `docs/tools.md`. */
  readonly tools?: readonly Tool[] | ((core: Core) => Offered | Promise<Offered>);
  /** Serves `/_plugin/<name>/*`. */
  readonly page?: (core: Core) => PluginPage;
  /** Who may open the page; default `user`. For anyone less the user given to it is null. */
  readonly access?: "public" | "user" | "admin";
  /** Shape of the plugin's part of `plugins.yaml`; a wrong value is a named error at start. */
  readonly settings?: TSchema;
  /**
   * The server does not run without it. Default: true when it provides `store`, `bus`, `auth`, `file` or `limit`; each name in
   * `plugins.yaml` `require:` is required whatever its plugin says. At the start its fault is told in one line and ends the start;
   * what cannot be loaded cannot say so, so a file directly in `core/` ends the start with any fault, unless its plugin says false.
   * While the server runs, one that breaks or whose file goes stays in use as it was last good, until the server starts again, and a
   * `preCall` or `filterStream` of it that fails ends the turn as failed.
   */
  readonly required?: boolean;
  /**
   * When all plugins are installed, and before anybody uses this one; after a change of its file while the old one still
   * runs. A throw, or more than 30 seconds, leaves the whole plugin out, or ends the start of the server when it is `required`; one
   * that comes to an end later is then stopped. When a plugin is left out at the start of the server the others are stopped and
   * started again without it, so `start` may come once more after `stop`.
   */
  start?(core: Core): void | Promise<void>;
  /**
   * When the server ends, or the plugin was replaced and no turn uses it any more; after its background work. It gets 5
   * seconds.
   */
  stop?(): void | Promise<void>;
}

type Offered = readonly Tool[] | ToolSource;
