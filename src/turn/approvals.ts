/**
 * Calls that wait for the user's yes or no. The question and the answer are events of the turn; an answer is in the store
 * before the call runs, so that after a crash it is known which calls may have run and which have not.
 */

import { AppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import type { Core, NumberedEvent, ToolCall, User } from "../protocols";
import { askToApprove, unreachable } from "./asks";
import { readEvents } from "./event-log";
import { readTurn } from "./records";
import { push, type RunState } from "./state";

export interface Approvals {
  /** See `Turn.approval`. */
  ask(call: ToolCall): Promise<boolean>;
  /** See `Answering.approve`. */
  answer(callId: string, approve: boolean): Promise<boolean>;
}

interface Waiting {
  readonly name: string;
  readonly resolve: (approve: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Those of one running turn. */
export function createApprovals(state: RunState): Approvals {
  const { core, user, info, log, signal } = state;
  const waiting = new Map<string, Waiting>();
  const known = new Set<string>();
  const tell = (type: "approval-asked" | "approval-given", callId: string) =>
    publishFact(core, userTopic(user.username), { type, threadId: info.threadId, turnId: info.id, callId });

  return {
    async ask({ callId, name }) {
      if (signal.aborted || state.isEnding) throw new Error("The turn has ended.");
      // One answer, also one that is sent twice, must not let two calls run.
      if (known.has(callId)) throw new Error("The user was asked about another call with the same id.");
      known.add(callId);
      const { promise, resolve, reject } = Promise.withResolvers<boolean>();
      const stop = () => reject(new Error("The turn was stopped while it waited for the user. Nothing was run."));
      signal.addEventListener("abort", stop, { once: true });
      waiting.set(callId, { name, resolve, reject });
      push(state, { type: "approvalAsked", callId, name });
      void tell("approval-asked", callId);
      try {
        return await promise;
      } finally {
        waiting.delete(callId);
        signal.removeEventListener("abort", stop);
      }
    },

    async answer(callId, approve) {
      const call = waiting.get(callId);
      if (!call || signal.aborted || state.isEnding) {
        await log.save();
        return false;
      }
      waiting.delete(callId);
      push(state, { type: "approvalGiven", callId, name: call.name, approve });
      try {
        await log.save();
      } catch (error) {
        call.reject(new Error("The user's answer could not be saved, so nothing was run."));
        throw error;
      }
      call.resolve(approve);
      void tell("approval-given", callId);
      return true;
    },
  };
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
