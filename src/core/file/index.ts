/**
 * The default of `file`: bytes in `UPLOAD_DIR` under their sha256, who has them in `core.store`. A crash in the middle may
 * leave bytes that nobody has, never a file without its bytes. An ephemeral server keeps them in a temporary folder that
 * goes with the process (kill -9 aside).
 */

import { mkdtempSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../basics/errors";
import type { Core, FileInfo, FileProtocol, NewFile, StoreRecord } from "../../protocols";
import { keep, prepareBytes, type Received, receive, release } from "./bytes";
import { cleanName, cleanType } from "./claims";
import { createContents, declareContents, FILES } from "./contents";
import { createFileTexts, type FileTexts } from "./text";

const PAGE_SIZE = 50;
const MAX_BYTES = 50 * 1024 * 1024; // The protocol's limit.

export function createFile(core: Core): FileProtocol {
  /** The folder of the bytes. */
  const root = onceDone(() => start(core));
  // Apart from the folder: a plugin that keeps files elsewhere still has them read here.
  const texts = onceDone((): Promise<FileTexts> => createFileTexts(core));
  const contents = createContents(core);

  const add = async (username: string, folder: string, received: Received, file: NewFile): Promise<FileInfo> => {
    const { sha256, size } = received;
    try {
      const place = await keep(core, folder, received);
      const info = { name: cleanName(file.name), type: cleanType(file.type), size, sha256, created: now() };
      const id = await core.store.add(username, FILES, { ...info, place });
      await contents.confirm(username, received);
      return { id, ...info };
    } catch (error) {
      // When that fails too, it is found out and released later.
      await contents.release(username, received).catch(() => {});
      throw error;
    }
  };

  return {
    async put(username, file) {
      if (file.data.size > MAX_BYTES) {
        throw new AppError("tooLarge", `A file may have at most ${MAX_BYTES / 1024 / 1024} MiB.`, {
          reason: "fileTooLarge",
        });
      }
      const folder = await root();
      const received = await receive(folder, file.data);
      try {
        await contents.claim(username, received);
        return await add(username, folder, received, file);
      } finally {
        await rm(received.path, { force: true });
      }
    },

    async list(username, { limit = PAGE_SIZE, before, ids } = {}) {
      await root();
      const id = ids ? { in: ids } : before !== undefined ? { lt: before } : null;
      const query = { orderBy: "id", descending: true, ...(!ids && { limit }), ...(id && { where: { id } }) };
      return (await core.store.find(username, FILES, query)).map(infoOf);
    },

    async size(username) {
      await root();
      return contents.size(username);
    },

    async get(username, id) {
      await root();
      const record = await core.store.get(username, FILES, id);
      return record && infoOf(record);
    },

    async open(username, id) {
      const folder = await root();
      const record = await core.store.get(username, FILES, id);
      if (!record) return null;
      const bytes = Bun.file(join(folder, String(record.place)), { type: String(record.type) });
      if (await bytes.exists()) return bytes;
      core.log.warn("The bytes of a file are missing in the upload folder", { file: id, place: String(record.place) });
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
      const folder = await root();
      const record = await core.store.get(username, FILES, id);
      // Of two who remove at once, the one whose delete succeeds gives the bytes back.
      if (!record || !(await core.store.delete(username, FILES, id))) return false;
      const sha256 = String(record.sha256);
      await contents.release(username, { sha256, size: Number(record.size) });
      if (await release(core, folder, sha256)) await (await texts()).forget(sha256);
      return true;
    },
  };
}

/** A failure, such as a folder without the right to write, may be over the next time. */
function onceDone<Result>(job: () => Promise<Result>): () => Promise<Result> {
  let done: Promise<Result> | null = null;
  return () => {
    done ??= job().catch((error: unknown) => {
      done = null;
      throw error;
    });
    return done;
  };
}

function now(): string {
  return new Date().toISOString();
}

function infoOf({ id, name, type, size, sha256, created }: StoreRecord): FileInfo {
  return {
    id,
    name: String(name),
    type: String(type),
    size: Number(size),
    sha256: String(sha256),
    created: String(created),
  };
}

async function start(core: Core): Promise<string> {
  const { mode, uploadDir } = core.config;
  const folder = mode === "ephemeral" ? folderOfThisProcess() : uploadDir;
  await core.store.createStoreIfNotExists(FILES, {
    name: "str",
    type: "str",
    size: "int",
    sha256: { type: "str", index: true },
    created: "str",
    place: "str",
  });
  await declareContents(core);
  await prepareBytes(core, folder);
  return folder;
}

function folderOfThisProcess(): string {
  const folder = mkdtempSync(join(tmpdir(), "skeleton-files-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
