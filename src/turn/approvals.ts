/**
 * Calls that wait for the user's yes or no. The question and the answer are events of the turn; an answer is in the store
 * before the call runs, so that after a crash it is known which calls may have run and which have not.
 */

import { AppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import { pause, within } from "../basics/within";
import type { Core, NumberedEvent, ToolCall, TurnEvent, TurnInfo, User } from "../protocols";
import { type EventLog, readEvents } from "./event-log";
import { readTurn } from "./records";
import { askToApprove, unreachable } from "./remote";

/** What a running turn has for its approvals. */
export interface AskingTurn {
  readonly core: Core;
  readonly user: User;
  readonly info: TurnInfo;
  readonly signal: AbortSignal;
  readonly log: Pick<EventLog, "save">;
  /** Whether its end is being kept, and nothing more may be said. */
  readonly isEnding: boolean;
  readonly push: (event: TurnEvent) => void;
  /** By the call's id; null = the call does not wait any more. */
  readonly approvals: Map<string, PendingApproval | null>;
}

export interface PendingApproval {
  readonly name: string;
  readonly resolve: (approve: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** See `Turn.approval`. */
export async function askApproval(turn: AskingTurn, { callId, name }: ToolCall): Promise<boolean> {
  const { signal, approvals } = turn;
  if (isOver(turn)) throw new Error("The turn has ended.");
  // One answer must not let two calls run.
  if (approvals.has(callId)) throw new Error("The user was asked about another call with the same id.");
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  approvals.set(callId, { name, resolve, reject });
  turn.push({ type: "approvalAsked", callId, name });
  void tellAsked(turn, callId);
  try {
    return await within(promise, { signal }, () => {
      throw new Error("The turn was stopped while it waited for the user. Nothing was run.");
    });
  } finally {
    approvals.set(callId, null);
  }
}

const AGAIN_MS = 1000; // After a store that failed: the log tries again as often.

/** Who hears the fact looks for the question, which is shown when it is saved. */
async function tellAsked(turn: AskingTurn, callId: string): Promise<void> {
  const isSaved = () =>
    turn.log.save().then(
      () => true,
      () => false,
    );
  while (!isOver(turn) && !(await isSaved())) await pause(AGAIN_MS, turn.signal);
  if (!isOver(turn)) await tell(turn, "approval-asked", callId);
}

/** See `RemoteAnswers.approve`. */
export async function answerApproval(turn: AskingTurn, callId: string, approve: boolean): Promise<boolean> {
  const pending = turn.approvals.get(callId);
  if (!pending || isOver(turn)) {
    // The asker looks for the answer in the store, where one that another gave at this moment may not be yet.
    await turn.log.save();
    return false;
  }
  turn.approvals.set(callId, null);
  turn.push({ type: "approvalGiven", callId, name: pending.name, approve });
  try {
    await turn.log.save();
  } catch (error) {
    pending.reject(new Error("The user's answer could not be saved, so nothing was run."));
    throw error;
  }
  pending.resolve(approve);
  void tell(turn, "approval-given", callId);
  return true;
}

function isOver({ signal, isEnding }: AskingTurn): boolean {
  return signal.aborted || isEnding;
}

function tell({ core, user, info }: AskingTurn, type: "approval-asked" | "approval-given", callId: string) {
  return publishFact(core, userTopic(user.username), { type, threadId: info.threadId, turnId: info.id, callId });
}

/** See `Turns.approve`. */
export async function approveCall(
  core: Core,
  user: User,
  turnId: string,
  callId: string,
  approve: boolean,
): Promise<boolean> {
  const turn = await readTurn(core, user.username, turnId);
  if (!turn) return false;
  const isTaken = turn.status === "running" ? await askToApprove(core, turnId, callId, approve) : false;
  if (isTaken) return true;
  const last = lastOfCall(await readEvents(core, user.username, turnId), callId);
  if (!last) throw new AppError("notFound", "There is no such call in this turn.");
  if (last.type === "approvalGiven" && last.approve === approve) return true;
  if (isTaken === null) throw unreachable();
  if (last.type === "approvalGiven")
    throw new AppError("conflict", `This call was answered already: it was ${last.approve ? "" : "not "}allowed.`);
  if (last.type === "approvalAsked")
    throw new AppError("conflict", "This call does not wait any more, because its turn has ended.");
  throw new AppError("conflict", "This call does not wait for an answer.");
}

/** Some endpoints give the same id again in a later step: the last one counts. */
function lastOfCall(events: readonly NumberedEvent[], callId: string) {
  const found = events.findLast(({ event }) => "callId" in event && event.callId === callId && ASKING.has(event.type));
  return found?.event ?? null;
}

const ASKING = new Set(["toolCall", "approvalAsked", "approvalGiven"]);
