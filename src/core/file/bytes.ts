/**
 * The bytes of files. They have a record of the server's with the number of their users, changed by compare-and-set, and
 * each time they come anew they get a place of their own: so a removal can never take what another process has just put. The default keeps them
 * in a folder; plugins give another place (`filesIn`), from which a file is fetched whole when it is opened.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { codeOf } from "../../basics/errors";
import { onceDone, share } from "../../basics/once";
import { MIB } from "../../basics/size";
import type { Core, StoreRecord } from "../../protocols";

const BYTES = "file_bytes";
const STEP_BYTES = 256 * 1024; // Hashed, or decoded, in well under a millisecond, so that streams go on meanwhile.
const STALE_MS = 60 * 60 * 1000; // No upload takes an hour: what lies in `incoming` longer was left by a crash.

/** Where bytes lie, by a path of letters, digits, `-` and `/` that is never given twice. */
export interface FileBytes {
  /** All or nothing, in pieces where they go far. */
  write(place: string, data: Blob): Promise<void>;
  has(place: string): Promise<boolean>;
  /** Null = they are not there. */
  open(place: string, type: string): Promise<Blob | null>;
  /** Nothing happens when they are not there. */
  remove(place: string): Promise<void>;
}

/** A place for bytes that is not of this machine. */
export interface RemoteBytes extends Omit<FileBytes, "open"> {
  /** In order, in pieces; null = they are not there. */
  read(place: string): Promise<AsyncIterable<Uint8Array> | null>;
}

export async function declareBytes(core: Core): Promise<void> {
  await core.store.createStoreIfNotExists(BYTES, { users: "int", place: "str" });
}

/** The default: in a folder, which is made when it is not there. */
export async function bytesInFolder(folder: string): Promise<FileBytes> {
  const incoming = join(folder, "incoming");
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  await removeStale(incoming);
  return {
    write: (place, data) => writeWhole(join(folder, place), join(incoming, crypto.randomUUID()), stepsOf(data)),
    has: (place) => Bun.file(join(folder, place)).exists(),
    async open(place, type) {
      const bytes = Bun.file(join(folder, place), { type });
      return (await bytes.exists()) ? bytes : null;
    },
    remove: (place) => rm(join(folder, place), { force: true }),
  };
}

const CACHE_BYTES = 1024 * MIB;
const IN_USE_MS = 10 * 60_000; // A response may still be reading what was opened so long ago.

/** A file that is opened is fetched into a temporary folder, where it stays for a while: bytes at a place never change. */
export function bytesFrom(remote: RemoteBytes): FileBytes {
  const folder = onceDone(async () => folderOfThisProcess());
  const fetching = new Map<string, Promise<boolean>>();
  const fetchTo = async (path: string, place: string): Promise<boolean> => {
    const pieces = await remote.read(place);
    if (pieces) await writeWhole(path, `${path}.part`, pieces);
    await removeUnused(await folder());
    return pieces !== null;
  };
  return {
    write: remote.write,
    has: remote.has,
    remove: remote.remove,
    async open(place, type) {
      const path = join(await folder(), place.replaceAll("/", "-"));
      const now = new Date();
      const isHere = await utimes(path, now, now).then(
        () => true,
        () => share(fetching, place, () => fetchTo(path, place)),
      );
      return isHere ? Bun.file(path, { type }) : null;
    },
  };
}

async function removeUnused(folder: string): Promise<void> {
  const paths = (await readdir(folder)).map((name) => join(folder, name));
  const found = await Promise.all(paths.map(async (path) => ({ path, ...(await sizeAndTime(path)) })));
  let bytes = found.reduce((sum, { size }) => sum + size, 0);
  for (const { path, size, usedMs } of found.sort((a, b) => a.usedMs - b.usedMs)) {
    if (bytes <= CACHE_BYTES || Date.now() - usedMs < IN_USE_MS) return;
    await rm(path, { force: true });
    bytes -= size;
  }
}

async function sizeAndTime(path: string): Promise<{ size: number; usedMs: number }> {
  // Another call may have removed it.
  const found = await stat(path).catch(() => null);
  return { size: found?.size ?? 0, usedMs: found?.mtimeMs ?? 0 };
}

/** The folder goes with the process, kill -9 aside. */
export function folderOfThisProcess(): string {
  const folder = mkdtempSync(join(tmpdir(), "skeleton-files-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function removeStale(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    // Its upload may have ended, or another process may have removed it, since the folder was read.
    const found = await stat(path).catch(() => null);
    if (found && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}

/** By way of another file, so that half of it is never at its place. */
async function writeWhole(path: string, part: string, steps: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    const handle = await open(part, "wx", 0o600);
    try {
      for await (const step of steps) await handle.writeFile(step);
    } finally {
      await handle.close();
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** A step in memory at a time. */
export async function* stepsOf(data: Blob): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.size; at += STEP_BYTES)
    yield new Uint8Array(await data.slice(at, at + STEP_BYTES).arrayBuffer());
}

export interface Received {
  readonly data: Blob;
  readonly sha256: string;
  readonly size: number;
}

export async function receive(data: Blob): Promise<Received> {
  const hash = new Bun.CryptoHasher("sha256");
  for await (const step of stepsOf(data)) hash.update(step);
  return { data, sha256: hash.digest("hex"), size: data.size };
}

/** Makes one more user of these bytes, which are kept now if they were not yet, and returns their place. */
export async function keep(core: Core, bytes: FileBytes, { data, sha256 }: Received): Promise<string> {
  for (;;) {
    const kept = await core.store.get(null, BYTES, sha256);
    if (kept) {
      const place = String(kept.place);
      if (!(await changeUsers(core, kept, 1))) continue;
      // The owner of the server may have emptied the folder; these are the same bytes, so they may take the place.
      if (!(await bytes.has(place))) await bytes.write(place, data);
      return place;
    }
    const place = `${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}-${crypto.randomUUID()}`;
    await bytes.write(place, data);
    try {
      await core.store.add(null, BYTES, { users: 1, place }, sha256);
      return place;
    } catch (error) {
      await bytes.remove(place);
      // Someone else has just put the same bytes, and we become a user of theirs.
      if (codeOf(error) !== "conflict") throw error;
    }
  }
}

/** Takes one user from these bytes, which go with the last one. True when they are gone. */
export async function release(core: Core, bytes: FileBytes, sha256: string): Promise<boolean> {
  for (;;) {
    const kept = await core.store.get(null, BYTES, sha256);
    if (!kept) return false;
    const { users, place } = kept;
    if (Number(users) > 1) {
      if (await changeUsers(core, kept, -1)) return false;
    } else if (await core.store.delete(null, BYTES, sha256, { users: Number(users), place: String(place) })) {
      await bytes.remove(String(place));
      return true;
    }
  }
}

/** False when someone else changed the record since it was read. */
function changeUsers(core: Core, kept: StoreRecord, by: number): Promise<boolean> {
  const users = Number(kept.users);
  return core.store.update(null, BYTES, kept.id, { users: users + by }, { users, place: String(kept.place) });
}
