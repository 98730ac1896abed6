/**
 * The bytes of files. They have a record of the server's with the number of their users, changed by compare-and-set, and
 * each time they come anew they get a path of their own: so a removal can never take what another process has just put.
 */

import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codeOf } from "../../basics/errors";
import type { Core, StoreRecord } from "../../protocols";

const BYTES = "file_bytes";
const STEP_BYTES = 256 * 1024; // Hashed in well under a millisecond, so that streams go on during an upload.
const STALE_MS = 60 * 60 * 1000; // No upload takes an hour: what lies in `incoming` longer was left by a crash.

/** Makes the folder and the store ready. */
export async function prepareBytes(core: Core, folder: string): Promise<void> {
  await mkdir(join(folder, "incoming"), { recursive: true, mode: 0o700 });
  await core.store.createStoreIfNotExists(BYTES, { users: "int", place: "str" });
  await removeStale(join(folder, "incoming"));
}

async function removeStale(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    // Its upload may have ended, or another process may have removed it, since the folder was read.
    const found = await stat(path).catch(() => null);
    if (found && Date.now() - found.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}

export interface Received {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

/** Writes the bytes to a temporary file, a step in memory at a time. */
export async function receive(folder: string, data: Blob): Promise<Received> {
  const path = join(folder, "incoming", crypto.randomUUID());
  const hash = new Bun.CryptoHasher("sha256");
  const handle = await open(path, "wx", 0o600);
  try {
    for (let at = 0; at < data.size; at += STEP_BYTES) {
      const step = new Uint8Array(await data.slice(at, at + STEP_BYTES).arrayBuffer());
      hash.update(step);
      await handle.writeFile(step);
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return { path, sha256: hash.digest("hex"), size: data.size };
}

/** Makes one more user of these bytes, which are kept now if they were not yet, and returns their place in the folder. */
export async function keep(core: Core, folder: string, { path, sha256 }: Received): Promise<string> {
  for (;;) {
    const kept = await core.store.get(null, BYTES, sha256);
    if (kept) {
      const place = String(kept.place);
      if (!(await changeUsers(core, kept, 1))) continue;
      // The owner of the server may have emptied the folder; these are the same bytes, so they may take the place.
      if (!(await Bun.file(join(folder, place)).exists())) await moveTo(join(folder, place), path);
      return place;
    }
    const place = join(sha256.slice(0, 2), sha256.slice(2, 4), `${sha256}-${crypto.randomUUID()}`);
    await moveTo(join(folder, place), path);
    try {
      await core.store.add(null, BYTES, { users: 1, place }, sha256);
      return place;
    } catch (error) {
      // Someone else has just put the same bytes: ours go back to be thrown away, and we become a user of theirs.
      await moveTo(path, join(folder, place));
      if (codeOf(error) !== "conflict") throw error;
    }
  }
}

/** Takes one user from these bytes, which go with the last one. True when they are gone. */
export async function release(core: Core, folder: string, sha256: string): Promise<boolean> {
  for (;;) {
    const kept = await core.store.get(null, BYTES, sha256);
    if (!kept) return false;
    const { users, place } = kept;
    if (Number(users) > 1) {
      if (await changeUsers(core, kept, -1)) return false;
    } else if (await core.store.delete(null, BYTES, sha256, { users: Number(users), place: String(place) })) {
      await rm(join(folder, String(place)), { force: true });
      return true;
    }
  }
}

/** False when someone else changed the record since it was read. */
function changeUsers(core: Core, kept: StoreRecord, by: number): Promise<boolean> {
  const users = Number(kept.users);
  return core.store.update(null, BYTES, kept.id, { users: users + by }, { users, place: String(kept.place) });
}

async function moveTo(target: string, path: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await rename(path, target);
}
