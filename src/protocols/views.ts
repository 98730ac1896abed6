/**
 * `views`: every page and fragment of the browser's side as a function of data. Default: src/core/views.ts, the functions in
 * views/. All are pure: no clock, no await, no look at anything but their argument; so one function serves the page, the
 * response and the live channel. Wrap one to change a fragment: `views: (core, base) => ({ ...base, threadItem: … })`.
 */

import type { User } from "./auth";
import type { JsonObject } from "./json";
import type { SystemPrompt } from "./system-prompt";
import type { Message, Thread, ThreadHit } from "./thread";
import type { TurnInfo } from "./turn";

/** Markup that is safe to send: made by the `html` template, which escapes, or vouched for with `raw`. */
export interface Html {
  readonly markup: string;
}

export interface ViewsProtocol {
  /** The whole chat: thread list, messages, composer, live channel. */
  chatPage(chat: ChatData): Html;
  loginPage(form: LoginData): Html;
  /** Where the first administrator is made. */
  setupPage(form: SetupData): Html;
  errorPage(error: ErrorData): Html;

  /** `#threads`: the list, or what was found when `query` is not empty. */
  threadList(list: ThreadListData): Html;
  threadItem(item: ThreadItemData): Html;
  /** `#messages`: the branch that is shown. */
  messages(messages: MessagesData): Html;
  /** `#m-<id>`: a user's message, or a reply with all its parts. */
  message(message: MessageData): Html;
  /** `#p-<id>`: one part of a reply. */
  part(part: PartData): Html;
  /** `#go`: Send, or Stop while a turn runs. */
  go(go: GoData): Html;
  /** `#status`: one sentence on what just happened; empty = nothing to say. */
  status(status: StatusData): Html;
}

/** What every page knows. */
export interface PageData {
  readonly user: User | null;
  /** URL path of a public file by name, with its content hash: `asset("style.css")` → `/static/style.css?v=…`. */
  readonly asset: (name: string) => string;
  /** True in ephemeral mode: the page says that nothing is kept. */
  readonly ephemeral: boolean;
}

export interface ChatData extends PageData {
  readonly user: User;
  /** Null = a new chat. */
  readonly thread: Thread | null;
  readonly threads: ThreadListData;
  readonly messages: MessagesData;
  readonly composer: ComposerData;
  /** Where the live channel goes on after what this page shows. */
  readonly cursor: string;
}

export interface ComposerData {
  readonly threadId: string | null;
  readonly models: readonly string[];
  readonly prompts: readonly SystemPrompt[];
  readonly model: string | null;
  readonly systemPrompt: string;
  readonly parameters: JsonObject;
  /** Text to start with, when a send was refused on a page without script. */
  readonly draft: string;
  readonly liveTurnId: string | null;
}

export interface ThreadListData {
  readonly threads: readonly Thread[];
  /** With a query: what was found, instead of `threads`. */
  readonly hits: readonly ThreadHit[];
  readonly query: string;
  readonly currentId: string | null;
  /** Id to ask for the next page with; null = no more. */
  readonly before: string | null;
}

export interface ThreadItemData {
  readonly thread: Thread;
  readonly isCurrent: boolean;
  readonly hit: ThreadHit | null;
}

export interface MessagesData {
  readonly threadId: string | null;
  readonly messages: readonly MessageData[];
}

/** A user's message, or everything between two of them as one reply. */
export interface MessageData {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly parts: readonly PartData[];
  /** Of a reply: its last turn. */
  readonly turn: TurnInfo | null;
}

export interface PartData {
  readonly message: Message;
  /** Still growing. */
  readonly isOpen: boolean;
}

export interface GoData {
  readonly threadId: string | null;
  readonly liveTurnId: string | null;
}

export interface StatusData {
  readonly text: string;
  readonly kind: "info" | "error";
}

export interface LoginData extends PageData {
  readonly username: string;
  readonly error: string | null;
  /** Where to go after sign-in: a path of this server. */
  readonly next: string;
}

export interface SetupData extends PageData {
  readonly token: string;
  readonly username: string;
  readonly error: string | null;
}

export interface ErrorData extends PageData {
  /** HTTP status. */
  readonly status: number;
  readonly detail: string;
}
