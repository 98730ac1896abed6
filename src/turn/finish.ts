/**
 * Ends a turn however it went, and leaves the thread well-formed. A store that fails does not keep the turn from ending: the
 * end is tried again, followers are told, and the text is kept here until it is saved.
 */

import { errorOf, isAppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import type { FinishReason, TurnEvent } from "../protocols";
import { releaseClaim } from "./claims";
import { endingBySentence, endingOf, faultOf, silenceOf } from "./ending";
import { leaveTurn } from "./leave";
import { endTurn, INTERRUPTED, type TurnEnd } from "./records";
import { markCut } from "./reply-parts";
import { addToThread, type RunState, takeParts } from "./state";

const UNSAVED = "The server could not save the end of this reply yet, and goes on trying. Its log says why.";

// A lock or a full disk that somebody is clearing passes in seconds. A person should not wait longer to be told.
const PAUSES_MS = [0, 100, 300, 1000, 3000];
const LATER_MS = 5000;

/** How the processor ended; `cut`: it was not waited for. */
export type Outcome = FinishReason | { readonly error: unknown } | "cut";

export async function finish(state: RunState, produced: Outcome): Promise<void> {
  // A stop does not wait for the processor, but what goes into the thread goes there in order.
  await state.stepping;
  state.isEnding = true;
  if (state.cutCause === "lost") return leaveTurn(state);
  const outcome = withSilence(state, produced);
  const end = endOf(state, outcome);
  state.core.counts.add(`turns_${end.status}`);
  const parts = [...state.waiting, ...takeParts(state, state.info.model)];
  state.waiting = end.status === "done" ? parts : markCut(parts, end.status);
  const last = lastEvent(outcome, end);
  for (const pauseMs of PAUSES_MS) {
    await Bun.sleep(pauseMs);
    const kept = await keep(state, end, last);
    if (kept === "lost") return leaveTurn(state);
    if (kept) return state.log.publishLast();
  }
  await state.log.publishLast({ type: "error", message: UNSAVED });
  void keepLater(state, end, last);
}

/** Order: text, then the turn's record, then the thread is free; followers hear of the end after that. */
async function keep(state: RunState, end: TurnEnd, last: TurnEvent): Promise<boolean | "lost"> {
  const { core, info, claim } = state;
  try {
    if (state.waiting.length > 0) await addToThread(state);
    await state.log.saveLast(last);
    if (!(await endTurn(core, claim, end))) return "lost";
    state.hasEnded = true;
    await releaseClaim(core, claim);
    return true;
  } catch (error) {
    if (state.cutCause === "lost") return "lost";
    core.log.error("The end of a turn could not be saved", { turn: info.id, error: errorOf(error) });
    return false;
  }
}

/** Whoever followed has been told; the text is still here, and the thread is taken until it is saved. */
async function keepLater(state: RunState, end: TurnEnd, last: TurnEvent): Promise<void> {
  const { core, user, info, isClosing } = state;
  let kept: boolean | "lost";
  do {
    await Bun.sleep(LATER_MS);
    // What is not saved by then is recovered at the next start, as after a crash.
    if (isClosing()) return;
    kept = await keep(state, end, last);
  } while (!kept);
  await (kept === "lost" ? leaveTurn(state) : state.log.publishLast());
  await publishFact(core, userTopic(user.username), { type: "turn-ended", threadId: info.threadId, turnId: info.id });
}

/** A model that was asked and said nothing has failed, however well it ended. */
function withSilence({ steps, messages, waiting, parts }: RunState, outcome: Outcome): Outcome {
  if (typeof outcome !== "string" || outcome === "cut" || steps === 0) return outcome;
  const error = silenceOf(outcome, [...messages, ...waiting, ...parts.list()]);
  return error ? { error } : outcome;
}

function endOf(state: RunState, outcome: Outcome): TurnEnd {
  const { usage, cutCause } = state;
  const plain = { usage, error: null };
  if (cutCause === "stopped") return { ...plain, status: "stopped" };
  if (cutCause === "interrupted") return { ...plain, status: "interrupted", error: INTERRUPTED.shutdown };
  if (outcome === "cut") return { ...plain, status: "done" };
  if (typeof outcome === "string") return { ...plain, status: "done", ending: endingOf(outcome) };
  const error = describeFailure(state, outcome);
  return { ...plain, status: "failed", error, ending: endingBySentence(error), fault: faultOf(outcome.error) };
}

function describeFailure({ core, info }: RunState, outcome: Outcome): string {
  const error = typeof outcome === "string" ? null : outcome.error;
  if (isAppError(error)) {
    core.log.warn("A turn failed", { turn: info.id, model: info.model, code: error.code });
    return error.message;
  }
  core.log.error("A turn failed by an error in the server", { turn: info.id, error: error as Error });
  return "Something went wrong in the server; its log says what. Try again.";
}

function lastEvent(outcome: Outcome, { status, error, usage }: TurnEnd): TurnEvent {
  if (error !== null) return { type: "error", message: error };
  const reason = status === "stopped" || typeof outcome !== "string" || outcome === "cut" ? "stopped" : outcome;
  return { type: "end", reason, usage };
}
