/**
 * What is in a backup: a folder with the database, the owner's files and the uploads, and a manifest that names each with its size
 * and SHA-256. The manifest is written last, so a folder without one is no whole backup.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { version } from "../../package.json";
import { messageOf } from "../basics/errors";
import type { Config } from "../protocols";

export const DATABASE = "skeleton.db";
export const UPLOADS = "uploads/";
const MANIFEST = "manifest.json";
const FORMAT = 1; // Raised when a version could no longer be restored by the ones before it.

export interface ManifestEntry {
  /** In the folder, with forward slashes. */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: number;
  /** Of the Skeleton that wrote it. */
  readonly version: string;
  /** ISO 8601. */
  readonly created: string;
  readonly files: readonly ManifestEntry[];
}

/** The files of the owner by their names in a backup, and where the server has them. */
export function ownersFiles({ dataPath, usersFile, jwtSecretFile }: Config): ReadonlyMap<string, string> {
  return new Map([
    ["users.yaml", usersFile],
    ["jwt.secret", jwtSecretFile],
    ...["models.yaml", "system_prompts.yaml", "plugins.yaml"].map((name) => [name, join(dataPath, name)] as const),
  ]);
}

export async function writeManifest(folder: string, files: readonly ManifestEntry[]): Promise<void> {
  const manifest: Manifest = { format: FORMAT, version, created: new Date().toISOString(), files };
  const part = join(folder, `${MANIFEST}.part`);
  const file = await open(part, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(manifest, null, 1)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
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
  if (isManifest(manifest)) return manifest;
  throw new Error(`${path} is not the manifest of a backup.`);
}

function isManifest(value: unknown): value is Manifest {
  if (!isObject(value)) return false;
  const { format, version: made, created, files } = value;
  const hasHead = Number.isSafeInteger(format) && typeof made === "string" && typeof created === "string";
  return hasHead && Array.isArray(files) && files.every(isEntry);
}

function isEntry(value: unknown): value is ManifestEntry {
  if (!isObject(value)) return false;
  const { path, size, sha256 } = value;
  return typeof path === "string" && Number.isSafeInteger(size) && /^[0-9a-f]{64}$/.test(String(sha256));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
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
