/**
 * The data of users who were removed: kept under a name that nobody can have, because a control character is in it, until it is given
 * to somebody. Works on the store alone, beside a server that runs.
 */

import { addIfAbsent } from "../../basics/records";
import type { Owner, StoreProtocol, StoreRecord } from "../../protocols";

export interface KeptData {
  /** Under which it lies. */
  readonly owner: string;
  /** As people are told it, and type it. */
  readonly label: string;
  readonly chats: number;
  /** ISO 8601, UTC. */
  readonly removed: string;
}

const STORE = "kept_users";
const MARK = "\x7f"; // "Delete", which no name may hold.
const THREADS = "threads";
const LEASES = "turn_claims"; // Of the turn engine: which process runs a turn, and whose it is.

/** How many records the owner has, in all stores. */
export async function countRecords(store: StoreProtocol, owner: Owner): Promise<number> {
  let count = 0;
  for (const { name } of await store.listStores()) count += await store.count(owner, name);
  return count;
}

/** Puts away all that the user has. Again = goes on where it was ended before. Null when there is nothing. */
export async function keepData(store: StoreProtocol, username: string): Promise<KeptData | null> {
  if ((await countRecords(store, username)) === 0) return null;
  await declare(store);
  const owner = (await unfinished(store, username)) ?? (await takeName(store, username));
  await giveData(store, username, owner);
  await store.update(null, STORE, owner, { is_whole: true });
  return (await listKept(store)).find((kept) => kept.owner === owner) ?? null;
}

/** All that is kept, oldest first. */
export async function listKept(store: StoreProtocol): Promise<KeptData[]> {
  await declare(store);
  const records = await store.find(null, STORE);
  return Promise.all(records.map((record) => toKept(store, record)));
}

export async function giveKept(store: StoreProtocol, { owner }: KeptData, username: string): Promise<void> {
  await giveData(store, owner, username);
  if ((await countRecords(store, owner)) === 0) await store.delete(null, STORE, owner);
}

/** Chats last, so that nobody sees one whose messages have not come. Of two records of the same id, the receiver's stays. */
export async function giveData(store: StoreProtocol, from: string, to: string): Promise<void> {
  const names = (await store.listStores()).map(({ name }) => name);
  for (const name of [...names.filter((it) => it !== THREADS), ...names.filter((it) => it === THREADS)]) {
    await store.give?.(from, to, name);
    for (const { id } of await store.find(from, name, { select: [] })) {
      if (await store.get(to, name, id)) await store.delete(from, name, id);
    }
  }
  if (names.includes(LEASES)) await giveTurns(store, from, to);
}

/** The process that runs a turn of the user learns that it has lost the lease, and a server ends the turn like one of a dead process. */
async function giveTurns(store: StoreProtocol, from: string, to: string): Promise<void> {
  for (const { id, epoch } of await store.find(null, LEASES, { where: { username: from } })) {
    const taken = { username: to, process_id: "nobody", epoch: Number(epoch) + 1 };
    await store.update(null, LEASES, id, taken, { username: from });
  }
}

async function declare(store: StoreProtocol): Promise<void> {
  await store.createStoreIfNotExists(STORE, { username: "str", removed: "str", is_whole: "bool" });
}

async function unfinished(store: StoreProtocol, username: string): Promise<string | null> {
  const [found] = await store.find(null, STORE, { where: { username, is_whole: false } });
  return found?.id ?? null;
}

/** There may have been others of the name. */
async function takeName(store: StoreProtocol, username: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const fields = { username, removed: new Date().toISOString(), is_whole: false };
    const owner = `${username}${MARK}${number}`;
    if (await addIfAbsent(store, null, STORE, fields, owner)) return owner;
  }
}

async function toKept(store: StoreProtocol, { id, removed }: StoreRecord): Promise<KeptData> {
  const chats = (await store.findStore(THREADS)) === null ? 0 : await store.count(id, THREADS);
  return { owner: id, label: id.replace(MARK, "~"), chats, removed: String(removed) };
}
