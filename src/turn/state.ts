/** What is known of a running turn, and how its events become parts of the thread. */

import type { Core, Message, NumberedEvent, TurnEvent, TurnInfo, Usage, User } from "../protocols";
import type { EventLog } from "./event-log";
import type { Parts } from "./parts";

export interface RunOptions {
  readonly core: Core;
  readonly user: User;
  readonly info: TurnInfo;
  /** Frees the thread for the next turn. */
  readonly release: () => Promise<void>;
  /** Whether the server is about to end. */
  readonly isClosing: () => boolean;
}

/** Why a turn ends before its processor is done: a person stopped it, or the server ends. */
export type CutCause = "stopped" | "interrupted";

export interface RunState extends RunOptions {
  readonly log: EventLog;
  readonly parts: Parts;
  /** Complete parts that are not in the thread yet. */
  waiting: Message[];
  /** What the turn has added to the thread. */
  readonly messages: Message[];
  readonly signal: AbortSignal;
  /** The end of a step that is under way; never rejects. */
  stepping: Promise<unknown>;
  isEnding: boolean;
  /** The turn's record says so. */
  hasEnded: boolean;
  usage: Usage | null;
  cutCause: CutCause | null;
}

export function push(state: RunState, event: TurnEvent): NumberedEvent | null {
  // An empty text has no position of its own.
  if ((event.type === "text" || event.type === "thinking") && event.text === "") return null;
  const numbered = state.log.push(event);
  state.parts.add(numbered);
  return numbered;
}

/** Every call has a result by then: on the wire as in the thread. */
export function takeParts(state: RunState, model: string): Message[] {
  for (const result of state.parts.missingResults()) push(state, result);
  return state.parts.take(model);
}

/**
 * The events first: after a crash between the two the parts are added again, with the same ids, but the thread must not
 * have what a follower cannot be told again. What fails here stays waiting, and may be tried again.
 */
export async function addToThread({ core, user, info, log, messages, waiting }: RunState): Promise<void> {
  await log.save();
  for (let part = waiting[0]; part; part = waiting[0]) {
    messages.push(await core.thread.append(user.username, info.threadId, part));
    waiting.shift();
  }
}
