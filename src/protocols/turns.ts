/**
 * Turns: from the user's message until control returns to the user. Implemented by `src/turn/`; reached as `core.turns`.
 * Not replaceable (the policy is: `messageProcessor`), so that no plugin can lose a word.
 * It runs in the server and outlives every connection. Its events are numbered: text counts as many as it has UTF-16 units, every other
 * event one, so `seq` is the position just after an event and any cut through a text a valid cursor. No event is shown before it is saved,
 * so nothing that anybody has seen is lost in a crash.
 */

import type { User } from "./auth";
import type { NewContextMessage } from "./context";
import type { FileInfo } from "./file";
import type { JsonObject } from "./json";
import type { FinishReason, Opaque, ToolCall, ToolChoice, Usage } from "./model-message";
import type { Message } from "./thread";
import type { Tool, ToolEvent } from "./tool";

export interface Turns {
  /**
   * Stores the user's message, in a thread that is archived no more, and starts a turn on it. On return the message survives
   * the death of the process. Throws AppError: "notFound" (thread or parent), "invalid" (unknown model or prompt, bad
   * content), "forbidden" (the model mask; nothing is sent), "conflict" (a turn runs in the thread), "unavailable" (closing, or too busy).
   */
  start(user: User, request: TurnRequest): Promise<TurnInfo>;

  /**
   * A new turn that goes on from what an interrupted, stopped or failed one left, or one that a limit cut. Throws as `start`, and "conflict"
   * for any other that is done.
   */
  continue(user: User, turnId: string): Promise<TurnInfo>;

  /** The turn, or null when there is none that the user may see. */
  get(user: User, turnId: string): Promise<TurnInfo | null>;

  /** The turns of a thread, or only those right below these messages, oldest first. */
  list(user: User, threadId: string, parentIds?: readonly string[]): Promise<TurnInfo[]>;

  /** Ids of the threads in which a turn of the user runs, wherever it runs. */
  running(user: User): Promise<string[]>;

  /** The turn that runs in the thread, wherever it runs, with its parts not yet in the thread; or null. */
  live(user: User, threadId: string): Promise<LiveTurn | null>;

  /**
   * The turn's events after position `after` (0 = all), in order, without loss or repetition, and then live until its last.
   * Each item is what one moment brought. A cursor that cannot be served is answered with `{ type: "reset" }` first and
   * then everything. Null when there is no turn that the user may see. Ends early when `signal` aborts, or when the
   * reader is so slow that too much waits for it; it may follow again.
   */
  follow(
    user: User,
    turnId: string,
    after: number,
    signal: AbortSignal,
  ): Promise<AsyncIterable<readonly NumberedEvent[]> | null>;

  /**
   * The same by calls, for many who wait at once: `take` gets each batch in the moment it is known, so it must be quick; `end`
   * comes after the last, or when no more can be told (listen again). The function returned stops both. Null as above.
   */
  listen(user: User, turnId: string, after: number, listener: TurnListener): Promise<(() => void) | null>;

  /**
   * Says yes or no to a call that waits for the user (`approvalAsked`). On return the answer survives the death of the process. The
   * same answer again changes nothing. False when there is no turn that the user may see.
   * Throws AppError: "notFound" when the turn made no such call, "conflict" when the call does not wait (any more) or was
   * answered otherwise, "unavailable" when the process that runs the turn cannot be reached.
   */
  approve(user: User, turnId: string, callId: string, approve: boolean): Promise<boolean>;

  /**
   * Stops the turn, keeps its text. Idempotent; resolves when it has ended. False when there is none that the user may see.
   * Throws AppError("unavailable") when the process that runs it cannot be reached.
   */
  stop(user: User, turnId: string): Promise<boolean>;

  /**
   * Answers messages that are in no thread, and keeps nothing: for callers that hold the messages themselves. Hooks and
   * tools as in any turn; its `threadId` names no thread, and its `core.context` has these messages. Tools that want the
   * user's yes are not offered, as there is nobody to ask.
   *
   * Throws as `start`, before anything is sent. Then yields what the processor does, `notice`s and one `end`; throws what
   * fails the turn. When `signal` aborts: stops the model and the tools, and just ends. A reader that waits must use the
   * signal; one that leaves its loop stops them too.
   */
  answer(user: User, request: AnswerRequest, signal: AbortSignal): Promise<AsyncIterable<TurnEvent>>;

  /** No turn is started any more; running ones get `graceMs` to end, those that wait for the user none; then they are kept as interrupted. */
  shutdown(graceMs: number): Promise<void>;
}

export interface TurnListener {
  take(events: readonly NumberedEvent[]): void;
  /** With an error when the store failed. */
  end(error?: Error): void;
}

export interface TurnRequest {
  /** The user's text, up to 100,000 characters, blank only when there are files. Null = answer `parentId` (a user message) again. */
  readonly content: string | null;
  /** Absent = a new thread. */
  readonly threadId?: string;
  /** The message to go below; absent = the head, null = a new first message. */
  readonly parentId?: string | null;
  /** Absent = the thread's, else the prompt's, else the first the user may use. */
  readonly model?: string;
  /** Absent = the thread's, else `default`. */
  readonly systemPrompt?: string;
  readonly parameters?: JsonObject;
  readonly files?: readonly FileInfo[];
  /** Stop the turn that runs in the thread, instead of being refused. */
  readonly stopRunning?: boolean;
  /** Names this send among the user's. The same content sent again with it gives the turn that it started, and starts none. */
  readonly key?: string;
}

export interface AnswerRequest {
  /** Oldest first; at least one. */
  readonly messages: readonly NewContextMessage[];
  /** Absent = the first the user may use. */
  readonly model?: string;
  /** Instructions in the place of the system prompt `default`; absent = that one. */
  readonly system?: string;
  readonly parameters?: JsonObject;
  /** Tools to offer, given those of the plugins; absent = those. */
  readonly tools?: (installed: readonly Tool[]) => readonly Tool[];
  /** Holds in each step. */
  readonly toolChoice?: ToolChoice;
}

export type TurnStatus = "running" | "done" | "stopped" | "failed" | "interrupted";

export interface TurnInfo {
  readonly id: string;
  readonly threadId: string;
  /** The message that the turn's first part is below. */
  readonly parentId: string;
  readonly status: TurnStatus;
  readonly model: string;
  readonly systemPrompt: string;
  readonly parameters: JsonObject;
  /** ISO 8601, UTC. */
  readonly started: string;
  /** What went wrong, for a person; null unless failed or interrupted. */
  readonly error: string | null;
  /** Sum of its model calls; null until known. */
  readonly usage: Usage | null;
  /** How the model ended, where that was not the usual way. */
  readonly ending?: TurnEnding;
  /** Of a turn that an endpoint failed; for administrators alone. */
  readonly fault?: TurnFault;
}

/**
 * `length`: cut by a limit; it may be continued. `filtered`: ended by a filter. With nothing said before, the turn has failed; so it has when
 * the model only thought (`thoughts`) or said nothing at all (`empty`).
 */
export type TurnEnding = "length" | "filtered" | "thoughts" | "empty";

export interface TurnFault {
  /** The owner's name for it. */
  readonly endpoint: string;
  readonly address?: string;
  /** Of HTTP; absent = it answered with none. */
  readonly status?: number;
}

export interface LiveTurn extends TurnInfo {
  /** Where the parts below end: follow after this. */
  readonly seq: number;
  /** Parts that are not in the thread yet, the last one possibly still growing. */
  readonly parts: readonly Message[];
  /** Ids of those parts that are calls which wait for the user's yes or no. */
  readonly waiting: readonly string[];
}

/**
 * The events of the API are these in snake case, `toolCall` as `tool_call`, but for four: `start` is `thread_id` there, `text` is
 * `message_tokens`, `thinking` is `thinking_tokens`, and `end` is `stream_end`. `wasThinking`, `opaque` and `step` are not in the API.
 */
export type TurnEvent =
  | { readonly type: "start"; readonly threadId: string; readonly turnId: string }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string }
  /** The text since the last step was thinking, and is kept as such. */
  | { readonly type: "wasThinking" }
  | ({ readonly type: "toolCall" } & ToolCall)
  | ToolEvent
  /** The call waits for the user's yes or no. */
  | { readonly type: "approvalAsked"; readonly callId: string; readonly name: string }
  | { readonly type: "approvalGiven"; readonly callId: string; readonly name: string; readonly approve: boolean }
  /** With `callId`: of a tool's result. */
  | { readonly type: "file"; readonly file: FileInfo; readonly callId?: string }
  /** Kept with the step, for the model's provider; told to nobody. */
  | ({ readonly type: "opaque" } & Opaque)
  | { readonly type: "notice"; readonly text: string }
  /** A model call and the tools that it called are complete; their parts are in the thread. `model` is the one called. */
  | { readonly type: "step"; readonly model: string; readonly usage: Usage | null }
  | { readonly type: "error"; readonly message: string }
  | { readonly type: "end"; readonly reason: FinishReason | "stopped"; readonly usage: Usage | null }
  /** The cursor could not be served; all comes again from the start. */
  | { readonly type: "reset" };

export interface NumberedEvent {
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  readonly event: TurnEvent;
}
