/** How turns lie in the store: a record per turn for its user, its events in the collection `log`. */

import { findAnyOf } from "../basics/records";
import type {
  Core,
  JsonObject,
  StoreFields,
  StoreRecord,
  TurnEnding,
  TurnFault,
  TurnInfo,
  TurnStatus,
  Usage,
} from "../protocols";
import { type Claim, epochOf } from "./claims";

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

export async function addTurn(core: Core, username: string, turn: TurnInfo): Promise<void> {
  const fields = {
    thread_id: turn.threadId,
    parent_id: turn.parentId,
    status: turn.status,
    model: turn.model,
    system_prompt: turn.systemPrompt,
    parameters: turn.parameters,
    started: turn.started,
    epoch: 0,
  };
  await core.store.add(username, "turns", fields, turn.id);
}

/** Errors of turns that a person may go on from, and that are nobody's fault. */
export const INTERRUPTED = {
  crash: "The server went down while it wrote this reply. Continue goes on from here.",
  shutdown: "The server was stopped while it wrote this reply. Continue goes on from here.",
} as const;

export interface TurnEnd {
  readonly status: Exclude<TurnStatus, "running">;
  readonly error: string | null;
  readonly usage: TurnInfo["usage"];
  readonly ending?: TurnEnding | null;
  readonly fault?: TurnFault | null;
}

/** Whose a turn is: what else they write of it is refused once somebody has taken it from them. */
export type Owned = Pick<Claim, "username" | "turnId" | "epoch">;

/** Fences off whoever ran the turn before. False when somebody has taken it from us since. */
export async function takeTurn(core: Core, { username, turnId, epoch }: Owned): Promise<boolean> {
  const record = await core.store.get(username, "turns", turnId);
  if (!record || epochOf(record) > epoch) return false;
  const was = record.epoch === null ? null : epochOf(record);
  return core.store.update(username, "turns", turnId, { epoch }, { epoch: was });
}

/** Whether nobody has taken the turn over. */
export async function isOwned(core: Core, { username, turnId, epoch }: Owned): Promise<boolean> {
  const record = await core.store.get(username, "turns", turnId);
  return record !== null && epochOf(record) === epoch;
}

/** False when the turn is somebody else's by now. */
export async function endTurn(core: Core, { username, turnId, epoch }: Owned, end: TurnEnd): Promise<boolean> {
  const fields = {
    status: end.status,
    error: end.error,
    ending: end.ending ?? null,
    fault: end.fault ? { ...end.fault } : null,
    input_tokens: end.usage?.inputTokens ?? null,
    output_tokens: end.usage?.outputTokens ?? null,
    cached_tokens: end.usage?.cachedTokens ?? null,
    reasoning_tokens: end.usage?.reasoningTokens ?? null,
  };
  return core.store.update(username, "turns", turnId, fields, { epoch });
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

function toTurn(record: StoreRecord): TurnInfo {
  return {
    id: record.id,
    threadId: String(record.thread_id),
    parentId: String(record.parent_id),
    status: record.status as TurnStatus,
    model: String(record.model),
    systemPrompt: String(record.system_prompt),
    parameters: (record.parameters ?? {}) as JsonObject,
    started: String(record.started),
    error: record.error === null ? null : String(record.error),
    usage: toUsage(record),
    ...(record.ending !== null && { ending: record.ending as TurnEnding }),
    ...(record.fault !== null && { fault: record.fault as unknown as TurnFault }),
  };
}

function toUsage(record: StoreRecord): Usage | null {
  if (record.input_tokens === null) return null;
  return {
    inputTokens: Number(record.input_tokens),
    outputTokens: Number(record.output_tokens),
    ...(record.cached_tokens !== null && { cachedTokens: Number(record.cached_tokens) }),
    ...(record.reasoning_tokens !== null && { reasoningTokens: Number(record.reasoning_tokens) }),
  };
}
