/**
 * The default of `file`: bytes in `UPLOAD_DIR` under their sha256, who has them in `core.store`. A crash in the middle may
 * leave bytes that nobody has, never a file without its bytes. An ephemeral server keeps them in a temporary folder that
 * goes with the process (kill -9 aside).
 */

import { join } from "node:path";
import { requireRoom } from "../../basics/allowed";
import { AppError } from "../../basics/errors";
import { FILE_MAX_BYTES } from "../../basics/limits";
import { fromRecord } from "../../basics/names";
import { onceDone } from "../../basics/once";
import { createQueues } from "../../basics/queues";
import { addIfAbsent } from "../../basics/records";
import { MIB } from "../../basics/size";
import type { Core, FileInfo, FileProtocol, NewFile, StoreRecord } from "../../protocols";
import {
  bytesFrom,
  bytesInFolder,
  declareBytes,
  type FileBytes,
  folderOfThisProcess,
  keep,
  type Received,
  type RemoteBytes,
  receive,
  release,
} from "./bytes";
import { createFileTexts, type FileTexts } from "./text";

const PAGE_SIZE = 50;
const FILES = "files";
const CONTENTS = "file_contents";

export function createFile(core: Core): FileProtocol {
  return filesOn(core, () => bytesHere(core));
}

/**
 * The `file` of a plugin that keeps the bytes elsewhere, such as in a database or an object storage; whose they are stays in `core.store`.
 *
 * @example
 * ```ts
 * const bucket = new Bun.S3Client({ bucket: "skeleton" });
 * const file = filesIn(core, {
 *   write: async (place, data) => void (await bucket.write(place, data)),
 *   has: (place) => bucket.exists(place),
 *   read: async (place) => ((await bucket.exists(place)) ? bucket.file(place).stream() : null),
 *   remove: (place) => bucket.delete(place),
 * });
 * ```
 */
export function filesIn(core: Core, remote: RemoteBytes): FileProtocol {
  return filesOn(core, async () => bytesFrom(remote));
}

function filesOn(core: Core, makeBytes: () => Promise<FileBytes>): FileProtocol {
  const declared = onceDone(() => declareFiles(core));
  const ready = onceDone(async () => {
    await declared();
    await declareBytes(core);
    return makeBytes();
  });
  // Apart from the folder: a plugin that keeps files elsewhere still has them read here.
  const texts = onceDone((): Promise<FileTexts> => createFileTexts(core));
  const contents = createContents(core);

  const add = async (username: string, bytes: FileBytes, received: Received, file: NewFile): Promise<FileInfo> => {
    const { sha256, size } = received;
    try {
      const place = await keep(core, bytes, received);
      const info = { name: cleanName(file.name), type: cleanType(file.type), size, sha256 };
      const created = new Date().toISOString();
      const id = await core.store.add(username, FILES, { ...info, created, place });
      await contents.confirm(username, received);
      return { id, ...info, created };
    } catch (error) {
      // When that fails too, it is found out and released later.
      await contents.release(username, received).catch(() => {});
      throw error;
    }
  };

  return {
    async put(username, file) {
      if (file.data.size > FILE_MAX_BYTES) {
        const most = FILE_MAX_BYTES / MIB;
        const sentence = `A file may have at most ${most} MiB.`;
        throw new AppError("tooLarge", sentence, { reason: "fileTooLarge", figures: [most] });
      }
      const bytes = await ready();
      const received = await receive(file.data);
      await contents.claim(username, received);
      return add(username, bytes, received, file);
    },

    async list(username, { limit = PAGE_SIZE, before, ids } = {}) {
      await declared();
      const id = ids ? { in: ids } : before !== undefined ? { lt: before } : null;
      const query = { orderBy: "id", descending: true, ...(!ids && { limit }), ...(id && { where: { id } }) };
      return (await core.store.find(username, FILES, query)).map(infoOf);
    },

    async size(username) {
      await declared();
      return contents.size(username);
    },

    async get(username, id) {
      await declared();
      const record = await core.store.get(username, FILES, id);
      return record && infoOf(record);
    },

    async open(username, id) {
      const bytes = await ready();
      const record = await core.store.get(username, FILES, id);
      if (!record) return null;
      const data = await bytes.open(String(record.place), String(record.type));
      if (data) return data;
      core.log.warn("The bytes of a file are missing at their place", { file: id, place: String(record.place) });
      return null;
    },

    async text(username, id) {
      const [info, data] = await Promise.all([core.file.get(username, id), core.file.open(username, id)]);
      if (!info || !data) return null;
      const { read, forget } = await texts();
      const found = await read(username, info, data);
      // Its content may have gone while it was read.
      if (!(await core.file.get(username, id))) await forget(info.sha256);
      return found;
    },

    async remove(username, id) {
      const bytes = await ready();
      const record = await core.store.get(username, FILES, id);
      // Of two who remove at once, the one whose delete succeeds gives the bytes back.
      if (!record || !(await core.store.delete(username, FILES, id))) return false;
      const sha256 = String(record.sha256);
      await contents.release(username, { sha256, size: Number(record.size) });
      if (await release(core, bytes, sha256)) await (await texts()).forget(sha256);
      return true;
    },
  };
}

function infoOf({ place: _, ...record }: StoreRecord): FileInfo {
  return fromRecord<FileInfo>(record);
}

async function declareFiles(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists(FILES, {
    name: "str",
    type: "str",
    size: "int",
    sha256: { type: "str", index: true },
    created: "str",
    place: "str",
  });
  await core.store.createStoreIfNotExists(CONTENTS, {
    size: { type: "int", sized: true },
    /** Since when a file of it is on its way; null = there is one. */
    since: { type: "str", index: true },
  });
}

function bytesHere({ config: { mode, uploadDir, ephemeralFolder } }: Core): Promise<FileBytes> {
  if (mode !== "ephemeral") return bytesInFolder(uploadDir);
  return bytesInFolder(ephemeralFolder === null ? folderOfThisProcess() : join(ephemeralFolder, "uploads"));
}

const MAX_NAME = 255; // Characters; what file systems take.
const CLAIM_MAX = 1000; // Characters of a claimed name that are looked at: its end, which says what the file is.

/** What a sender calls a file, made fit to be shown: the last part of a path, without what could change how the rest of a line reads. */
export function cleanName(claimed: string): string {
  const last = claimed.slice(-CLAIM_MAX).toWellFormed().split(/[\\/]/).at(-1) ?? "";
  const visible = last.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, "").trim();
  const name = Array.from(visible).slice(0, MAX_NAME).join("").trim();
  return /^\.*$/.test(name) ? "file" : name;
}

/** A type that is none is that of bytes. */
export function cleanType(claimed: string): string {
  const type = claimed.split(";")[0]?.trim().toLowerCase() ?? "";
  return /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/.test(type)
    ? type
    : "application/octet-stream";
}

const STALE_MS = 10 * 60_000; // A file follows its record within moments; a record that is alone for longer was left by a crash.

type Content = Pick<FileInfo, "sha256" | "size">;

/**
 * What each user has, once per content: a record by its hash, whose sizes the store sums up. The record is written before its first
 * file and removed after its last; each request looks again afterwards, so that two at once leave no file without its record, nor a record alone.
 */
function createContents(core: Core) {
  const isHeld = async (username: string, sha256: string): Promise<boolean> =>
    (await core.store.find(username, FILES, { where: { sha256 }, select: [], limit: 1 })).length > 0;

  const add = async (username: string, { sha256, size }: Content, since: string | null): Promise<void> => {
    if (await core.store.get(username, CONTENTS, sha256)) return;
    // Another request may just have added it.
    await addIfAbsent(core.store, username, CONTENTS, { size, since }, sha256);
  };

  /** After a file of it was removed, or was not added. */
  const release = async (username: string, content: Content): Promise<void> => {
    const { sha256 } = content;
    if (await isHeld(username, sha256)) return;
    await core.store.delete(username, CONTENTS, sha256);
    // The content may have come again since.
    if (await isHeld(username, sha256)) await add(username, content, null);
  };

  // Claims of a user come one after the other, or several files that have no room together would all be refused.
  const claims = createQueues();
  const claimOne = async (username: string, content: Content): Promise<void> => {
    const { sha256, size } = content;
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
    /** Of all that the user has. */
    async size(username: string): Promise<number> {
      const before = new Date(Date.now() - STALE_MS).toISOString();
      const [lost, size] = await Promise.all([
        core.store.find(username, CONTENTS, { where: { since: { lt: before } } }),
        core.store.size(username, CONTENTS),
      ]);
      if (lost.length === 0) return size;
      for (const { id, size } of lost) {
        if (await isHeld(username, id)) await core.store.update(username, CONTENTS, id, { since: null });
        else await release(username, { sha256: id, size: Number(size) });
      }
      return core.store.size(username, CONTENTS);
    },
    /** Before a file of this content is added: counts it. Throws AppError("tooLarge") when the user's quota has no room for it. */
    claim: (username: string, content: Content): Promise<void> =>
      claims.run(username, () => claimOne(username, content)),
    /** After a file of it was added. */
    async confirm(username: string, content: Content): Promise<void> {
      // The last file of it may have been removed since.
      if (!(await core.store.update(username, CONTENTS, content.sha256, { since: null })))
        await add(username, content, null);
    },
    release,
  };
}
