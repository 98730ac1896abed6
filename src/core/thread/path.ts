/** The branch from the root to a head: read ids and parents, walk up, and then read the texts that are asked for. */

import { pathTo } from "../../basics/messages";
import type { Core, Message, MessageNode, MessagePath } from "../../protocols";
import { toMessage } from "./records";

const IDS_PER_QUERY = 1000; // The most that a StoreAnyOf takes.

export async function readPath(core: Core, username: string, threadId: string, path: MessagePath): Promise<Message[]> {
  const head = path.head ?? (await core.thread.get(username, threadId))?.headId;
  if (!head) return [];
  if (path.limit === undefined && path.before === undefined) {
    const query = { where: { thread_id: threadId }, limit: IDS_PER_QUERY + 1 };
    const records = await core.store.find(username, "messages", query);
    // A longer one would hold everything else up: it is read in pages, as a part of it is.
    if (records.length <= IDS_PER_QUERY) return pathTo(records.map(toMessage), head);
  }
  const nodes = pathTo(path.tree ?? (await core.thread.tree(username, threadId)), head);
  const end = path.before === undefined ? nodes.length : nodes.findIndex(({ id }) => id === path.before);
  const start = path.limit === undefined ? 0 : Math.max(0, end - path.limit);
  return end < 0 ? [] : readMessages(core, username, nodes.slice(start, end));
}

async function readMessages(core: Core, username: string, nodes: readonly MessageNode[]): Promise<Message[]> {
  const byId = new Map<string, Message>();
  for (let from = 0; from < nodes.length; from += IDS_PER_QUERY) {
    const ids = nodes.slice(from, from + IDS_PER_QUERY).map(({ id }) => id);
    const records = await core.store.find(username, "messages", { where: { id: { in: ids } } });
    for (const record of records) byId.set(record.id, toMessage(record));
    if (ids.length === IDS_PER_QUERY) await new Promise(setImmediate);
  }
  return nodes.flatMap(({ id }) => byId.get(id) ?? []);
}
