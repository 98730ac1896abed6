/**
 * `messageProcessor`: the policy of a turn. Default: `src/core/message-processor.ts`, the loop
 * context → preCall → model → filterStream → tools → postCall → again, while the model calls tools. Replace it for another loop:
 * several models that answer each other, a plan before the reply, a second try when a tool failed. One that calls no model or runs no
 * tools works too, and `check` says so.
 */

import type { FinishReason } from "./model-message";
import type { Turn } from "./turn";
import type { TurnEvent } from "./turns";

export interface MessageProcessorProtocol {
  /**
   * Produces the turn's events. The user's message is already in the thread, and in the context.
   *
   * Contract:
   * - Yields `text`, `thinking`, `wasThinking`, `toolCall` and `opaque` as the model gave them, `toolUpdate`, `toolResult` and `file` as
   *   tools did (a file of the model is put into `core.file` first), and `step`. A remark goes by `turn.notify`. The engine numbers, keeps and
   *   publishes each before it asks for the next. At a `step` it adds the parts since the last one to the thread, so after
   *   it `core.context` and `turn.messages` include them.
   * - Exactly one `toolResult` follows each `toolCall`, and one `step` each model call with its tools.
   * - Ends by returning why. A throw fails the turn with the error's message; what was shown is kept.
   * - Calls no model that the user may not use (`auth.requestAllowed`), and with no parameter that is not the user's to set, be it of the
   *   request or of the system prompt (`allowedParameters` of `skeleton`).
   * - When `turn.signal` aborts: starts nothing more and returns or throws promptly.
   */
  run(turn: Turn): AsyncGenerator<TurnEvent, FinishReason>;
}
