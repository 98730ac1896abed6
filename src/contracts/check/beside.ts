/**
 * Runs the check of each file that is named, or of the plugins folder as a whole, in a process of its own, which gives a sign of life
 * twice a second: a plugin that holds up its process for ever is named and ended, and the others are checked all the same.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environmentIn } from "../../config";
import { pluginFilesIn } from "../../plugins/find";

const HELD_UP_S = 30; // As long as a promise may take to be kept; a machine that is busy holds nobody up for so long.
const ALIVE_MS = 500;
const START_MS = 20_000; // Until the first sign of life: a busy machine takes some seconds to load the program.

const COMMAND = Bun.isStandaloneExecutable
  ? [process.execPath]
  : [process.execPath, join(import.meta.dir, "../../main.ts")];

/** Without files: all of the plugins folder, together, or each alone when one of them holds up all. Returns the exit code. */
export async function checkBeside(
  files: readonly string[],
  pluginsPath: string,
  print: (line: string) => void,
  heldUpS = HELD_UP_S,
): Promise<number> {
  const checked: readonly (string | null)[] = files.length === 0 ? [null] : files;
  let hasFaults = false;
  for (const file of checked) {
    const end = await runCheck(file, heldUpS);
    hasFaults ||= end !== 0;
    if (typeof end === "number") continue;
    print(file ?? pluginsPath);
    print(`  FAULT ${end}${file === null ? " Each is checked alone." : ""}`);
    if (file !== null) continue;
    const seen = await pluginFilesIn(pluginsPath);
    const alone = seen.map((file) => join(pluginsPath, file));
    if (alone.length > 0) await checkBeside(alone, pluginsPath, print, heldUpS);
  }
  return hasFaults ? 1 : 0;
}

/** Its exit code, or a sentence about why it has none. */
async function runCheck(file: string | null, heldUpS: number): Promise<number | string> {
  const folder = await mkdtemp(join(tmpdir(), "skeleton-check-"));
  let aliveAtMs = performance.now() + START_MS;
  let isHeldUp = false;
  const child = Bun.spawn([...COMMAND, "check-here", ...(file === null ? [] : [file])], {
    env: environmentIn(folder),
    stdio: ["inherit", "inherit", "inherit"],
    ipc: () => {
      aliveAtMs = performance.now();
    },
  });
  const watch = setInterval(() => {
    if (performance.now() - aliveAtMs < heldUpS * 1000) return;
    isHeldUp = true;
    child.kill("SIGKILL");
  }, ALIVE_MS / 2);
  try {
    await child.exited;
    const whose = file === null ? "One of the plugins" : "It";
    if (isHeldUp) return `${whose} held up the process for ${heldUpS} seconds, and the process was ended.`;
    return child.exitCode ?? `${whose} made the process end with ${child.signalCode}.`;
  } finally {
    clearInterval(watch);
    await rm(folder, { recursive: true, force: true });
  }
}

/** In the process that checks. It ends with the one that watches it. */
export function giveSignsOfLife(): void {
  process.send?.("alive");
  setInterval(() => process.send?.("alive"), ALIVE_MS);
  process.on("disconnect", () => process.exit(1));
}
