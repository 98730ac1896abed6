/** How turns lie in the store: a record per turn for its user, its events in the collection `log`. */

import { fromRecord, inSnakeCase } from "../basics/names";
import { findAnyOf } from "../basics/records";
import type { Core, StoreFields, StoreRecord, TurnInfo, Usage } from "../protocols";
import type { TurnEnd } from "./ending";
import type { Lease } from "./lease";

const TURNS: StoreFields = {
  thread_id: { type: "str", index: true },
  parent_id: "str",
  status: "str",
  model: "str",
  system_prompt: "str",
  parameters: "json",
  started: "str",
  error: "str",
  ending: "str",
  fault: "json",
  input_tokens: "int",
  output_tokens: "int",
  cached_tokens: "int",
  reasoning_tokens: "int",
  epoch: "int",
  log: "json_collection",
};

export async function declareTurnStores(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists("turns", TURNS);
}

/** `turn` has just begun. */
export async function addTurn(core: Core, username: string, turn: TurnInfo): Promise<void> {
  const { id, threadId, parentId, status, model, systemPrompt, parameters, started } = turn;
  const kept = { threadId, parentId, status, model, systemPrompt, parameters, started, epoch: 0 };
  await core.store.add(username, "turns", inSnakeCase(kept), id);
}

/** By whom a turn is written: refused once another process has taken the turn over, which raises the epoch. */
export type Owned = Pick<Lease, "username" | "turnId" | "epoch">;

/** Fences off the process that ran the turn before. False when another one has taken it from us since. */
export async function takeTurn(core: Core, { username, turnId, epoch }: Owned): Promise<boolean> {
  const record = await core.store.get(username, "turns", turnId);
  if (!record || Number(record.epoch) > epoch) return false;
  return core.store.update(username, "turns", turnId, { epoch }, { epoch: Number(record.epoch) });
}

/** Whether no other process has taken the turn over. */
export async function isOwned(core: Core, { username, turnId, epoch }: Owned): Promise<boolean> {
  const record = await core.store.get(username, "turns", turnId);
  return record?.epoch === epoch;
}

/** False when another process has the turn by now. */
export async function endTurn(core: Core, { username, turnId, epoch }: Owned, end: TurnEnd): Promise<boolean> {
  const { usage, fault, ...fields } = end;
  const kept = {
    ...fields,
    fault: fault ? { ...fault } : null,
    inputTokens: usage?.inputTokens ?? null,
    outputTokens: usage?.outputTokens ?? null,
    cachedTokens: usage?.cachedTokens ?? null,
    reasoningTokens: usage?.reasoningTokens ?? null,
  };
  return core.store.update(username, "turns", turnId, inSnakeCase(kept), { epoch });
}

/** False when there is none, or another process has the turn by now. */
export function removeTurn(core: Core, { username, turnId, epoch }: Owned): Promise<boolean> {
  return core.store.delete(username, "turns", turnId, { epoch });
}

export async function readTurn(core: Core, username: string, turnId: string): Promise<TurnInfo | null> {
  const record = await core.store.get(username, "turns", turnId);
  return record && toTurn(record);
}

/** Oldest first. */
export async function listTurns(
  core: Core,
  username: string,
  threadId: string,
  parentIds?: readonly string[],
): Promise<TurnInfo[]> {
  if (!parentIds) return (await core.store.find(username, "turns", { where: { thread_id: threadId } })).map(toTurn);
  const asked = { field: "parent_id", values: parentIds, where: { thread_id: threadId }, to: toTurn };
  return findAnyOf(core.store, username, "turns", asked);
}

type KeptTurn = Omit<TurnInfo, "usage"> & Partial<Usage> & { readonly epoch?: number };

function toTurn(record: StoreRecord): TurnInfo {
  const kept = fromRecord<KeptTurn>(record, ["error"]);
  const { epoch: _, parameters = {}, inputTokens, outputTokens = 0, cachedTokens, reasoningTokens, ...turn } = kept;
  if (inputTokens === undefined) return { ...turn, parameters, usage: null };
  const cached = cachedTokens !== undefined && { cachedTokens };
  const reasoning = reasoningTokens !== undefined && { reasoningTokens };
  return { ...turn, parameters, usage: { inputTokens, outputTokens, ...cached, ...reasoning } };
}
