/**
 * Which turn runs in which thread, and whose it is. A claim is a record whose id is the thread's, so the store lets one turn
 * run per thread, whoever asks. Its epoch counts how often the turn has changed hands, and stands in the turn's own record
 * too: whatever an earlier owner still writes names an older one, and is refused.
 */

import { addIfAbsent } from "../basics/records";
import type { Core, StoreFields, StoreRecord } from "../protocols";

const CLAIMS: StoreFields = {
  username: { type: "str", index: true },
  turn_id: "str",
  process_id: "str",
  epoch: "int",
};

export interface Claim {
  readonly threadId: string;
  readonly username: string;
  readonly turnId: string;
  /** 0 = the process that began the turn. */
  readonly epoch: number;
}

/** A claim as it lies in the store. */
export interface HeldClaim extends Claim {
  readonly processId: string;
}

export async function declareClaims(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists("turn_claims", CLAIMS);
}

/** False when a turn runs in the thread already. */
export function addClaim(core: Core, claim: Claim, processId: string): Promise<boolean> {
  const { threadId, username, turnId, epoch } = claim;
  const fields = { username, turn_id: turnId, process_id: processId, epoch };
  return addIfAbsent(core.store, null, "turn_claims", fields, threadId);
}

/** Frees the thread for the next turn; does nothing when somebody else has taken the turn over. */
export async function releaseClaim(core: Core, { threadId, turnId, epoch }: Claim): Promise<void> {
  await core.store.delete(null, "turn_claims", threadId, { turn_id: turnId, epoch });
}

/** The turn that runs in the thread, in any process, or null. */
export async function findClaim(core: Core, threadId: string): Promise<HeldClaim | null> {
  const record = await core.store.get(null, "turn_claims", threadId);
  return record && toClaim(record);
}

/** Whether nobody has taken the turn over. */
export async function isHeld(core: Core, claim: Claim): Promise<boolean> {
  return isSame(await findClaim(core, claim.threadId), claim);
}

export function isSame(a: Claim | null | undefined, b: Claim): boolean {
  return a?.turnId === b.turnId && a.epoch === b.epoch;
}

/** Thrown to whoever would go on with a turn that is somebody else's by now. */
export function takenOver(): Error {
  return new Error("The turn was taken over by another process.");
}

/** All, of every process. */
export async function listClaims(core: Core): Promise<HeldClaim[]> {
  return (await core.store.find(null, "turn_claims")).map(toClaim);
}

/** Ids of the user's threads in which a turn runs, in any process. */
export async function claimedThreads(core: Core, username: string): Promise<string[]> {
  const records = await core.store.find(null, "turn_claims", { where: { username }, select: [] });
  return records.map(({ id }) => id);
}

/** Makes a claim of a dead process that of another. Null when it is not there any more; one process takes it, whoever else tries. */
export async function takeClaim(core: Core, { threadId, processId: deadId }: HeldClaim, processId: string) {
  const record = await core.store.get(null, "turn_claims", threadId);
  if (record?.process_id !== deadId) return null;
  const { processId: _, ...claim } = toClaim(record);
  const taken: Claim = { ...claim, epoch: claim.epoch + 1 };
  const was = { process_id: deadId, epoch: record.epoch === null ? null : claim.epoch };
  const isOurs = await core.store.update(
    null,
    "turn_claims",
    threadId,
    { process_id: processId, epoch: taken.epoch },
    was,
  );
  return isOurs ? taken : null;
}

function toClaim(record: StoreRecord): HeldClaim {
  return {
    threadId: record.id,
    username: String(record.username),
    turnId: String(record.turn_id),
    epoch: epochOf(record),
    processId: String(record.process_id),
  };
}

/** Null in records of a version that had none. */
export function epochOf({ epoch }: StoreRecord): number {
  return Number(epoch ?? 0);
}
