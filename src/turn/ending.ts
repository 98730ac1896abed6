/**
 * How a turn ended, as its record says it and its last event tells it; each can be made of the other, since a crash may leave the event alone.
 * A turn that a limit cut or a filter stopped is done and says so; one in which the model said nothing at all has failed, since there is
 * nothing to read.
 */

import { AppError, isAppError } from "../basics/errors";
import type { FinishReason, Message, TurnEnding, TurnEvent, TurnFault, TurnStatus, Usage } from "../protocols";

export interface TurnEnd {
  readonly status: Exclude<TurnStatus, "running">;
  readonly error: string | null;
  readonly usage: Usage | null;
  readonly ending?: TurnEnding;
  readonly fault?: TurnFault;
}

/** Errors of turns that a person may go on from, and that are nobody's fault. */
export const INTERRUPTED = {
  crash: "The server went down while it wrote this reply. Continue goes on from here.",
  shutdown: "The server was stopped while it wrote this reply. Continue goes on from here.",
} as const;

/** What is said of a reply without a word, by how it ended. The page has these sentences in the reader's language. */
export const NOTHING_SAID: Readonly<Record<TurnEnding, string>> = {
  length: "The model reached the limit of a reply before it said anything.",
  filtered: "A filter of the endpoint held the reply back before it said anything.",
  thoughts: "The model thought, and ended without an answer.",
  empty: "The model ended without an answer.",
};

export function endOfReason(reason: FinishReason | "stopped", usage: Usage | null): TurnEnd {
  if (reason === "stopped") return { status: "stopped", error: null, usage };
  return { status: "done", error: null, usage, ...(reason !== "stop" && { ending: reason }) };
}

/** `error` is the sentence for the user, `cause` what was thrown, where that is known. */
export function endOfFailure(error: string, usage: Usage | null, cause?: unknown): TurnEnd {
  const isInterrupted = Object.values<string>(INTERRUPTED).includes(error);
  const [ending] = Object.entries(NOTHING_SAID).find(([, said]) => said === error) ?? [];
  const fault = faultOf(cause);
  return {
    status: isInterrupted ? "interrupted" : "failed",
    error,
    usage,
    ...(ending !== undefined && { ending: ending as TurnEnding }),
    ...(fault && { fault }),
  };
}

/** Of a turn that a crash left; without a last event it was interrupted. */
export function endOfLast(last: TurnEvent | undefined): TurnEnd {
  if (last?.type === "end") return endOfReason(last.reason, last.usage);
  return endOfFailure(last?.type === "error" ? last.message : INTERRUPTED.crash, null);
}

export function lastEventOf({ status, error, ending, usage }: TurnEnd): TurnEvent {
  if (error !== null) return { type: "error", message: error };
  const reason = status === "stopped" ? "stopped" : ((ending ?? "stop") as FinishReason);
  return { type: "end", reason, usage };
}

/** The failure of a reply that has nothing to read; null when there is something. */
export function silenceOf(reason: FinishReason, messages: readonly Message[]): AppError | null {
  const isSaid = ({ role, type, content }: Message) =>
    role !== "user" && (type === "file" || (type === "text" && role === "assistant" && content.trim() !== ""));
  if (messages.some(isSaid)) return null;
  const hasThought = messages.some(({ role }) => role === "thinking") && !messages.some(({ type }) => type === "tool");
  return new AppError("upstream", NOTHING_SAID[reason !== "stop" ? reason : hasThought ? "thoughts" : "empty"]);
}

/** What the administrator is told of a failure; null when no endpoint was at fault. */
function faultOf(error: unknown): TurnFault | null {
  // A plugin's error may be made by an older copy of the class.
  const { endpoint, address, status } = (isAppError(error) && error.facts) || {};
  if (endpoint === undefined) return null;
  return { endpoint, ...(address && { address }), ...(status !== undefined && { status }) };
}
