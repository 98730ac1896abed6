/** The commands `backup` and `restore`: what they are given, and what they say. They throw an Error for the owner when it cannot be done. */

import type { Config } from "../protocols";
import { type BackupReport, writeBackup } from "./backup";
import { sizeText } from "./files";
import { DATABASE, type ManifestEntry, UPLOADS } from "./manifest";
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
  const sizeOf = (entries: readonly ManifestEntry[]) => sizeText(entries.reduce((bytes, { size }) => bytes + size, 0));
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
