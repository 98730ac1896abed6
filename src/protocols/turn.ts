/** The turn that runs, as plugins see it. Its `core` is said in `core.ts`: the two know each other, and no file imports in a circle. */

import type { User } from "./auth";
import type { JsonObject } from "./json";
import type { ToolCall, ToolChoice } from "./model-message";
import type { Message } from "./thread";

/** What hooks, tools and the message processor are given. */
export interface Turn {
  readonly id: string;
  /** Of a turn that `answer` began: of no thread. */
  readonly threadId: string;
  /** Whose turn it is. */
  readonly user: User;
  /** Id of the model that the request chose. */
  readonly model: string;
  /** Name of the prompt that the request chose. */
  readonly systemPrompt: string;
  /** Of the request, as they were sent, without those of prompt and model. Which of them the user may set is looked at for each call. */
  readonly parameters: JsonObject;
  /** Of a request that says so. */
  readonly toolChoice?: ToolChoice;
  /** Aborts when the turn is stopped or the server ends. */
  readonly signal: AbortSignal;
  /** What the turn has added to the thread so far, oldest first; grows at each `step`. */
  readonly messages: readonly Message[];
  /** Shows a remark in the flow of the chat; kept in the thread, not sent to the model. */
  notify(text: string): void;
  /**
   * Asks the user whether this call may run, and resolves with the answer, however long it takes. `core.tools` does so for
   * tools that want it. Throws when the turn ends before, or when it was asked about the same id before.
   */
  approval(call: ToolCall): Promise<boolean>;
}
