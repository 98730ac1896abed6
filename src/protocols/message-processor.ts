/**
 * `messageProcessor`: the policy of a turn. Default: src/core/message-processor.ts, the loop
 * context → preCall → model → filterStream → postCall → tools → again, while the model calls tools.
 */

import type { FinishReason } from "./model";
import type { Turn, TurnEvent } from "./turn";

export interface MessageProcessorProtocol {
  /**
   * Produces the turn's events. The user's message is already in the thread, and in the context.
   *
   * Contract:
   * - The engine numbers, keeps and publishes each event before it asks for the next; the thread gets the parts at a `step`
   *   event, so after one, `core.context` includes them. Exactly one result follows each `toolCall`.
   * - Ends by returning why. A throw fails the turn with the error's message; what was shown is kept.
   * - When `turn.signal` aborts: starts nothing more and returns or throws promptly.
   */
  run(turn: Turn): AsyncGenerator<TurnEvent, FinishReason>;
}
