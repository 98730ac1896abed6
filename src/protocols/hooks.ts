/** Hooks: what plugins do before, in and after each model call. */

import type { ModelCall, ModelEvent } from "./model";
import type { ToolCall, Usage } from "./model-message";
import type { Turn } from "./turn";

/**
 * Hooks nest like an onion: preCall runs from high priority to low, filterStream and postCall the other way. The turn waits for
 * preCall and postCall, 60 seconds at most; longer work is for `core.background`. A filterStream that neither takes an event nor gives one for as long is left out; waiting for the model does not count.
 * A hook that throws is logged with its plugin's name and left out; the turn goes on, and fails when the plugin is `required`.
 *
 * ```ts
 * import type { Plugin } from "skeleton";
 *
 * export default {
 *   name: "date-of-today",
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
   * Must pass `wasThinking`, `toolCall`, `opaque`, `usage` and `finish` on; it may change, add or leave out the others.
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
