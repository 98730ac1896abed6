/**
 * `model`: turns a list of messages into a stream of events. Default: `src/core/model/`, any number of OpenAI-compatible
 * endpoints. How to write another one: `docs/model-provider.md`.
 */

import type { JsonObject } from "./json";
import type { FinishReason, ModelMessage, Opaque, ToolCall, ToolChoice, Usage } from "./model-message";
import type { Tool } from "./tool";

export interface ModelProtocol {
  /** Ids that can be used now, in display order. Those of an endpoint that is down are missing. Never throws. */
  list(): Promise<string[]>;

  /**
   * Why there are no models of endpoints that should offer some: for each a sentence or two for an administrator, with its name, address and
   * status and what to change, without a key. Asked after `list`. Absent: nothing is known. Never throws.
   */
  missing?(): Promise<readonly string[]>;

  /** What is known of a model, or null. Absent: nothing is known of any. Never throws. */
  describe?(model: string): Promise<ModelInfo | null>;

  /**
   * Streams one model call.
   *
   * Contract:
   * - Yields whole tool calls; assembling provider deltas is the provider's job.
   * - Ends with exactly one `finish`, and yields nothing after it.
   * - Throws AppError("upstream") on failure, its message a sentence for a person, without key or stack; the turn is the
   *   only catcher. A connection that ends without a finish is a failure.
   * - When `signal` aborts: aborts the upstream request and returns or throws promptly; the caller looks at the signal.
   * - Retries only before the first event.
   */
  stream(call: ModelCall, signal: AbortSignal): AsyncIterable<ModelEvent>;
}

export interface ModelInfo {
  readonly id: string;
  /** Tokens; absent = unknown. */
  readonly contextLength?: number;
  /** Free words; the core looks at "vision" and "tools". Absent = unknown, and everything is tried. */
  readonly capabilities?: readonly string[];
  /** Sent with each call unless the request or the prompt preset says otherwise. */
  readonly parameters?: JsonObject;
  /** Names of parameters that users with a model mask may set too, beside those that every user may. */
  readonly allowParameters?: readonly string[];
}

export interface ModelCall {
  readonly model: string;
  /** Oldest first. The first is the system prompt, when there is one. */
  readonly messages: readonly ModelMessage[];
  /** Offered to the model, and what a call of this step is run with: a preCall hook may add, take away or wrap. */
  readonly tools: readonly Tool[];
  /**
   * Passed to the endpoint as they are (`temperature`, `max_tokens`, …), over those of the model. Empty = the endpoint's own defaults.
   * In a turn, those of the request and the prompt that the user may set.
   */
  readonly parameters: JsonObject;
  /** The model has to call one of the tools, or the named one. Absent = as it likes. */
  readonly toolChoice?: ToolChoice;
  /** On whose behalf: whose files the messages name, and whose the usage is. Absent = files are only mentioned. */
  readonly username?: string;
}

export type ModelEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string }
  /** All text of this reply so far was thinking, which its endpoint says only now. */
  | { readonly type: "wasThinking" }
  | ({ readonly type: "toolCall" } & ToolCall)
  /** After the calls; at most one. */
  | ({ readonly type: "opaque" } & Opaque)
  /** A picture, or another file, that the model made. */
  | { readonly type: "file"; readonly name: string; readonly data: Blob }
  /** A remark for the person on how the call was made, such as what the model does not take. In a chat each is shown once. */
  | { readonly type: "notice"; readonly text: string }
  | ({ readonly type: "usage" } & Usage)
  | { readonly type: "finish"; readonly reason: FinishReason };
