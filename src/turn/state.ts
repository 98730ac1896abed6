/** What is known of a running turn, and how its events become parts of the thread. */

import type { Core, Message, NumberedEvent, TurnEvent, TurnInfo, Usage, User } from "../protocols";
import { type Claim, takenOver } from "./claims";
import type { EventLog } from "./event-log";
import type { Ownership } from "./ownership";
import { isOwned } from "./records";
import type { ReplyParts } from "./reply-parts";

export interface RunOptions {
  readonly core: Core;
  readonly user: User;
  readonly info: TurnInfo;
  readonly claim: Claim;
  readonly ownership: Pick<Ownership, "isAwake" | "wake">;
  /** Whether the server is about to end. */
  readonly isClosing: () => boolean;
}

/**
 * Why a turn ends before its processor is done: a person stopped it, the server ends, or another process has taken the turn
 * over, and then nothing more of it may be said or saved here.
 */
export type CutCause = "stopped" | "interrupted" | "lost";

export interface RunState extends RunOptions {
  readonly log: EventLog;
  readonly parts: ReplyParts;
  /** Complete parts that are not in the thread yet. */
  waiting: Message[];
  /** What the turn has added to the thread. */
  readonly messages: Message[];
  readonly signal: AbortSignal;
  /** The end of a step that is under way; never rejects. */
  stepping: Promise<unknown>;
  isEnding: boolean;
  /** How many model calls have ended. */
  steps: number;
  /** The turn's record says so. */
  hasEnded: boolean;
  usage: Usage | null;
  cutCause: CutCause | null;
  readonly cut: (cause: CutCause) => void;
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
export async function addToThread(state: RunState): Promise<void> {
  const { core, user, info, claim, log, messages, waiting } = state;
  await log.save();
  // All may have been saved before, and then nobody has said yet whose the turn is.
  if (!(await isOwned(core, claim))) {
    state.cut("lost");
    throw takenOver();
  }
  for (let part = waiting[0]; part; part = waiting[0]) {
    messages.push(await core.thread.append(user.username, info.threadId, part));
    waiting.shift();
  }
}
