/** Files that messages hold and that their user has removed since: the messages stay as they were said, and say so. */

import type { Core, FileInfo, Message } from "../protocols";

const IDS_PER_QUERY = 1000; // The most that `file.list` takes.

/** The messages with `isRemoved` on those of their files that are gone; read in as few questions as can be. */
export async function withRemovedFiles(core: Core, username: string, messages: readonly Message[]): Promise<Message[]> {
  const ids = [...new Set(messages.flatMap(({ files = [] }) => files.map(({ id }) => id)))];
  const there = new Set<string>();
  for (let from = 0; from < ids.length; from += IDS_PER_QUERY) {
    const some = await core.file.list(username, { ids: ids.slice(from, from + IDS_PER_QUERY) });
    for (const { id } of some) there.add(id);
  }
  const marked = (file: FileInfo): FileInfo => (there.has(file.id) ? file : { ...file, isRemoved: true });
  return messages.map((message) => (message.files ? { ...message, files: message.files.map(marked) } : message));
}
