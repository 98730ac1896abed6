/**
 * `bus`: messages between followers, tabs and processes. Default: `src/core/bus.ts`, within this process. Replace it to let several
 * processes serve the same chats.
 */

import type { Json } from "./json";

export interface BusProtocol {
  /**
   * Gives the message to everyone subscribed to the topic now, in this process or another; nothing is kept for later.
   * Messages of one publisher on one topic arrive in order. In one process the same object arrives: do not change it.
   */
  publish(topic: string, message: Json): Promise<void>;

  /**
   * Resolves when the subscription is in force: what is published after that arrives. A handler must return quickly; one
   * that throws is logged and the others go on. The function returned ends it; idempotent.
   */
  subscribe(topic: string, handler: (message: Json) => void): Promise<() => void>;

  /** Ends every subscription. No call may follow. */
  close(): Promise<void>;
}
