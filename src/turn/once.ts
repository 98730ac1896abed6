/**
 * One send, one turn: a sender who got no answer sends again, and must not be answered twice. A send that bears a key gets a turn
 * whose id is made of it, so that the turns themselves tell, also after a restart, which keys were there already.
 */

import type { Core, FileInfo, TurnInfo, TurnRequest, User } from "../protocols";
import { readTurn } from "./records";

/** Starts the turn, or gives the one that the same request started before. */
export type Once = (user: User, request: TurnRequest, start: Start) => Promise<TurnInfo>;
type Start = (turnId: string) => Promise<TurnInfo>;

export function createOnce(core: Core): Once {
  /** Turns that are starting at this moment, by their ids. */
  const starting = new Map<string, Promise<TurnInfo>>();

  return async function once(user, request, start) {
    if (request.key === undefined) return start(Bun.randomUUIDv7());
    // Others may use the same keys.
    const turnId = Bun.randomUUIDv5(JSON.stringify([user.username, request.key]), "oid");
    const read = () => readTurn(core, user.username, turnId);
    // One that fails leaves nothing to find.
    const before = (await starting.get(turnId)?.catch(() => null)) ?? (await read());
    // Somebody was faster while this one read.
    if (!before && starting.has(turnId)) return once(user, request, start);
    if (before) return (await isSame(core, user, before, request)) ? before : start(Bun.randomUUIDv7());
    const started = start(turnId).finally(() => starting.delete(turnId));
    starting.set(turnId, started);
    return started;
  };
}

/** A form that was filled in anew may still bear the key of before. */
async function isSame(core: Core, user: User, turn: TurnInfo, request: TurnRequest): Promise<boolean> {
  const { content, threadId, parentId } = request;
  if (threadId !== undefined && threadId !== turn.threadId) return false;
  if (content === null) return parentId === turn.parentId;
  const [question] = await core.thread.messages(user.username, turn.threadId, { head: turn.parentId, limit: 1 });
  return question?.content === content && sums(question.files).join() === sums(request.files).join();
}

/** Of the bytes: what is uploaded again has another id. */
function sums(files: readonly FileInfo[] = []): string[] {
  return files.map(({ sha256 }) => sha256);
}
