/**
 * `bus`: messages between followers, tabs and processes. Default: `src/core/bus/`, within this process, and by Unix sockets to
 * the others of this machine on the same data. Replace it to let several machines serve the same chats. A bus that notices that another process is
 * gone tells this one of it on the topic `peer-left`, with any message: what the other one left running is then looked after at once.
 */

import type { Json } from "./json";

export interface BusProtocol {
  /**
   * Gives the message to everyone subscribed to the topic now, in this process or another; nothing is kept for later.
   * Messages of one publisher on one topic arrive in order. In one process the same object arrives: do not change it. A bus may
   * keep one that is long, such as 16 MB, from other processes, and what is published while one of them does not read.
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
