/**
 * The plugin object: what a file in `plugins/` exports as default. Built-ins are plugins too (`src/plugins/built-ins.ts`), so
 * the core can do nothing that a plugin cannot. How to write one, and where it goes: `docs/plugins.md`.
 */

import type { TSchema } from "@sinclair/typebox";
import type { User } from "./auth";
import type { Core, Protocols } from "./core";
import type { ModelCall, ModelEvent, ToolCall, Usage } from "./model";
import type { Tool, ToolSource } from "./tool";
import type { Turn } from "./turn";
import type { Html } from "./views";
import type { Words } from "./words";

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

export interface PluginPage {
  /**
   * Answers a request to an address below `/_plugin/<name>/`, of any method, with its body unread. A throw is logged with the
   * plugin's name and answered by a page that says so; an AppError by its own status and message.
   */
  handle(request: Request, user: User | null, look: Look): Response | Promise<Response>;
}

/** How a plugin's page looks like the others: in their style, light and dark, in the language of who reads it. */
export interface Look {
  /** The texts of the page in the reader's language. */
  readonly words: Words;
  /** A whole page with `body` in it, such as the `html` template makes; by `core.views.pluginPage`. */
  page(content: PluginPageContent, init?: ResponseInit): Response;
  /**
   * An address of this server, from its root on, as a browser is to see it: with the path of `PUBLIC_URL` before it, if there is one.
   * Needed in what a plugin answers without `page` alone: there, and in `location` headers, the server puts it itself, and requests
   * come without it. Other addresses, and those that have the path, are given back as they are.
   */
  path(address: string): string;
}

export interface PluginPageContent {
  readonly title: string;
  readonly body: Html;
  /** More for the document's head, such as a style sheet of `plugins/html/`. */
  readonly head?: Html;
}

/** `core.plugins`: what is installed. */
export interface Plugins {
  /** Those in use, in the order of wrapping: from low priority to high, equal ones by file name; built-ins first. */
  list(): readonly PluginInfo[];
  /** What is not used, and why; also what a change of a file could not replace. */
  faults(): readonly PluginFault[];
  /** For each protocol the name of the plugin whose provider is the outermost. */
  winners(): Readonly<Record<string, string>>;
  /** The page of a plugin, or null. Ask at each request: a reload may have brought another one. */
  page(name: string): InstalledPage | null;
  /**
   * Looks at the files now and tries again what failed. Resolves when what changed is in use, or is a fault. Never throws.
   * Nobody has to call it: a turn looks before it starts, and the server every second.
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

/**
 * Hooks nest like an onion: preCall runs from high priority to low, filterStream and postCall the other way. The turn waits for
 * preCall and postCall, 60 seconds at most; longer work is for `core.background`. A filterStream that neither takes an event nor gives one for as long is left out; waiting for the model does not count.
 * A hook that throws is logged with its plugin's name and left out; the turn goes on, and fails when the plugin is `required`.
 *
 * ```ts
 * import type { Plugin } from "skeleton";
 *
 * export default {
 *   name: "today",
 *   hooks: {
 *     preCall: (call) => ({
 *       ...call,
 *       messages: [{ role: "system", content: `Today is ${new Date().toDateString()}.` }, ...call.messages],
 *     }),
 *   },
 * } satisfies Plugin;
 * ```
 */
export interface Hooks {
  /**
   * Before every model call. Returns the call to make instead; nothing = as it is. Changes this call only; what is remembered is
   * changed by `core.context`.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing is a hook too.
  preCall?(call: ModelCall, turn: Turn): ModelCall | void | Promise<ModelCall | void>;

  /**
   * Transforms the stream of a model call: what the user sees and the thread keeps. The context keeps the original text.
   * Must pass `toolCall`, `usage` and `finish` on.
   */
  filterStream?(events: AsyncIterable<ModelEvent>, turn: Turn): AsyncIterable<ModelEvent>;

  /** After a model call, with the tools that it called, is in the thread. */
  postCall?(reply: ModelReply, turn: Turn): void | Promise<void>;
}

/** One model call's outcome, as the thread keeps it. */
export interface ModelReply {
  readonly model: string;
  readonly step: number;
  readonly content: string;
  readonly thinking: string;
  readonly toolCalls: readonly ToolCall[];
  readonly usage: Usage | null;
  /** Id of the message with the text; null when there was no text. */
  readonly messageId: string | null;
}

/**
 * `core.hooks`: all plugins' hooks as one of each. A hook that throws is logged with its plugin's name and left out; the
 * turn goes on. It fails when the plugin is `required` and the hook is no `postCall`.
 */
export interface HookRunner {
  /** The call to make, after every plugin's preCall. */
  preCall(call: ModelCall, turn: Turn): Promise<ModelCall>;
  /** Whether any plugin has a filterStream hook: without one the stream need not pass through anything. */
  readonly filtersStream: boolean;
  /** The stream after every plugin's filterStream. */
  filterStream(events: AsyncIterable<ModelEvent>, turn: Turn): AsyncIterable<ModelEvent>;
  /** Resolves when every plugin's postCall has run. */
  postCall(reply: ModelReply, turn: Turn): Promise<void>;
}
