/**
 * What each user has, once per content: a record by its hash, whose sizes the store sums up. The record is written before its first
 * file and removed after its last; each request looks again afterwards, so that two at once leave no file without its record, nor a record alone.
 */

import { requireRoom } from "../../basics/allowed";
import { onceDone } from "../../basics/once";
import { createQueues } from "../../basics/queues";
import { addIfAbsent } from "../../basics/records";
import type { Core, FileInfo } from "../../protocols";

/** The store of the files themselves. */
export const FILES = "files";
const CONTENTS = "file_contents";
const COUNTED = "counted"; // No hash: says that the files of this user that were there before are counted.
const PAGE = 500;
const STALE_MS = 10 * 60_000; // A file follows its record within moments; a record that is alone for longer was left by a crash.

export async function declareContents(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists(CONTENTS, {
    size: { type: "int", sized: true },
    /** Since when a file of it is on its way; null = there is one. */
    since: { type: "str", index: true },
  });
}

type Content = Pick<FileInfo, "sha256" | "size">;

export interface Contents {
  /** Of all that the user has. */
  size(username: string): Promise<number>;
  /** Before a file of this content is added: counts it. Throws AppError("tooLarge") when the user's quota has no room for it. */
  claim(username: string, content: Content): Promise<void>;
  /** After a file of it was added. */
  confirm(username: string, content: Content): Promise<void>;
  /** After a file of it was removed, or was not added. */
  release(username: string, content: Content): Promise<void>;
}

export function createContents(core: Core): Contents {
  const counted = new Map<string, () => Promise<void>>();

  const isHeld = async (username: string, sha256: string): Promise<boolean> =>
    (await core.store.find(username, FILES, { where: { sha256 }, select: [], limit: 1 })).length > 0;

  const add = async (username: string, { sha256, size }: Content, since: string | null): Promise<void> => {
    if (await core.store.get(username, CONTENTS, sha256)) return;
    // Somebody else may just have added it.
    await addIfAbsent(core.store, username, CONTENTS, { size, since }, sha256);
  };

  const release = async (username: string, content: Content): Promise<void> => {
    const { sha256 } = content;
    if (await isHeld(username, sha256)) return;
    await core.store.delete(username, CONTENTS, sha256);
    // It may have come again since.
    if (await isHeld(username, sha256)) await add(username, content, null);
  };

  /** Once per user, in pages. */
  const countOld = async (username: string): Promise<void> => {
    if (await core.store.get(username, CONTENTS, COUNTED)) return;
    let after = "";
    for (;;) {
      const query = { where: { id: { gt: after } }, orderBy: "id", limit: PAGE, select: ["sha256", "size"] };
      const files = await core.store.find(username, FILES, query);
      const sizes = new Map(files.map(({ sha256, size }) => [String(sha256), Number(size)]));
      await Promise.all([...sizes].map(([sha256, size]) => add(username, { sha256, size }, null)));
      after = files.at(-1)?.id ?? after;
      if (files.length < PAGE) break;
    }
    if (after !== "") await noteCounted(username);
  };
  /** A user without files is noted with the first file, so that a message without one writes nothing here. */
  const noteCounted = (username: string) => add(username, { sha256: COUNTED, size: 0 }, null);
  const ready = (username: string): Promise<void> => {
    const job = counted.get(username) ?? onceDone(() => countOld(username));
    counted.set(username, job);
    return job();
  };

  // One after the other, or several that have no room together would all be refused.
  const claims = createQueues();
  const claimOne = async (username: string, content: Content): Promise<void> => {
    const { sha256, size } = content;
    await noteCounted(username);
    await add(username, content, new Date().toISOString());
    // Another process may still refuse its file of the same content for lack of room: this request asks for room itself.
    if ((await core.store.get(username, CONTENTS, sha256))?.since === null) return;
    try {
      await requireRoom(core, username, size, size);
    } catch (error) {
      await release(username, content);
      throw error;
    }
  };

  return {
    async size(username) {
      await ready(username);
      const before = new Date(Date.now() - STALE_MS).toISOString();
      const lost = await core.store.find(username, CONTENTS, { where: { since: { lt: before } } });
      for (const { id, size } of lost) {
        if (await isHeld(username, id)) await core.store.update(username, CONTENTS, id, { since: null });
        else await release(username, { sha256: id, size: Number(size) });
      }
      return core.store.size(username, CONTENTS);
    },
    async claim(username, content) {
      await ready(username);
      return claims.run(username, () => claimOne(username, content));
    },
    async confirm(username, content) {
      // The last file of it may have been removed since.
      if (!(await core.store.update(username, CONTENTS, content.sha256, { since: null })))
        await add(username, content, null);
    },
    release,
  };
}
