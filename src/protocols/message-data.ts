/** What views are given of messages; part of `views`. */

import type { Html } from "./html";
import type { Message } from "./thread";
import type { TurnInfo } from "./turns";

export interface MessagesData {
  readonly threadId: string | null;
  readonly messages: readonly MessageData[];
  /** Id of the oldest message shown, to ask for those before it; null = there are none. */
  readonly before: string | null;
  /** Id of the first message after those shown; null = there are none. */
  readonly next: string | null;
  /** True when these are the end of the thread's branch: the live channel keeps them up to date. */
  readonly isLatest: boolean;
  /** False when an address led to messages of another branch, which stays another one. */
  readonly isThreadsBranch: boolean;
}

/** A user's message, or everything between two of them as one reply. */
export interface MessageData {
  /** Of the element: `m-` and the id of the user's message, or `r-` and the id of the message it replies to. */
  readonly id: string;
  readonly threadId: string;
  readonly role: "user" | "assistant";
  /** A user's message has one. */
  readonly parts: readonly PartData[];
  /** Of a reply: its last turn. */
  readonly turn: TurnInfo | null;
  /** Other messages in the same place; null = there are none. */
  readonly siblings: Siblings | null;
  /** Id of the message in it that the page's address leads to. */
  readonly targetId?: string;
  /** Of a user's message that is being edited: the text so far. */
  readonly draft?: string;
}

/** More that can be done with a reply. */
export interface MessageMenuData {
  readonly threadId: string;
  /** The message of the user that it answers. */
  readonly parentId: string;
  /** Where a fork ends; null = the reply has no text. */
  readonly messageId: string | null;
  /** The models that the user may use. */
  readonly models: readonly string[];
  /** True on a page without script, where the menu stands in the page. */
  readonly isInPage: boolean;
}

/** The versions of a message, each the beginning of a branch. */
export interface Siblings {
  /** The message that all are below; null = they are the first of the thread. */
  readonly parentId: string | null;
  /** From 1. */
  readonly position: number;
  readonly count: number;
  readonly previousId: string | null;
  readonly nextId: string | null;
}

export interface PartData {
  /** Of the element: the same while the part streams and when it is shown from the thread. */
  readonly id: string;
  readonly message: Message;
  /** The content as markup; while the part grows, its finished blocks. Of a tool, a file or a user's text: empty. */
  readonly body: Html;
  /** What follows the finished blocks and may still change; null = the part is complete. */
  readonly tail: Html | null;
  /** Of a running tool: what it told so far. */
  readonly progress: string;
  /** Of a running tool: whether it waits for the user's yes or no. The fragment then has a form for the answer. */
  readonly isWaiting: boolean;
}
