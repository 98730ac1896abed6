#!/usr/bin/env bun
/** The command line: `serve` (when nothing is said), `users`, `check`, `types`, `backup`, `restore`, `health`. The only file that acts when it is imported. */

import "./production";

import { messageOf } from "./basics/errors";
import { createLog } from "./basics/log";
import { originOf } from "./basics/origin";
import { ConfigError, ignoredSettings, loadConfig } from "./config";
import type { Config, Log } from "./protocols";
import type { Serving } from "./serve";
import { surviveUncaught } from "./uncaught";

const USAGE = `Usage: skeleton [command]

  serve     Run the server (when no command is given)
  users     Add, change and check users; see: skeleton users --help
  check     Load plugins without serving and say what is wrong: check [FILES], all that are installed without FILES
  types     Write skeleton.d.ts and tsconfig.json, so that an editor knows what plugins may use: types [FOLDER], PLUGINS_PATH without FOLDER
  backup    Copy everything to a new FOLDER, while the server runs or not: backup FOLDER
  restore   Check a backup, and put it in the place of what is there; the server must not run: restore FOLDER
  health    Ask the running server whether it is well: exit code 0 or 1
  help      Show this

Configuration is by environment variables and a file .env; see .env.example.`;

const HEALTH_TIMEOUT_MS = 5000;
const SECOND_SIGNAL_AFTER_MS = 1000; // A terminal and a package runner may both pass on one and the same signal.

process.exitCode = await main(process.argv.slice(2));

async function main([command = "serve", ...rest]: readonly string[]): Promise<number | undefined> {
  if (["help", "--help", "-h"].includes(command)) {
    console.log(USAGE);
    return 0;
  }
  try {
    if (command === "serve") return await runServer(loadConfig());
    if (command === "users") return await editUsers(rest, loadConfig());
    if (command === "check") return await checkFiles(rest, loadConfig());
    // Not for people: one of several servers on a port, and what `check` and the reading of documents run beside themselves.
    if (command === "serve-worker") return await runWorker(loadConfig());
    if (command === "check-here") return await checkHere(rest, loadConfig());
    if (command === "read-document") return await readDocument(rest);
    if (command === "types")
      return await (await import("./declarations")).writeTypes(rest, loadConfig().pluginsPath, console.log);
    if (command === "backup") return await (await import("./backup")).runBackup(rest, loadConfig(), console.log);
    if (command === "restore") return await (await import("./backup")).runRestore(rest, loadConfig(), console.log);
    if (command === "health") return await askHealth(loadConfig());
  } catch (error) {
    console.error(error instanceof ConfigError ? error.message : `skeleton: ${messageOf(error)}`);
    // What a plugin has begun by now, such as a timer, would keep a server alive that serves nothing.
    if (command === "serve" || command === "serve-worker") process.exit(1);
    return 1;
  }
  console.error(`There is no command ${JSON.stringify(command)}.\n\n${USAGE}`);
  return 2;
}

/** Returns when the server listens; the process goes on until it is told to end. */
async function runServer(given: Config): Promise<undefined> {
  const log = createLog(given.logLevel);
  for (const ignored of ignoredSettings()) log.warn(ignored);
  const config = given.workers > 1 && !(await canHaveWorkers(log)) ? { ...given, workers: 1 } : given;
  const serving =
    config.workers > 1
      ? await startWorkers(config, log)
      : await serveHere(log, async () => {
          // Imported here because it is most of the program: other commands need little of it, and production must be set before.
          const { serve } = await import("./serve");
          return serve(config);
        });
  if (config.mode === "ephemeral") {
    console.warn("EPHEMERAL MODE: nothing is kept, and anyone may sign in as `default` with the password `default`.");
  }
  const by = config.workers > 1 ? ` with ${config.workers} workers` : "";
  console.log(`Skeleton listens on ${serving.url}${by}`);
  const address = config.publicUrl ?? serving.url;
  if (serving.setupPath) console.log(`Make the first administrator: ${address}${serving.setupPath}`);
}

async function canHaveWorkers(log: Log): Promise<boolean> {
  const { canShareAPort } = await import("./workers");
  if (!canShareAPort())
    log.warn(`SKELETON_WORKERS: on ${process.platform} the first of them would get all; there is one`);
  return canShareAPort();
}

/** The first signal is passed on, and so is a second one, at which the workers end at once. */
async function startWorkers(config: Config, log: Log) {
  const workers = await (await import("./workers")).startWorkers(config, log);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => void workers.stop(signal).then((code) => process.exit(code)));
  }
  return workers;
}

async function runWorker(config: Config): Promise<undefined> {
  const log = createLog(config.logLevel);
  // Without a parent there is nobody to start it anew, or to end it.
  let end = (): void => process.exit(1);
  // Heard from now on: a message that comes before anybody listens is lost.
  const message = new Promise((resolve) => process.once("message", resolve));
  process.on("disconnect", () => end());
  const { serveAsWorker } = await import("./workers");
  const { end: endInOrder } = await serveHere(log, async () => serveAsWorker(config, await message));
  end = endInOrder;
}

/** Ends it on a signal, or when `end` is called. */
async function serveHere(log: Log, serve: () => Promise<Serving>) {
  surviveUncaught(log);
  // A plugin that ends the process must not leave it as if it had served.
  const cut = (): void => {
    console.error("skeleton: The process was ended before the server listened, by one of the plugins as it seems.");
    process.exitCode = 1;
  };
  process.on("exit", cut);
  const serving = await serve().finally(() => process.off("exit", cut));
  return { ...serving, end: endOnSignal(serving.stop) };
}

/** Gives what does the same without a signal. */
function endOnSignal(stop: () => Promise<void>): () => void {
  let askedAtMs: number | null = null;
  const end = (): void => {
    if (askedAtMs === null) {
      askedAtMs = performance.now();
      stop().then(
        () => process.exit(0),
        (error) => {
          console.error(`skeleton: ${messageOf(error)}`);
          process.exit(1);
        },
      );
    } else if (performance.now() - askedAtMs > SECOND_SIGNAL_AFTER_MS) process.exit(1);
  };
  process.on("SIGTERM", end);
  process.on("SIGINT", end);
  return end;
}

/** Imported here because what edits YAML takes longer to load than the server takes to start. */
async function editUsers(args: readonly string[], config: Config): Promise<number> {
  const [{ runUsers }, { terminalIo }] = await Promise.all([import("./users"), import("./terminal")]);
  const log = createLog("error");
  let isOpened = false;
  const openStore = () => {
    isOpened = true;
    return openStoreBeside(config, log);
  };
  const code = await runUsers([...args], terminalIo(config, log, openStore));
  // What a plugin left open might keep the process alive.
  return isOpened ? process.exit(code) : code;
}

/** The store as a server would have it, beside one or without. */
async function openStoreBeside(config: Config, log: Log) {
  const [{ install }, { shareData }] = await Promise.all([import("./plugins"), import("./data-lock")]);
  const lock = shareData(config.dataPath);
  try {
    const { core, stop } = await install({ config, log, isServing: false });
    return { store: core.store, close: () => stop(0).finally(lock.release) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function checkFiles(files: readonly string[], config: Config): Promise<number> {
  const { checkBeside } = await import("./contracts/check/beside");
  return checkBeside(files, config.pluginsPath, console.log);
}

/** Ends the process, which something that a plugin left open might keep alive. */
async function checkHere(files: readonly string[], config: Config): Promise<never> {
  const [{ checkInProcess }, { giveSignsOfLife }] = await Promise.all([
    import("./contracts/check"),
    import("./contracts/check/beside"),
  ]);
  giveSignsOfLife();
  process.exit(await checkInProcess(files, config, console.log));
}

async function readDocument([name = ""]: readonly string[]): Promise<number> {
  const { readDocumentCommand } = await import("./documents");
  await readDocumentCommand(name);
  return 0;
}

async function askHealth(config: Config): Promise<number> {
  const address = originOf(config, config.port);
  const response = await fetch(`${address}/health`, {
    signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS),
    // The certificate is made out to the name that people use, and this is another one of the same machine.
    tls: { rejectUnauthorized: false },
  }).catch(() => null);
  if (!response) throw new Error(`No server answers at ${address}.`);
  console.log(await response.text());
  return response.ok ? 0 : 1;
}
