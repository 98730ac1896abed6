/** Pages of the thread list, newest activity first. */

import type { Core, Thread, ThreadPage } from "../../protocols";
import { toThread } from "./records";

export async function listThreads(
  core: Core,
  username: string,
  { limit, before, archived = false }: ThreadPage & { readonly limit: number },
): Promise<Thread[]> {
  const newestFirst = { orderBy: "updated", descending: true } as const;
  if (before === undefined) {
    const records = await core.store.find(username, "threads", { where: { archived }, ...newestFirst, limit });
    return records.map(toThread);
  }
  const cursor = await core.store.get(username, "threads", before);
  if (!cursor) return [];
  const updated = String(cursor.updated);
  // Threads of the same millisecond stand on both sides of the cursor: read them all and cut behind it.
  const ties = await core.store.count(username, "threads", { archived, updated });
  const where = { archived, updated: { lte: updated } };
  const records = await core.store.find(username, "threads", { where, ...newestFirst, limit: limit + ties });
  const position = records.findIndex(({ id }) => id === before);
  // Archived meanwhile, the cursor is not among them; what follows it in time still is.
  const rest = position >= 0 ? records.slice(position + 1) : records.filter((record) => record.updated !== updated);
  return rest.slice(0, limit).map(toThread);
}
