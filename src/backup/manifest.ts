/**
 * What is in a backup: a folder with the database, the owner's files and the uploads, and a manifest that names each with its size
 * and SHA-256. The manifest is written last, so a folder without one is no whole backup. And how its files are copied, a piece at a
 * time, found and measured.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, realpath, rename, stat, statfs } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { version } from "../../package.json";
import { messageOf } from "../basics/errors";
import { ifMissing, writeDurably } from "../basics/files";
import type { Config } from "../protocols";

export const DATABASE = "skeleton.db";
export const UPLOADS = "uploads/";
const MANIFEST = "manifest.json";
const FORMAT = 1; // Raised when a version could no longer be restored by the ones before it.

const EntryShape = Type.Object({
  /** In the folder, with forward slashes. */
  path: Type.String(),
  size: Type.Integer(),
  sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});
const ManifestShape = Type.Object({
  format: Type.Integer(),
  /** Of the Skeleton that wrote it. */
  version: Type.String(),
  /** ISO 8601. */
  created: Type.String(),
  files: Type.Array(EntryShape),
});

export type ManifestEntry = Readonly<Static<typeof EntryShape>>;
export type Manifest = Readonly<Static<typeof ManifestShape>>;

/** The files of the owner by their names in a backup, and where the server has them. */
export function ownersFiles({ dataPath, usersFile, jwtSecretFile }: Config): ReadonlyMap<string, string> {
  return new Map([
    ["users.yaml", usersFile],
    ["jwt.secret", jwtSecretFile],
    ...["models.yaml", "system_prompts.yaml", "plugins.yaml"].map((name) => [name, join(dataPath, name)] as const),
  ]);
}

export async function writeManifest(folder: string, files: readonly ManifestEntry[]): Promise<void> {
  const manifest: Manifest = { format: FORMAT, version, created: new Date().toISOString(), files: [...files] };
  const part = join(folder, `${MANIFEST}.part`);
  await writeDurably(part, `${JSON.stringify(manifest, null, 1)}\n`);
  await rename(part, join(folder, MANIFEST));
}

/** Throws an Error for the owner when there is none, or one that this version cannot restore. */
export async function readManifest(folder: string, names: Iterable<string>): Promise<Manifest> {
  const path = join(folder, MANIFEST);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new Error(`${folder} is no whole backup: ${messageOf(error)}. One that was interrupted has no manifest.`);
  });
  const manifest = parse(path, text);
  if (manifest.format > FORMAT || isNewer(manifest.version, version)) {
    throw new Error(
      `The backup was made by Skeleton ${manifest.version}, and this is ${version}. Restore it with that version or a newer one.`,
    );
  }
  const allowed = new Set([DATABASE, ...names]);
  const paths = new Set(manifest.files.map((entry) => entry.path));
  const wrong = manifest.files.find((entry) => !allowed.has(entry.path) && !isUpload(entry.path));
  if (wrong) throw new Error(`${path} names ${JSON.stringify(wrong.path)}, which is no part of a backup.`);
  if (paths.size < manifest.files.length) throw new Error(`${path} names a file twice.`);
  if (!paths.has(DATABASE)) throw new Error(`${path} names no database.`);
  return manifest;
}

/** What is wrong with the file of the entry, or null. */
export async function problemWith(folder: string, { path, size, sha256 }: ManifestEntry): Promise<string | null> {
  const file = join(folder, path);
  const found = await lstat(file).catch(() => null);
  if (!found?.isFile()) return `${path} is missing`;
  if (found.size !== size) return `${path} has ${found.size} bytes and not ${size}`;
  return (await sha256Of(file)) === sha256 ? null : `${path} was changed: its SHA-256 is another one`;
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const bytes of createReadStream(path)) hash.update(bytes);
  return hash.digest("hex");
}

function parse(path: string, text: string): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${messageOf(error)}`);
  }
  if (Value.Check(ManifestShape, manifest)) return manifest;
  throw new Error(`${path} is not the manifest of a backup.`);
}

/** Whether it stays in the folder of uploads, whoever wrote the manifest. */
function isUpload(path: string): boolean {
  const parts = path.slice(UPLOADS.length).split("/");
  const isPlain = !/[\\\0]/.test(path) && !parts[0]?.startsWith(".");
  return path.startsWith(UPLOADS) && isPlain && parts.every((part) => !["", ".", ".."].includes(part));
}

/** By three numbers; what cannot be compared is taken as newer. */
function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => text.split(".").map((part) => Number.parseInt(part, 10)));
  for (let n = 0; n < 3; n++) {
    const [left = Number.NaN, right = Number.NaN] = [a?.[n], b?.[n]];
    if (left !== right) return !(left < right);
  }
  return false;
}

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
  const from = await open(source, "r").catch(ifMissing(null));
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
    const entries = (await readdir(join(uploadDir, folder), { withFileTypes: true }).catch(ifMissing(null))) ?? [];
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
export async function requireDiskRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(await nearest(folder));
  const [needed, room] = [bytes + MARGIN_BYTES, bavail * bsize];
  if (room < needed) throw new Error(`${folder} needs ${megabytes(needed)} and has room for ${megabytes(room)}.`);
}

/** The folder itself, or the first one above it that is there. */
async function nearest(folder: string): Promise<string> {
  return (await realpath(folder).catch(ifMissing(null))) ?? nearest(dirname(folder));
}

/** 0 when there is no such file. */
export async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(ifMissing(null)))?.size ?? 0;
}

export function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
