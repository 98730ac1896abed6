/**
 * The end of a turn that another process has taken over. Nothing more of it is written here; whoever follows it here gets what
 * the store says: the last event comes after a hole, which listeners fill from the store.
 */

import type { Core, Json, NumberedEvent } from "../protocols";
import { readEvents, turnTopic } from "./event-log";
import { readTurn } from "./records";
import type { RunState } from "./state";

const LOOK_MS = 250; // The other process ends the turn at once, unless its store fails.

export async function leaveTurn({ core, user, info, log, isClosing }: RunState): Promise<void> {
  log.leave();
  core.log.warn("This process stood still for so long that another one took over a turn of it", { turn: info.id });
  for (;;) {
    const last = await lastOf(core, user.username, info.id).catch(() => null); // The store may fail for a while.
    if (last) return core.bus.publish(turnTopic(info.id), [last] as unknown as Json);
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
