/** Where the project is, and commands run in it, for the scripts of package.json. */

import { join } from "node:path";

export const projectFolder = join(import.meta.dir, "../..");

/** For one that hangs. The usual five seconds are too short for a good one on a busy machine. */
export const TEST_LIMIT_MS = 60_000;

export interface CommandOutcome {
  readonly code: number;
  /** Standard output and standard error, in this order. */
  readonly output: string;
}

/** Runs a tool of node_modules/.bin with this very bun, so that neither node nor a bun in PATH is needed. */
export function runTool(name: string, ...args: readonly string[]): Promise<CommandOutcome> {
  return runBun(join(projectFolder, "node_modules/.bin", name), ...args);
}

export async function runBun(...args: readonly string[]): Promise<CommandOutcome> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: projectFolder,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, output: stdout + stderr };
}
