/**
 * How the model ended a reply, where it did not simply come to its end: a turn that a limit cut or a filter stopped is done and says so; one
 * in which the model said nothing at all has failed, since there is nothing to read.
 */

import { AppError, isAppError } from "../basics/errors";
import type { FinishReason, Message, TurnEnding, TurnFault } from "../protocols";

/** What is said of a reply without a word, by how it ended. The page has these sentences in the reader's language. */
export const NOTHING_SAID: Readonly<Record<TurnEnding, string>> = {
  length: "The model reached the limit of a reply before it said anything.",
  filtered: "A filter of the endpoint held the reply back before it said anything.",
  thoughts: "The model thought, and ended without an answer.",
  empty: "The model ended without an answer.",
};

export function endingOf(reason: FinishReason): TurnEnding | null {
  return reason === "stop" ? null : reason;
}

/** The failure of a reply that has nothing to read; null when there is something. */
export function silenceOf(reason: FinishReason, messages: readonly Message[]): AppError | null {
  const isSaid = ({ role, type, content }: Message) =>
    role !== "user" && (type === "file" || (type === "text" && role === "assistant" && content.trim() !== ""));
  if (messages.some(isSaid)) return null;
  const hasThought = messages.some(({ role }) => role === "thinking") && !messages.some(({ type }) => type === "tool");
  return new AppError("upstream", NOTHING_SAID[endingOf(reason) ?? (hasThought ? "thoughts" : "empty")]);
}

/** Of a failed turn, by its sentence: all that the events keep. */
export function endingBySentence(sentence: string | null): TurnEnding | null {
  const found = Object.entries(NOTHING_SAID).find(([, said]) => said === sentence);
  return (found?.[0] as TurnEnding | undefined) ?? null;
}

/** What the administrator is told of a failure; null when no endpoint was at fault. */
export function faultOf(error: unknown): TurnFault | null {
  // A plugin's error may be made by an older copy of the class.
  const { endpoint, address, status } = (isAppError(error) && error.facts) || {};
  if (endpoint === undefined) return null;
  return { endpoint, ...(address && { address }), ...(status !== undefined && { status }) };
}
