/** Ends a turn whose process died: what was saved of it becomes part of the thread, and the turn is marked interrupted. */

import { publishFact, userTopic } from "../basics/facts";
import type { Core, Json, NumberedEvent, TurnEvent, TurnInfo } from "../protocols";
import { type Claim, releaseClaim } from "./claims";
import { endingBySentence, endingOf } from "./ending";
import { readEvents, turnTopic } from "./event-log";
import { isLast } from "./numbered";
import { endTurn, INTERRUPTED, readTurn, type TurnEnd, takeTurn } from "./records";
import { createReplyParts, markCut, type PartsOrigin, type ReplyParts } from "./reply-parts";

// Positions that the dead process may have shown and not saved are never given again. No model writes this much in the
// quarter of a second that can be lost.
const LOST_AT_MOST = 1_000_000;

/** Does nothing when another process has taken the turn from this one meanwhile. */
export async function recoverTurn(core: Core, claim: Claim): Promise<void> {
  const { username, threadId, turnId } = claim;
  const turn = await readTurn(core, username, turnId);
  if (turn?.status === "running") {
    // First: whoever ran it may only have stood still, and from here on writes nothing more.
    if (!(await takeTurn(core, claim))) return;
    const saved = await readEvents(core, username, turnId);
    // The process may have died between its last event and the record that says so.
    const last = saved.at(-1);
    if ((!last || !isLast(last)) && !(await keepWhatIsSaved(core, claim, turn, saved))) return;
    if (!(await endTurn(core, claim, endAsSaved(last)))) return;
  }
  await releaseClaim(core, claim);
  const events = await readEvents(core, username, turnId);
  await core.bus.publish(turnTopic(turnId), events.slice(-1) as unknown as Json);
  await publishFact(core, userTopic(username), { type: "turn-ended", threadId, turnId });
  core.log.warn("A turn of a process that died was kept as interrupted", { turn: turnId });
}

/** The thread first, then the log in one write: a recovery that is interrupted in between does the same again. */
async function keepWhatIsSaved(
  core: Core,
  { username, epoch }: Claim,
  turn: TurnInfo,
  saved: readonly NumberedEvent[],
): Promise<boolean> {
  const last = saved.at(-1);
  let seq = (last?.seq ?? 0) + LOST_AT_MOST;
  const number = (event: TurnEvent, timestamp = new Date().toISOString()): NumberedEvent => {
    seq++;
    return { seq, timestamp, event };
  };
  const parts = unfinishedParts(turn, saved);
  // A call ended when its process did, not now.
  const results = parts.missingResults().map((result) => number(result, last?.timestamp));
  results.forEach(parts.add);
  for (const part of markCut(parts.take(turn.model), "interrupted")) {
    await core.thread.append(username, turn.threadId, part);
  }
  const events = [...results, number({ type: "error", message: INTERRUPTED.crash })];
  return core.store.collectionAppend(username, "turns", turn.id, "log", events as unknown as Json[], { epoch });
}

/** The parts that the thread does not have yet. */
export function unfinishedParts(origin: PartsOrigin, events: readonly NumberedEvent[]): ReplyParts {
  const parts = createReplyParts(origin);
  events.forEach(parts.add);
  return parts;
}

function endAsSaved(last: NumberedEvent | undefined): TurnEnd {
  const plain = { usage: null, error: null };
  if (last?.event.type === "end") {
    const { reason, usage } = last.event;
    if (reason === "stopped") return { ...plain, status: "stopped", usage };
    return { ...plain, status: "done", usage, ending: endingOf(reason) };
  }
  if (last?.event.type !== "error") return { ...plain, status: "interrupted", error: INTERRUPTED.crash };
  const { message: error } = last.event;
  const isInterruption = Object.values<string>(INTERRUPTED).includes(error);
  return { ...plain, status: isInterruption ? "interrupted" : "failed", error, ending: endingBySentence(error) };
}
