/** From the start of the process to the first 200, in a folder that has been served before. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../support/project";
import { SOURCE, startServer } from "../support/server-process";
import { median } from "./figures";
import { createFolder } from "./subjects";
import type { Row } from "./table";

const BINARY = join(projectFolder, "dist/skeleton");

export async function measureStartUp(rounds: number): Promise<Row[]> {
  const rows = [await measure("start-up to the first 200, from source", SOURCE, rounds)];
  if (existsSync(BINARY)) rows.push(await measure("start-up to the first 200, dist/skeleton", [BINARY], rounds));
  return rows;
}

async function measure(what: string, command: readonly string[], rounds: number): Promise<Row> {
  const folder = createFolder();
  const times: number[] = [];
  // One more than is counted: the first one makes the database.
  for (let round = 0; round <= rounds; round++) {
    const server = await startServer({ command, folder, env: { OPENAI_API_KEY: "none", LOG_LEVEL: "WARNING" } });
    if (round > 0) times.push(server.startMs);
    await server.stop("SIGKILL");
  }
  rmSync(folder, { recursive: true, force: true });
  return { what, unit: "ms", limit: null, ours: median(times) };
}
