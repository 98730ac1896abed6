/** Runs the reader of documents beside the server: one process for each document, with bounds that nothing in it can lift. */

import { setPriority } from "node:os";
import { join } from "node:path";
import type { Reading } from "../../documents";
import type { Core } from "../../protocols";

export interface Bounds {
  readonly timeMs: number;
  readonly memoryBytes: number;
}

const BOUNDS: Bounds = { timeMs: 60_000, memoryBytes: 512 * 1024 * 1024 };
const LOOK_MS = 50; // Memory that grows by a gigabyte a second is seen before it hurts.
const ANSWER_MAX_BYTES = 32 * 1024 * 1024;
const NICENESS = 10; // Streams go first.
const LANES = 2;

const COMMAND = Bun.isStandaloneExecutable
  ? [process.execPath]
  : [process.execPath, join(import.meta.dir, "../../main.ts")];

/** What is in the document. Never rejects. */
export async function readBeside(core: Core, data: Blob, name: string, bounds = BOUNDS): Promise<Reading> {
  const child = Bun.spawn([...COMMAND, "read-document", name], {
    // Nothing of the server's: no key, no folder with a file of settings.
    env: {},
    cwd: "/",
    stdin: data,
    stdout: "pipe",
    stderr: "ignore",
    maxBuffer: ANSWER_MAX_BYTES,
    timeout: bounds.timeMs,
    killSignal: "SIGKILL",
  });
  const begun = performance.now();
  let isTooLarge = false;
  makeNice(child.pid);
  const watch = setInterval(async () => {
    if ((await memoryOf(child.pid)) <= bounds.memoryBytes) return;
    isTooLarge = true;
    child.kill("SIGKILL");
  }, LOOK_MS);
  const stop = () => child.kill("SIGKILL");
  process.once("exit", stop);
  try {
    const [answer] = await Promise.all([child.stdout.text(), child.exited]);
    if (child.exitCode === 0) return JSON.parse(answer) as Reading;
    if (isTooLarge) return { fault: "tooLarge" };
    if (performance.now() - begun >= bounds.timeMs) return { fault: "tooSlow" };
    core.log.warn("The reader of a document ended before it had an answer", {
      code: child.exitCode,
      signal: child.signalCode,
    });
    return { fault: "broken" };
  } finally {
    clearInterval(watch);
    process.off("exit", stop);
  }
}

function makeNice(pid: number): void {
  try {
    setPriority(pid, NICENESS);
  } catch {
    // It has ended already.
  }
}

/** Bytes in memory; 0 once it has ended. */
async function memoryOf(pid: number): Promise<number> {
  if (process.platform !== "linux") return Number(await Bun.$`ps -o rss= -p ${pid}`.nothrow().quiet().text()) * 1024;
  const status = await Bun.file(`/proc/${pid}/status`)
    .text()
    .catch(() => "");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

export interface Lanes {
  run<Result>(username: string, job: () => Promise<Result>): Promise<Result>;
}

/** Two jobs at a time, and one of each user: a folder full of documents of one holds nobody else up. */
export function createLanes(): Lanes {
  const waiting: { readonly username: string; readonly begin: () => void }[] = [];
  const busy = new Set<string>();

  const beginNext = (): void => {
    if (busy.size >= LANES) return;
    const at = waiting.findIndex(({ username }) => !busy.has(username));
    const [next] = at < 0 ? [] : waiting.splice(at, 1);
    if (!next) return;
    busy.add(next.username);
    next.begin();
  };

  return {
    async run(username, job) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ username, begin: resolve });
      beginNext();
      await promise;
      try {
        return await job();
      } finally {
        busy.delete(username);
        beginNext();
      }
    },
  };
}
