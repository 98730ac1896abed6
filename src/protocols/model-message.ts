/** The messages that a model gets and gives, and what comes with them. */

import type { FileInfo } from "./file";
import type { JsonObject } from "./json";

export interface ModelMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  /** Plain text, also when there are files. For `tool`: the result. */
  readonly content: string;
  /** Which of several users or assistants said it, where they are told apart. */
  readonly name?: string;
  /** What the model thought before it said an assistant message; given back to an endpoint that is known to take it. */
  readonly thinking?: string;
  /** What came with an assistant message for whoever gave it: a provider sends it back there, and nothing of it anywhere else. */
  readonly opaque?: Opaque;
  /** Files of a user message or of a tool's result; the provider sends those the model can take, of a result the pictures alone. */
  readonly files?: readonly FileInfo[];
  /** On an assistant message: the calls it made, each followed by a `tool` message. */
  readonly toolCalls?: readonly ToolCall[];
  /** On a tool message: which call it answers. */
  readonly callId?: string;
}

export type ToolChoice = "required" | { readonly name: string };

export interface ToolCall {
  readonly callId: string;
  readonly name: string;
  /** As the model wrote it: usually JSON, possibly broken. */
  readonly arguments: string;
}

/**
 * A provider's own data about a reply, such as reasoning and signatures, that its endpoint wants back with the next request. Kept with the
 * step, at most a million characters of JSON; shown to nobody, and not searched.
 */
export interface Opaque {
  /**
   * Which endpoint and model gave it, in a word that their provider knows them by. Null = a client says so: only what that endpoint is
   * known to give may go to it.
   */
  readonly from: string | null;
  /** Fields of the assistant's message in OpenAI's form, by the endpoint's names. */
  readonly message?: JsonObject;
  /** Fields of each of its calls, in their order. */
  readonly calls?: readonly JsonObject[];
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Those of the input that the endpoint had kept from an earlier call; absent = not told. */
  readonly cachedTokens?: number;
  /** Those of the output that are thinking; absent = not told. */
  readonly reasoningTokens?: number;
}

/**
 * `stop`: the model was done, tool calls included. `length`: cut by a token limit. `filtered`: the endpoint's filter, or the model itself, ended
 * the reply. Any other end is a failure of the stream.
 */
export type FinishReason = "stop" | "length" | "filtered";
