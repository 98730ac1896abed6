/**
 * `skeleton restore FOLDER`: puts a backup in the place of what is there. Everything is checked, and copied to the disk where it will be,
 * before anything that is there is touched; then files change places by renaming, and what was there is kept beside.
 */

import { existsSync } from "node:fs";
import { chown, lstat, mkdir, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../basics/errors";
import { ifMissing } from "../basics/files";
import { ownData } from "../data-lock";
import type { Config } from "../protocols";
import { isOpenElsewhere, problemWithDatabase } from "./database";
import {
  copyFile,
  DATABASE,
  type Manifest,
  type ManifestEntry,
  ownersFiles,
  problemWith,
  readManifest,
  requireDiskRoom,
  requireFolders,
  sha256Of,
  UPLOADS,
} from "./manifest";

/** `aside` are the folders with what was there before. Throws an Error for the owner; then everything is as it was. */
export async function restoreBackup(config: Config, given: string) {
  requireFolders(config);
  const folder = resolve(given);
  const manifest = await readManifest(folder, ownersFiles(config).keys());
  const lock = ownData(config.dataPath);
  if (!lock) throw new Error(`A server or a backup is using ${config.dataPath}. Stop the server first.`);
  try {
    await requireSound(folder, manifest);
    const database = join(config.dataPath, DATABASE);
    if (existsSync(database) && isOpenElsewhere(database))
      throw new Error(`A program has ${database} open. Stop it first.`);
    return { manifest, aside: await exchange(config, folder, manifest) };
  } finally {
    lock.release();
  }
}

const TOLD = 10; // Of a thousand files that are wrong, a few say enough.

async function requireSound(folder: string, { files }: Manifest): Promise<void> {
  const problems: string[] = [];
  for (const entry of files) {
    const problem = await problemWith(folder, entry);
    if (problem !== null) problems.push(problem);
  }
  if (problems.length === 0) {
    const problem = problemWithDatabase(join(folder, DATABASE));
    if (problem === null) return;
    problems.push(`${DATABASE} is damaged: ${problem}`);
  }
  const more = problems.length > TOLD ? [`and ${problems.length - TOLD} more`] : [];
  const told = [...problems.slice(0, TOLD), ...more].join("\n  ");
  throw new Error(`The backup ${folder} is not as it was made, and nothing was touched:\n  ${told}`);
}

/** Returns where to find what was there. */
async function exchange(config: Config, folder: string, manifest: Manifest): Promise<string[]> {
  const owners = await changedFiles(config, manifest);
  const places = placesOf(config, [...owners.values()]);
  const aside: string[] = [];
  try {
    for (const { staging } of places) {
      // Of an earlier restore that was killed.
      await rm(staging, { recursive: true, force: true });
      const made = await mkdir(staging, { recursive: true, mode: 0o700 });
      if (made) await giveToOwner(config.dataPath, made);
    }
    await stage(config, folder, manifest.files, owners);
    for (const place of places) await mkdir(place.aside, { mode: 0o700 });
    for (const place of places) await giveToOwner(config.dataPath, place.staging, place.aside);
    await moveAll(await movesOf(config, places, [...owners.values()]));
  } finally {
    for (const place of places) {
      await rm(place.staging, { recursive: true, force: true });
      // The folder stays when there is something in it.
      await rmdir(place.aside).catch(() => aside.push(place.aside));
    }
  }
  return aside;
}

/** The owner's files that the backup has otherwise, or not. One that is as it was may be where nothing can be written, as a secret is. */
async function changedFiles(config: Config, { files }: Manifest): Promise<Map<string, string>> {
  const changed = new Map<string, string>();
  for (const [name, path] of ownersFiles(config)) {
    const entry = files.find((it) => it.path === name);
    const isThere = (await lstat(path).catch(ifMissing(null))) !== null;
    const isSame = entry !== undefined && existsSync(path) && (await sha256Of(path)) === entry.sha256;
    if ((entry || isThere) && !isSame) changed.set(name, path);
  }
  return changed;
}

const STAGING = ".restoring";

/** A folder in which files change places, always by renaming, which a file system can do in itself alone. */
interface RestorePlaces {
  readonly folder: string;
  /** Where the backup's files wait. */
  readonly staging: string;
  /** Where those go that were there. */
  readonly aside: string;
}

function placesOf(config: Config, owners: readonly string[]): RestorePlaces[] {
  const time = new Date().toISOString().replace(/[:.]/g, "-");
  const folders = new Set([config.dataPath, ...owners.map((path) => dirname(path))]);
  return [
    ...[...folders].map((folder) => ({
      folder,
      staging: join(folder, STAGING),
      aside: join(folder, `before-restore-${time}`),
    })),
    // Inside, because the folder of uploads may be a disk of its own. The server takes no notice of names with a dot.
    {
      folder: config.uploadDir,
      staging: join(config.uploadDir, STAGING),
      aside: join(config.uploadDir, `.before-restore-${time}`),
    },
  ];
}

async function stage(
  config: Config,
  folder: string,
  files: readonly ManifestEntry[],
  owners: ReadonlyMap<string, string>,
): Promise<void> {
  const sum = (entries: readonly ManifestEntry[]) => entries.reduce((bytes, { size }) => bytes + size, 0);
  const [uploads, others] = [files.filter(isUpload), files.filter((entry) => !isUpload(entry))];
  const areTogether = (await stat(config.uploadDir)).dev === (await stat(config.dataPath)).dev;
  await requireDiskRoom(config.dataPath, sum(areTogether ? files : others));
  if (!areTogether) await requireDiskRoom(config.uploadDir, sum(uploads));
  for (const entry of files) {
    const path = entry.path === DATABASE ? join(config.dataPath, DATABASE) : owners.get(entry.path);
    if (!path && !isUpload(entry)) continue;
    const target = path ? staged(path) : join(config.uploadDir, STAGING, entry.path.slice(UPLOADS.length));
    const copied = await copyFile(join(folder, entry.path), target);
    if (copied?.sha256 !== entry.sha256) throw new Error(`${entry.path} was changed while it was restored.`);
  }
}

function staged(path: string): string {
  return join(dirname(path), STAGING, basename(path));
}

function isUpload({ path }: ManifestEntry): boolean {
  return path.startsWith(UPLOADS);
}

type Move = readonly [from: string, to: string];

/** The database goes first and comes last, so that a server never takes a half restored folder for a whole one. */
async function movesOf(config: Config, places: readonly RestorePlaces[], owners: readonly string[]): Promise<Move[]> {
  const names = [DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`, `${DATABASE}-journal`];
  const replaced = [...names.map((name) => join(config.dataPath, name)), ...owners];
  const out: Move[] = [];
  const back: Move[] = [];
  for (const { folder, staging, aside } of places) {
    const there =
      folder === config.uploadDir
        ? (await readdir(folder)).filter((name) => !name.startsWith("."))
        : replaced.filter((path) => dirname(path) === folder).map((path) => basename(path));
    for (const name of there) {
      // A link whose target is gone is something that was there, too.
      const isThere = await lstat(join(folder, name)).catch(ifMissing(null));
      if (isThere) out.push([join(folder, name), join(aside, name)]);
    }
    for (const name of await readdir(staging)) back.push([join(staging, name), join(folder, name)]);
  }
  const isDatabase = ([, to]: Move) => to === join(config.dataPath, DATABASE);
  return [...out, ...back.filter((move) => !isDatabase(move)), ...back.filter(isDatabase)];
}

/** A command that an administrator gives must not leave files that the server cannot open. */
async function giveToOwner(dataPath: string, ...folders: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(dataPath);
  for (const folder of folders) {
    for (const name of ["", ...(await readdir(folder, { recursive: true }))]) await chown(join(folder, name), uid, gid);
  }
}

/** Makes all moves or none: when one fails, the files that were moved before it go back. */
export async function moveAll(moves: readonly Move[]): Promise<void> {
  const done: Move[] = [];
  try {
    for (const move of moves) {
      await rename(...move);
      done.unshift(move);
    }
  } catch (error) {
    for (const [from, to] of done) await rename(to, from);
    throw new Error(`Nothing was changed: ${messageOf(error)}`, { cause: error });
  }
}
