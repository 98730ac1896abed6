/** A server that stands still for a while, as a laptop does whose lid is closed, while another one runs on the same data. */

import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Random } from "./random";

const AT_MOST_MS = 15_000; // Several times the silence after which it counts as dead.
const SETTLE_MS = 2; // A signal reaches all threads of a process by then.

/** Resolves when it goes on: most times after its turns were taken over. */
export async function standStill(folder: string, pid: number, random: Random): Promise<void> {
  const database = new Database(join(folder, "skeleton.db"));
  const held = database.query(
    "SELECT 1 FROM turn_claims JOIN processes ON processes.id = turn_claims.process_id WHERE processes.pid = ?",
  );
  const isEarly = random.chance(0.2);
  const endsMs = performance.now() + (isEarly ? random.integer(0, 3000) : AT_MOST_MS);
  try {
    await stop(database, pid);
    do await Bun.sleep(10);
    while ((isEarly || held.get(pid)) && performance.now() < endsMs);
    await Bun.sleep(random.integer(0, 200));
  } finally {
    process.kill(pid, "SIGCONT");
    database.close();
  }
}

/** Not in the middle of a write: SQLite's lock would hold up the others for as long as it stands still. */
async function stop(database: Database, pid: number): Promise<void> {
  for (;;) {
    process.kill(pid, "SIGSTOP");
    await Bun.sleep(SETTLE_MS);
    if (isWritable(database)) return;
    process.kill(pid, "SIGCONT");
    await Bun.sleep(SETTLE_MS);
  }
}

function isWritable(database: Database): boolean {
  try {
    database.run("BEGIN IMMEDIATE");
    database.run("ROLLBACK");
    return true;
  } catch {
    return false; // Somebody writes at this moment.
  }
}
