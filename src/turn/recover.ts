/**
 * The end of a turn whose process is not the one that ran it. Of a process that died: what was saved of the turn becomes part of the
 * thread, and the turn is marked interrupted. In a process that only stood still and lost the turn meanwhile: its followers are told
 * how the turn ended elsewhere.
 */

import { publishFact, userTopic } from "../basics/facts";
import type { Core, Json, NumberedEvent, TurnEvent, TurnInfo } from "../protocols";
import { endOfLast, INTERRUPTED } from "./ending";
import { isLast, readEvents, turnTopic } from "./event-log";
import { type Lease, releaseLease } from "./lease";
import { endTurn, readTurn, removeTurn, takeTurn } from "./records";
import { createReplyParts, markCut, type PartsOrigin, type ReplyParts } from "./reply-parts";

/** Does nothing when another process has taken the turn from this one meanwhile. */
export async function recoverTurn(core: Core, lease: Lease): Promise<void> {
  const { username, threadId, turnId } = lease;
  const turn = await readTurn(core, username, turnId);
  if (turn?.status === "running") {
    // This comes first: the process that ran the turn may only have stood still, and from here on writes nothing more.
    if (!(await takeTurn(core, lease))) return;
    // The process may have died while it stored the two side by side. Nobody was told of a turn whose question is not there.
    const isAsked = await showQuestion(core, username, turn);
    if (!(await (isAsked ? endAsSaved(core, lease, turn) : removeTurn(core, lease)))) return;
  }
  await releaseLease(core, lease);
  await publishSaved(core, turnId, (await readEvents(core, username, turnId)).at(-1));
  await publishFact(core, userTopic(username), { type: "turn-ended", threadId, turnId });
  core.log.warn("A turn of a process that died was kept as interrupted", { turn: turnId });
}

/** False when another process has the turn by now. */
async function endAsSaved(core: Core, lease: Lease, turn: TurnInfo): Promise<boolean> {
  const saved = await readEvents(core, lease.username, turn.id);
  // The process may have died between its last event and the record that says so.
  const last = saved.at(-1);
  if ((!last || !isLast(last)) && !(await keepWhatIsSaved(core, lease, turn, saved))) return false;
  return endTurn(core, lease, endOfLast(last?.event));
}

/** Makes the user's message the thread's head, unless another message was added since. False when that message is not stored. */
async function showQuestion(core: Core, username: string, { threadId, parentId }: TurnInfo): Promise<boolean> {
  const [question] = await core.thread.messages(username, threadId, { head: parentId, limit: 1 });
  if (question) await core.thread.append(username, threadId, question);
  return question !== undefined;
}

/** The thread first, then the log in one write: a recovery that is interrupted in between does the same again. */
async function keepWhatIsSaved(
  core: Core,
  { username, epoch }: Lease,
  turn: TurnInfo,
  saved: readonly NumberedEvent[],
): Promise<boolean> {
  const last = saved.at(-1);
  let seq = last?.seq ?? 0;
  const number = (event: TurnEvent, timestamp = new Date().toISOString()): NumberedEvent => {
    seq++;
    return { seq, timestamp, event };
  };
  const parts = unfinishedParts(turn, saved);
  // A call's end is that of its process, and not this moment.
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

const LOOK_MS = 250; // The other process ends the turn at once, unless its store fails.

/** Resolves when the process that took the turn over has ended it, and followers here know, or when this server is about to end. */
export async function awaitOtherEnd(core: Core, { username, turnId }: Lease, isClosing: () => boolean): Promise<void> {
  core.log.warn("This process stood still for so long that another one took over a turn of it", { turn: turnId });
  for (;;) {
    const last = await lastOf(core, username, turnId).catch(() => null); // The store may fail for a while.
    if (last) return publishSaved(core, turnId, last);
    if (isClosing()) return;
    await Bun.sleep(LOOK_MS);
  }
}

/** Null while the turn has not ended. */
async function lastOf(core: Core, username: string, turnId: string): Promise<NumberedEvent | null> {
  const turn = await readTurn(core, username, turnId);
  if (turn?.status === "running") return null;
  return (await readEvents(core, username, turnId)).at(-1) ?? null;
}

/** Publishes the last event alone: followers read those before it from the store. */
async function publishSaved(core: Core, turnId: string, last: NumberedEvent | undefined): Promise<void> {
  await core.bus.publish(turnTopic(turnId), (last ? [last] : []) as unknown as Json);
}
