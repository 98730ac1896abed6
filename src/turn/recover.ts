/** Ends a turn whose process died: what was saved of it becomes part of the thread, and the turn is marked interrupted. */

import type { Core, Json, NumberedEvent } from "../protocols";
import { readEvents, turnTopic } from "./event-log";
import { isLast } from "./numbered";
import type { Claim } from "./ownership";
import { createParts, type Parts, type PartsOrigin } from "./parts";
import { endTurn, readTurn } from "./records";

// Positions that the dead process may have shown and not saved are never given again. No model writes this much in the
// quarter of a second that can be lost.
const LOST_AT_MOST = 1_000_000;

const MESSAGE = "The server went down while it wrote this reply. Continue goes on from here.";

export async function recoverTurn(core: Core, { username, threadId, turnId }: Claim): Promise<void> {
  const turn = await readTurn(core, username, turnId);
  if (turn?.status === "running") {
    const saved = await readEvents(core, username, turnId);
    // The process may have died between its last event and the record that says so.
    const last = saved.at(-1);
    if (!last || !isLast(last)) {
      for (const part of unfinishedParts(turn, saved).take(turn.model, "interrupted")) {
        await core.thread.append(username, threadId, part);
      }
      const seq = (last?.seq ?? 0) + LOST_AT_MOST + 1;
      const event: NumberedEvent = {
        seq,
        timestamp: new Date().toISOString(),
        event: { type: "error", message: MESSAGE },
      };
      await core.store.collectionAppend(username, "turns", turnId, "log", [event as unknown as Json]);
    }
    await endTurn(core, username, turnId, endAsSaved(last));
  }
  await core.store.delete(null, "turn_claims", threadId);
  const events = await readEvents(core, username, turnId);
  await core.bus.publish(turnTopic(turnId), events.slice(-1) as unknown as Json);
  core.log.warn("A turn of a process that died was kept as interrupted", { turn: turnId });
}

/** The parts that the thread does not have yet. */
export function unfinishedParts(origin: PartsOrigin, events: readonly NumberedEvent[]): Parts {
  const parts = createParts(origin);
  for (const numbered of events) {
    if (numbered.event.type === "step") parts.take(numbered.event.model);
    else parts.add(numbered);
  }
  return parts;
}

function endAsSaved(last: NumberedEvent | undefined): Parameters<typeof endTurn>[3] {
  if (last?.event.type === "end") {
    const { reason, usage } = last.event;
    return { status: reason === "stopped" ? "stopped" : "done", error: null, usage };
  }
  if (last?.event.type === "error") return { status: "failed", error: last.event.message, usage: null };
  return { status: "interrupted", error: MESSAGE, usage: null };
}
