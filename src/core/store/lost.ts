/**
 * Whether a database that is empty, or not there, is new or lost. What is in use must not be taken as new: people would find none
 * of their chats, write others, and nobody could put the two together again. So where traces show that there was one, the
 * start is refused with everything as it is.
 */

import type { Database } from "bun:sqlite";
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Config } from "../../protocols";

/** Throws an Error for the owner when something beside the database (`tracesOf`) says that it had content. */
export function refuseWhenLost(traces: readonly string[], isThere: boolean): void {
  if (traces.length === 0) return;
  throw new Error(
    `It ${isThere ? "is empty" : "is not there"}, although it was in use: there is ${traces.join(", ")}. Nothing was touched. ` +
      "Put the database back, from a backup if need be. To begin anew, move what is named here to another folder first.",
  );
}

/**
 * Must be read before the database is looked at: another process that makes a new one at the same moment writes the file first and what
 * lies beside it later.
 */
export function tracesOf({ dataPath, uploadDir }: Config, path: string): string[] {
  const log = `${path}-wal`;
  const beside = namesIn(dataPath).filter((name) => isBackup(name, path) || name.startsWith("before-restore-"));
  const uploads = namesIn(uploadDir).filter((name) => name !== "incoming" && !name.startsWith("."));
  return [
    ...(statSync(log, { throwIfNoEntry: false })?.size ? [log] : []),
    ...beside.slice(-1).map((name) => join(dataPath, name)),
    ...(uploads.length > 0 ? [`something in ${uploadDir}`] : []),
  ];
}

function isBackup(name: string, path: string): boolean {
  return name.startsWith(`${basename(path)}.backup-`) && !name.endsWith(".part");
}

function namesIn(folder: string): string[] {
  // A folder that cannot be read is the business of whoever needs it.
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

const FROM_PYTHON =
  "It is that of the Python Skeleton, whose chats cannot be read. Move it to another folder with the files ending in -wal and -shm; see docs/from-python.md.";

/** False when there are no tables at all. Throws an Error when those that belong to a store are not all there. */
export function requireOurTables(database: Database): boolean {
  // As of one moment: another process may be making a store.
  return database.inTransaction ? areOurTablesThere(database) : database.transaction(areOurTablesThere)(database);
}

function areOurTablesThere(database: Database): boolean {
  const rows = database.query<{ name: string }, []>("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const tables = new Set(rows.map(({ name }) => name));
  if (tables.size === 0) return false;
  if (tables.has("_stores") && !tables.has("_store")) throw new Error(FROM_PYTHON);
  if (!tables.has("_store")) throw new Error("It is the database of another program.");
  const stores = database.query<{ name: string; fields: string }, []>("SELECT name, fields FROM _store").all();
  const wanted = stores.flatMap(({ name, fields }) => [
    name,
    ...(fields.includes('"json_collection"') ? [`${name}.items`] : []),
  ]);
  const missing = wanted.filter((name) => !tables.has(name));
  if (missing.length === 0) return true;
  throw new Error(`It is damaged, tables are missing: ${missing.join(", ")}. Restore a backup.`);
}
