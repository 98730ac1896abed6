/** Files as backup and restore need them: copied and hashed a piece at a time, found below a folder, and measured against a disk. */

import { createHash } from "node:crypto";
import { mkdir, open, readdir, realpath, stat, statfs } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { Config } from "../protocols";

/** Throws an Error for the owner when this server keeps nothing, or its uploads cannot be told from its other files. */
export function requireFolders({ mode, dataPath, uploadDir }: Config): void {
  if (mode === "ephemeral") throw new Error("An ephemeral server keeps nothing that could be backed up or restored.");
  if (!isBelow(dataPath, uploadDir)) return;
  throw new Error(`DATA_PATH ${dataPath} is in UPLOAD_DIR ${uploadDir}; uploads need a folder of their own.`);
}

/** Or the same. */
export function isBelow(path: string, folder: string): boolean {
  return `${path}${sep}`.startsWith(`${folder}${sep}`);
}

/** Makes `target`, for its owner alone, and resolves when it is on the disk. Null when there is no such file. */
export async function copyFile(source: string, target: string): Promise<{ size: number; sha256: string } | null> {
  const from = await open(source, "r").catch(ifMissing);
  if (!from) return null;
  const hash = createHash("sha256");
  let size = 0;
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const to = await open(target, "wx", 0o600);
    try {
      for await (const bytes of from.createReadStream({ autoClose: false })) {
        hash.update(bytes);
        await to.writeFile(bytes);
        size += bytes.length;
      }
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
  return { size, sha256: hash.digest("hex") };
}

/** Paths of the uploads, without uploads that are not complete and what restores have put aside. */
export async function* uploadsIn(uploadDir: string): AsyncGenerator<string> {
  const waiting = [""];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const entries = (await readdir(join(uploadDir, folder), { withFileTypes: true }).catch(ifMissing)) ?? [];
    for (const entry of entries) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (path === "incoming" || path.startsWith(".")) continue;
      if (entry.isDirectory()) waiting.push(path);
      else if (entry.isFile()) yield path;
    }
  }
}

const MARGIN_BYTES = 8 * 1024 * 1024; // For the owner's files, and what comes while the rest is copied.

/** Throws an Error for the owner, before hours are spent on what cannot end well. */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(await nearest(folder));
  const [needed, room] = [bytes + MARGIN_BYTES, bavail * bsize];
  if (room < needed) throw new Error(`${folder} needs ${sizeText(needed)} and has room for ${sizeText(room)}.`);
}

/** The folder itself, or the first one above it that is there. */
async function nearest(folder: string): Promise<string> {
  return (await realpath(folder).catch(ifMissing)) ?? nearest(dirname(folder));
}

/** 0 when there is no such file. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(ifMissing))?.size ?? 0;
}

export function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

export function ifMissing(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
