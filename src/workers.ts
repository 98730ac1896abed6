/**
 * Several processes on one port, one for each core. The parent serves nothing: it starts them, starts those anew that end, and passes on
 * that the server is to end. A worker is a whole server, which finds the others by the data that they share, and which ends when
 * its parent does.
 */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cannotListen } from "./basics/origin";
import type { Config, Log } from "./protocols";
import type { Serving } from "./serve";

const PAUSE_MS = 100; // Before a worker that has ended is started anew, doubled each time;
const PAUSE_MAX_MS = 30_000; // at most.
const STEADY_MS = 60_000; // One that has lived for so long is started anew as if it were the first time.
const KILL_MS = 2000; // After a second signal, at which a worker ends by itself.

const COMMAND = Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, join(import.meta.dir, "main.ts")];

/** What all workers have in common. */
interface WorkerJob {
  /** 0 until the first of them has taken one. */
  readonly port: number;
  readonly setupToken: string;
  readonly ephemeralFolder: string | null;
}

type Listening = Omit<Serving, "stop">;

export interface Workers extends Listening {
  /** Passes the signal on. Resolves with the exit code when all have ended. */
  stop(signal: NodeJS.Signals): Promise<number>;
}

/** Whether the system gives each connection on a shared port to one of the processes in turn. */
export function canShareAPort(): boolean {
  return process.platform === "linux";
}

/** Resolves when all of them listen. Throws an Error when the port is in use, or the first worker cannot start, which has said why. */
export async function startWorkers(config: Config, log: Log): Promise<Workers> {
  await requireFreePort(config);
  const ephemeralFolder = config.mode === "ephemeral" ? mkdtempSync(join(tmpdir(), "skeleton-")) : null;
  if (ephemeralFolder) process.once("exit", () => rmSync(ephemeralFolder, { recursive: true, force: true }));
  let job: WorkerJob = { port: config.port, setupToken: randomBytes(24).toString("base64url"), ephemeralFolder };
  const keepers: WorkerKeeper[] = [];
  const hire = (): WorkerKeeper => {
    const keeper = keepWorker(() => job, log);
    keepers.push(keeper);
    return keeper;
  };
  // The first one takes the port and makes what is not there yet.
  const first = await hire().listening;
  if (first === null) throw new Error("The first of the workers did not start.");
  job = { ...job, port: first.port };
  await Promise.all(Array.from({ length: config.workers - 1 }, () => hire().listening));
  return {
    ...first,
    async stop(signal) {
      const codes = await Promise.all(keepers.map((keeper) => keeper.stop(signal)));
      return codes.every((code) => code === 0) ? 0 : 1;
    },
  };
}

/** Processes that share a port share it with others too: so it must be nobody's before. */
async function requireFreePort(config: Config): Promise<void> {
  try {
    const { host: hostname, port } = config;
    await Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response() }).stop(true);
  } catch (error) {
    throw cannotListen(config, error);
  }
}

interface WorkerKeeper {
  /** Null when the worker ended before. */
  readonly listening: Promise<Listening | null>;
  /** Asks it to end and starts it no more; called again it ends in any case. Resolves with its exit code. */
  stop(signal: NodeJS.Signals): Promise<number>;
}

/** One worker at a time, until it is told to end, or ends before it ever listened. */
function keepWorker(job: () => WorkerJob, log: Log): WorkerKeeper {
  const listening = Promise.withResolvers<Listening | null>();
  const ended = Promise.withResolvers<number>();
  let hasListened = false;
  let isServing = false;
  let isEnding = false;
  let pauseMs = PAUSE_MS;

  const start = (): Bun.Subprocess => {
    const begunMs = performance.now();
    const started = Bun.spawn([...COMMAND, "serve-worker"], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc(message: Listening) {
        [hasListened, isServing] = [true, true];
        listening.resolve(message);
      },
      onExit(_child, code, signal) {
        listening.resolve(null);
        if (!hasListened) return ended.resolve(code ?? 1);
        // One that was just being started has nothing to bring to an end.
        if (isEnding) return ended.resolve(isServing ? (code ?? 1) : 0);
        isServing = false;
        if (performance.now() - begunMs > STEADY_MS) pauseMs = PAUSE_MS;
        log.error("A worker ended, and another one is started", { pid: started.pid, code, signal, pauseMs });
        again = setTimeout(() => {
          child = start();
        }, pauseMs);
        pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS);
      },
    });
    started.send(job());
    return started;
  };

  let again: Timer | undefined;
  let child = start();
  return {
    listening: listening.promise,
    stop(signal) {
      clearTimeout(again);
      if (child.exitCode !== null || child.signalCode !== null) ended.resolve(isEnding ? 1 : 0);
      if (isEnding) setTimeout(() => child.kill("SIGKILL"), KILL_MS);
      isEnding = true;
      child.kill(signal);
      return ended.promise;
    },
  };
}

/** Serves as one of several, in a process that a parent has started and sent a message. Resolves when the worker listens. */
export async function serveAsWorker(config: Config, message: unknown): Promise<Serving> {
  const { port, setupToken, ephemeralFolder } = message as WorkerJob;
  const { serve } = await import("./serve"); // The parent needs nothing of it.
  const serving = await serve(Object.freeze({ ...config, port, ephemeralFolder }), setupToken);
  const { stop: _, ...listening } = serving;
  process.send?.(listening satisfies Listening);
  return serving;
}
