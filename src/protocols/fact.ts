/**
 * What happened, for everything that shows a user's threads: pages, clients that listen, plugins. Told on the bus topic
 * `user:<username>`, and on `everybody` what concerns all. Whoever provides `thread` tells of its changes; the turn engine
 * tells of turns.
 */

export type Fact =
  /** Created, renamed, archived, restored, another branch shown, pinned, tagged, or its metadata changed. */
  | { readonly type: "threads-changed"; readonly threadId: string }
  | { readonly type: "message-added"; readonly threadId: string; readonly messageId: string }
  | { readonly type: "turn-started"; readonly threadId: string; readonly turnId: string }
  | { readonly type: "turn-ended"; readonly threadId: string; readonly turnId: string }
  /** A call of a tool waits for the user's yes or no, in a chat that they may not be looking at; answered, it does not. */
  | { readonly type: "approval-asked"; readonly threadId: string; readonly turnId: string; readonly callId: string }
  | { readonly type: "approval-given"; readonly threadId: string; readonly turnId: string; readonly callId: string }
  /** Models came or went. */
  | { readonly type: "models-changed" };
