/**
 * `thread`: what the user sees. A thread holds an append-only tree of messages; its head names the branch that is shown.
 * Default: `src/core/thread/`, on `store`. Replace it to keep threads in a system that you have already.
 *
 * A message is one part: the user's text, a stretch of thinking, a stretch of the assistant's text, or a tool call with its
 * outcome. Nothing is ever changed or removed, so a thread is well-formed for a model at every moment.
 * Changes are told as facts (`Fact`), so that whoever shows threads hears of them whoever made them.
 * Another user's thread is answered exactly as one that does not exist.
 */

import type { FileInfo } from "./file";
import type { JsonObject } from "./json";
import type { Opaque } from "./model-message";

export interface ThreadProtocol {
  /** A thread without messages. */
  create(username: string, fields: ThreadFields): Promise<Thread>;

  /** Threads that are not archived (or that are, when asked), newest activity first. A page costs the same in any place. */
  list(username: string, page?: ThreadPage): Promise<Thread[]>;

  /** Tags of threads that are not archived, sorted, the first 500: more than anybody chooses from, and every page lists them. */
  tags(username: string): Promise<string[]>;

  /** The thread, archived or not, or null. */
  get(username: string, threadId: string): Promise<Thread | null>;

  /**
   * The path from the root to `head` (default: the thread's head), oldest first: all of it, or with `limit` its last
   * entries, before the message `before` when given. Empty when the thread or the head does not exist.
   */
  messages(username: string, threadId: string, path?: MessagePath): Promise<Message[]>;

  /** Ids, parents and roles of every message of the thread, in the order they were added; for branches and siblings. */
  tree(username: string, threadId: string): Promise<MessageNode[]>;

  /**
   * Adds a message below `parentId` and moves the head to it. On return both survive the death of the process. A message
   * whose id is there already is left as it is, and the head moves to it only from its parent: so a caller that crashed may
   * simply do it again, and one that comes late takes nothing back.
   * Throws AppError("notFound") when the thread or the parent does not exist. `thread` is the thread from a caller who has read it: it need not
   * be read again, and what happened to it since is kept all the same.
   */
  append(username: string, threadId: string, message: NewMessage, thread?: Thread): Promise<Message>;

  /**
   * Sets the given fields; those in `metadata` are merged key by key, null removes. `headId` shows another branch.
   * Returns null when there is no such thread, throws AppError("notFound") when there is no such head, and
   * AppError("invalid") for tags that are too long or too many, and for parameters or metadata that are. With `where`: null,
   * and nothing changed, when the title is another one; check and change are one step, so that a title made in the background never
   * replaces a person's.
   */
  update(
    username: string,
    threadId: string,
    fields: ThreadFields & ThreadState,
    where?: ThreadWhere,
  ): Promise<Thread | null>;

  /**
   * A new thread with copies of the path up to the message, under the same title, model, prompt and parameters; its
   * metadata has `forked_from`. Throws AppError("notFound") when there is no such thread or message, and
   * AppError("tooLarge") when the user's quota has no room for the copies.
   */
  fork(username: string, threadId: string, messageId: string): Promise<Thread>;

  /** Takes the thread out of the list and the search; it stays readable by id. Idempotent. False when there is none. */
  archive(username: string, threadId: string): Promise<boolean>;

  /** Bytes of the user's threads and messages, for their quota. Costs the same however many there are. */
  size(username: string): Promise<number>;

  /** Threads whose title or messages contain every word of `text`, best first, one hit each. */
  search(username: string, text: string, limit?: number): Promise<ThreadHit[]>;
}

export interface Thread {
  readonly id: string;
  readonly title: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** Time of the last message or change of title. ISO 8601, UTC. */
  readonly updated: string;
  /** Model, prompt and parameters of the last turn; the next one's default. */
  readonly model: string | null;
  readonly systemPrompt: string | null;
  readonly parameters: JsonObject;
  /** The last message of the branch that is shown; null while there is none. */
  readonly headId: string | null;
  readonly archived: boolean;
  readonly pinned: boolean;
  /** Names that the user files it under: each once, up to 20 of up to 50 characters. */
  readonly tags: readonly string[];
  /**
   * Anything else that people or plugins attach, up to 16,000 characters of JSON in all; the page notes in `seen` the head that
   * it showed last. As in parameters, values nest up to 64 levels deep.
   */
  readonly metadata: JsonObject;
}

export interface ThreadFields {
  readonly title?: string;
  readonly model?: string;
  readonly systemPrompt?: string;
  readonly parameters?: JsonObject;
  readonly pinned?: boolean;
  /** All of them; space around them and repetitions are left out. */
  readonly tags?: readonly string[];
  readonly metadata?: JsonObject;
}

export interface ThreadState {
  readonly headId?: string;
  readonly archived?: boolean;
}

export interface ThreadWhere {
  readonly title: string;
}

export interface ThreadPage {
  /** Default 50. */
  readonly limit?: number;
  /** Id of the last thread of the page before. */
  readonly before?: string;
  readonly archived?: boolean;
  /** Only those that have this tag. */
  readonly tag?: string;
  /** Pinned ones come before all others. */
  readonly pinnedFirst?: boolean;
}

export interface MessagePath {
  readonly head?: string;
  readonly limit?: number;
  readonly before?: string;
  /** The thread's `tree`, or the part of it that the entries are in, from a caller who has read it: it is not read again. */
  readonly tree?: readonly MessageNode[];
}

/** The author of a message. */
export type Role = "user" | "thinking" | "assistant" | "tool";

export interface Message {
  readonly id: string;
  readonly threadId: string;
  readonly parentId: string | null;
  readonly role: Role;
  /** `text`; `thinking`; `tool`: a call with its outcome; `file`: a file the turn made; `notice`: a plugin's remark. */
  readonly type: "text" | "thinking" | "tool" | "file" | "notice";
  /** Text; for a tool its result, empty when it failed. */
  readonly content: string;
  /** When it was complete. ISO 8601, UTC. */
  readonly timestamp: string;
  /** The turn that made it, or that it began. */
  readonly turnId: string;
  /** Which model call of the turn made it, from 1; 0 for the user's message. */
  readonly step: number;
  readonly model?: string;
  /** How long the thinking or the tool took, in milliseconds. */
  readonly durationMs?: number;
  readonly files?: readonly FileInfo[];
  /** Of a tool, and of a file that its result brought: */
  readonly callId?: string;
  readonly name?: string;
  /** As the model wrote them. */
  readonly arguments?: string;
  /** Why it failed; exactly the failed ones have it. */
  readonly error?: string;
  /** What the user said, when the tool asked before it ran. */
  readonly approved?: boolean;
  /** For the model's provider, of the whole step: on one of its messages. Never shown, and not searched. */
  readonly opaque?: Opaque;
  /** On the last message of a turn that did not come to its end: why. */
  readonly cut?: "stopped" | "failed" | "interrupted";
}

export type NewMessage = Omit<Message, "id" | "threadId" | "timestamp"> & Partial<Pick<Message, "id" | "timestamp">>;

export type MessageNode = Pick<Message, "id" | "parentId" | "role" | "turnId">;

export interface ThreadHit {
  readonly thread: Thread;
  /** Plain text around the first word found, with the words found between U+0002 and U+0003. */
  readonly snippet: string;
  /** The message that was found; absent when it was the title. */
  readonly messageId?: string;
}
