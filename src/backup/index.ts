/**
 * The commands `backup` and `restore`: what they are given, and what they say; and how a backup is made, of everything that a server
 * needs to go on elsewhere. They throw an Error for the owner when it cannot be done.
 */

import { existsSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ownData, shareData } from "../data-lock";
import type { Config } from "../protocols";
import { copyDatabase, isOpenElsewhere, problemWithDatabase, uploadsNamedIn } from "./database";
import {
  copyFile,
  DATABASE,
  isBelow,
  type ManifestEntry,
  megabytes,
  ownersFiles,
  requireDiskRoom,
  requireFolders,
  sha256Of,
  sizeOf,
  UPLOADS,
  uploadsIn,
  writeManifest,
} from "./manifest";
import { restoreBackup } from "./restore";

type Print = (line: string) => void;

/** The exit code: 0 = done, 2 = the command was not understood. */
export async function runBackup(args: readonly string[], config: Config, print: Print): Promise<number> {
  const folder = folderOf("backup", args, print);
  if (folder === null) return 2;
  const report = await writeBackup(config, folder);
  print(`Backed up to ${report.folder}: ${contentOf(report.files)}.`);
  for (const line of missingLines(report)) print(line);
  print(`Not in it: the environment and .env, plugins in ${config.pluginsPath}, and what plugins keep elsewhere.`);
  print("It holds everybody's chats and the secret of their sessions: keep it as private as the server's own data.");
  return 0;
}

/** The exit code: 0 = done, 2 = the command was not understood. */
export async function runRestore(args: readonly string[], config: Config, print: Print): Promise<number> {
  const folder = folderOf("restore", args, print);
  if (folder === null) return 2;
  const { manifest, aside } = await restoreBackup(config, folder);
  print(`Restored the backup of ${manifest.created} to ${config.dataPath}: ${contentOf(manifest.files)}.`);
  if (aside.length > 0) print(`What was there is in ${aside.join(" and ")}. Remove it when you no longer need it.`);
  return 0;
}

function folderOf(command: string, args: readonly string[], print: Print): string | null {
  const [folder] = args;
  if (folder && args.length === 1 && !folder.startsWith("-")) return folder;
  print(`Usage: skeleton ${command} FOLDER`);
  return null;
}

function contentOf(files: readonly ManifestEntry[]): string {
  const uploads = files.filter(({ path }) => path.startsWith(UPLOADS));
  const sizeOf = (entries: readonly ManifestEntry[]) => megabytes(entries.reduce((bytes, { size }) => bytes + size, 0));
  const database = files.filter(({ path }) => path === DATABASE);
  const owners = files.filter(({ path }) => path !== DATABASE && !path.startsWith(UPLOADS));
  return [
    `the database (${sizeOf(database)})`,
    `${uploads.length} uploads (${sizeOf(uploads)})`,
    ...owners.map(({ path }) => path),
  ].join(", ");
}

const TOLD = 5; // Enough to look for a cause.

function missingLines({ missing }: BackupReport): string[] {
  if (missing.length === 0) return [];
  const told = missing.slice(0, TOLD).join(", ");
  return [
    `Not in it, as UPLOAD_DIR has not got them: ${missing.length} uploads that the database names, such as ${told}.`,
  ];
}

interface BackupReport {
  readonly folder: string;
  readonly files: readonly ManifestEntry[];
  /** Uploads that the database names and that are not there to be copied. */
  readonly missing: readonly string[];
}

/**
 * Copies while the server runs. Uploads come first, because they take long, then the database in one moment, then the uploads that came
 * between: so each file that the copy of the database names is in the backup, also one whose user removed it a moment later.
 * Throws an Error for the owner; then nothing is left in the folder.
 */
export async function writeBackup(config: Config, given: string): Promise<BackupReport> {
  const folder = resolve(given);
  const database = join(config.dataPath, DATABASE);
  requireFolders(config);
  if (!existsSync(database)) {
    throw new Error(`There is no ${database}. Is DATA_PATH right? What a plugin keeps elsewhere is backed up there.`);
  }
  requireInUse(config.dataPath, database);
  const lock = shareData(config.dataPath);
  try {
    await requireDiskRoom(folder, await sizeOfAll(config, database));
    const isOurs = await makeEmpty(folder, config);
    try {
      return await fill(config, folder, database);
    } catch (error) {
      for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
      if (isOurs) await rm(folder, { recursive: true, force: true });
      throw error;
    }
  } finally {
    lock.release();
  }
}

/** A copy of what nobody uses any more would pass for a backup. */
function requireInUse(dataPath: string, database: string): void {
  const alone = ownData(dataPath);
  alone?.release();
  if (alone || isOpenElsewhere(database)) return;
  throw new Error(
    `A server uses ${dataPath} and has not opened ${database}: a plugin keeps its data elsewhere, and there it is backed up. ` +
      "Or another backup is at work; then wait for it.",
  );
}

async function sizeOfAll({ uploadDir }: Config, database: string): Promise<number> {
  let bytes = (await sizeOf(database)) + (await sizeOf(`${database}-wal`));
  for await (const name of uploadsIn(uploadDir)) bytes += await sizeOf(join(uploadDir, name));
  return bytes;
}

/** True when the folder was made. */
async function makeEmpty(folder: string, { uploadDir }: Config): Promise<boolean> {
  if (isBelow(folder, uploadDir)) throw new Error(`${folder} is among the uploads themselves.`);
  const there = await stat(folder).catch(() => null);
  if (there && !there.isDirectory()) throw new Error(`${folder} is a file. Name a folder that is new or empty.`);
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readdir(folder)).length > 0)
    throw new Error(`${folder} is not empty. Name a folder that is new or empty.`);
  return made !== undefined;
}

async function fill(config: Config, folder: string, database: string): Promise<BackupReport> {
  const uploads = new Map<string, ManifestEntry>();
  await copyUploads(config, folder, uploads, uploadsIn(config.uploadDir));
  copyDatabase(database, join(folder, DATABASE));
  const named = uploadsNamedIn(join(folder, DATABASE));
  await copyUploads(config, folder, uploads, named);
  await dropRemoved(config, folder, uploads, named);
  const problem = problemWithDatabase(join(folder, DATABASE));
  if (problem !== null) throw new Error(`The database is damaged, so a copy of it is no backup: ${problem}.`);
  const owners = await copyOwnersFiles(config, folder);
  const files = [await databaseEntry(folder), ...owners, ...uploads.values()];
  await writeManifest(folder, files);
  const missing = [...named].filter((place) => !uploads.has(UPLOADS + place));
  return { folder, files, missing };
}

/** Copies the files that the backup does not have yet. Bytes under a name never change. */
async function copyUploads(
  { uploadDir }: Config,
  folder: string,
  done: Map<string, ManifestEntry>,
  names: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  for await (const name of names) {
    const path = UPLOADS + name;
    if (done.has(path)) continue;
    const copied = await copyFile(join(uploadDir, name), join(folder, path));
    if (copied) done.set(path, { path, ...copied });
  }
}

/** Takes out uploads that their user removed before the database was copied: they are nobody's any more. */
async function dropRemoved(
  { uploadDir }: Config,
  folder: string,
  uploads: Map<string, ManifestEntry>,
  named: ReadonlySet<string>,
): Promise<void> {
  for (const path of [...uploads.keys()]) {
    const place = path.slice(UPLOADS.length);
    if (named.has(place) || existsSync(join(uploadDir, place))) continue;
    await rm(join(folder, path));
    uploads.delete(path);
  }
}

async function copyOwnersFiles(config: Config, folder: string): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  for (const [path, source] of ownersFiles(config)) {
    const copied = await copyFile(source, join(folder, path));
    if (copied) entries.push({ path, ...copied });
  }
  return entries;
}

async function databaseEntry(folder: string): Promise<ManifestEntry> {
  const file = join(folder, DATABASE);
  return { path: DATABASE, size: (await stat(file)).size, sha256: await sha256Of(file) };
}
