/**
 * `Core`: everything a part can reach, passed to it and never imported. Its parts are exchanged when a plugin changes, so ask it
 * for a part when you need it and keep the core, not the part. `turn.core` alone stays as it was when the turn started.
 */

import type { AuthProtocol } from "./auth";
import type { BusProtocol } from "./bus";
import type { Config } from "./config";
import type { ContextProtocol } from "./context";
import type { Counts } from "./counts";
import type { FileProtocol } from "./file";
import type { HookRunner } from "./hooks";
import type { LimitProtocol } from "./limit";
import type { Log } from "./log";
import type { MessageProcessorProtocol } from "./message-processor";
import type { ModelProtocol } from "./model";
import type { Plugins } from "./plugins";
import type { StoreProtocol } from "./store";
import type { SystemPromptProtocol } from "./system-prompt";
import type { ThreadProtocol } from "./thread";
import type { Tools } from "./tool";
import type { Turns } from "./turns";
import type { ViewsProtocol } from "./views";

/** The replaceable parts. A key is the word for the part everywhere: here, in `provide`, in file names and in docs. */
export interface Protocols {
  readonly auth: AuthProtocol;
  readonly model: ModelProtocol;
  readonly thread: ThreadProtocol;
  readonly store: StoreProtocol;
  readonly context: ContextProtocol;
  readonly systemPrompt: SystemPromptProtocol;
  readonly messageProcessor: MessageProcessorProtocol;
  readonly file: FileProtocol;
  readonly bus: BusProtocol;
  readonly limit: LimitProtocol;
  readonly views: ViewsProtocol;
}

export type ProtocolName = keyof Protocols;

export interface Core extends Protocols {
  /** The settings of the server, frozen. */
  readonly config: Config;
  /** Lines for the owner. */
  readonly log: Log;
  /** The runner of hooks, for a `messageProcessor`. */
  readonly hooks: HookRunner;
  /** The runner of tools, for a `messageProcessor`. */
  readonly tools: Tools;
  /** The turn engine: what keeps a word from being lost when a plugin fails, and so not replaceable. */
  readonly turns: Turns;
  /** The plugins that are installed, and their faults. */
  readonly plugins: Plugins;
  /** Numbers for whoever watches over the server. */
  readonly counts: Counts;
  /**
   * Begins work that nobody waits for, such as a title or a summary made after a turn. `name` is the plugin's: a throw is
   * logged with it and ends nothing else. `signal` aborts when that plugin is about to be stopped, because it was replaced,
   * and when the server ends, after the last turn; the work then has 3 seconds before the plugin is stopped and the store
   * closes. When the server is ending no work is begun.
   */
  background(name: string, work: (signal: AbortSignal) => Promise<void>): void;
  /**
   * The settings of the plugin of that name: its part of `plugins.yaml`, checked against its schema, with defaults, frozen;
   * may be called from the first moment on. A change of the file loads the plugin anew, so what is read once need not be
   * read again. Throws an Error when there is no such plugin or it has no `settings`.
   */
  settings<T>(plugin: string): T;
}

declare module "./turn" {
  interface Turn {
    /** As it was when the turn started: a plugin reloaded meanwhile does not show. */
    readonly core: Core;
  }
}
