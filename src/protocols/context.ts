/**
 * `context`: what the model gets. It follows the path to the thread's head and may be edited or compacted without touching
 * what the user sees. Default: `src/core/context.ts`, on `store` and `thread`. Replace or wrap it for compaction, memory or retrieval.
 *
 * The default keeps only edits, each tied to a message of the thread, so that another branch has its own and a thread
 * without edits costs nothing. The system prompt is not part of it.
 */

import type { ModelMessage } from "./model-message";

export interface ContextProtocol {
  /** The list for the thread's head (or `head`), oldest first. Empty when there is no such thread. */
  get(username: string, threadId: string, head?: string): Promise<ContextMessage[]>;

  /** One message of it, or null. */
  getMessage(username: string, threadId: string, id: string): Promise<ContextMessage | null>;

  /** Adds a message after the head that the thread has now; the user does not see it. Returns its id. */
  add(username: string, threadId: string, message: NewContextMessage): Promise<string>;

  /** Changes the text of one message. False when there is none. */
  updateMessage(username: string, threadId: string, id: string, content: string): Promise<boolean>;

  /** Leaves one message out; the results of tool calls go with the message that made the calls. False when there is none. */
  removeMessage(username: string, threadId: string, id: string): Promise<boolean>;

  /**
   * Puts `messages` in the place of everything up to and including `upTo` (default: the last one); later ones follow as
   * before. With `mutationCount`: false, and nothing changed, when it is no longer that.
   */
  replace(
    username: string,
    threadId: string,
    messages: readonly NewContextMessage[],
    options?: ContextReplace,
  ): Promise<boolean>;

  /** Forgets every edit: the context is again what the thread says. */
  regenerate(username: string, threadId: string): Promise<void>;

  /**
   * How many edits (everything but growth at the end) were ever made. A job that worked on a copy compares it to learn
   * whether somebody else edited meanwhile.
   */
  mutationCount(username: string, threadId: string): Promise<number>;
}

export interface ContextMessage extends ModelMessage {
  /** Of the thread's message, or of the edit that made it. */
  readonly id: string;
  readonly role: "user" | "assistant" | "tool";
}

export type NewContextMessage = Omit<ContextMessage, "id">;

export interface ContextReplace {
  readonly upTo?: string;
  readonly mutationCount?: number;
}
