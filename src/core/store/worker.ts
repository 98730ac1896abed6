/**
 * A Worker of the store with a connection of its own, so that waiting for other processes and for the disk holds up nobody's stream: one
 * appends and folds, another one makes checkpoints. It does what it is told, one after the other.
 */

import { codeOf, messageOf } from "../../basics/errors";
import { connect, type Sql } from "./database";
import {
  type Folding,
  foldSlice,
  type KnownRecords,
  type PackedAppends,
  type Staged,
  stage,
  unpackAppends,
} from "./staging";

declare const self: Worker;

export type WorkerTask =
  | { readonly open: string }
  | { readonly stage: PackedAppends }
  | { readonly fold: true }
  /** Of the log, when so many pages of it are not in the file yet. */
  | { readonly checkpoint: number }
  | { readonly close: true };

export type WorkerAnswer =
  | { readonly done: unknown }
  | { readonly failed: { readonly message: string; readonly code: string } };

/** What a checkpoint left: pages of the log, and how many of them are not in the file. */
export interface LogState {
  readonly pages: number;
  readonly left: number;
}

let database: Sql | null = null;
let folding: Folding | null = null;
const known: KnownRecords = new Map();
/** Another one when another connection has written. */
let version = -1;
const KNOWN_AT_MOST = 20_000;

self.onmessage = ({ data }: MessageEvent<WorkerTask>) => {
  try {
    postMessage({ done: perform(data) } satisfies WorkerAnswer);
  } catch (error) {
    postMessage({ failed: { message: messageOf(error), code: codeOf(error) } } satisfies WorkerAnswer);
  }
};

function perform(task: WorkerTask): Staged[] | LogState | boolean | null {
  if ("open" in task) {
    database = connect(task.open);
    return null;
  }
  if (!database) throw new Error("No database is open.");
  const opened = database;
  if ("stage" in task) {
    const appends = unpackAppends(task.stage);
    return write(opened, () => stage(opened, appends, recordsKnown(opened)));
  }
  if ("checkpoint" in task) return checkpoint(opened, task.checkpoint);
  if ("close" in task) {
    opened.close();
    return null;
  }
  folding = write(opened, () => foldSlice(opened, folding));
  return folding !== null;
}

/** Inside a write, so that nobody writes meanwhile. What is staged and folded here changes no record. */
function recordsKnown(opened: Sql): KnownRecords {
  const now = Number(opened.first("PRAGMA data_version")?.data_version);
  if (now !== version || known.size > KNOWN_AT_MOST) known.clear();
  version = now;
  return known;
}

function write<T>(opened: Sql, work: () => T): T {
  opened.run("BEGIN IMMEDIATE");
  try {
    const value = work();
    opened.run("COMMIT");
    return value;
  } catch (error) {
    if (opened.inTransaction()) opened.run("ROLLBACK");
    throw error;
  }
}

/** Passive: nobody waits for it, and it waits for nobody. */
function checkpoint(opened: Sql, fromPages: number): LogState {
  const before = stateOf(opened, "NOOP");
  return before.left < fromPages ? before : stateOf(opened, "PASSIVE");
}

function stateOf(opened: Sql, mode: "NOOP" | "PASSIVE"): LogState {
  const row = opened.first(`PRAGMA wal_checkpoint(${mode})`);
  const pages = Math.max(0, Number(row?.log));
  return { pages, left: pages - Math.max(0, Number(row?.checkpointed)) };
}
