/** Temporary cores for what is checked, each in a folder and under a scratch name of its own, with nothing of the owner's but settings. */

import { randomBytes } from "node:crypto";
import { copyFile, mkdtemp, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Installed, install } from "../../plugins";
import { inTime } from "../../plugins/patience";
import type { Config, Core, Log, LogFields, Plugin } from "../../protocols";
import { STAND_IN, standIn } from "../stand-in";

/** What is checked: one plugin, alone in a plugins folder. */
export interface Subject {
  /** For everything that is written. */
  readonly folder: string;
  /** The owner's. */
  readonly config: Config;
  /** The plugins folder that has a link to its file and nothing else. */
  readonly alone: string;
  readonly name: string;
  readonly limits: CheckLimits;
}

export interface CheckLimits {
  /** Seconds that a case, an installation or a page may take: what needs longer waits for something that does not come. */
  readonly caseS: number;
  readonly hookS: number;
  /** What a start or a hook leaves behind fails within it, as a rule. */
  readonly lingerMs: number;
}

export interface LogEntry {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

export interface Scene {
  readonly core: Core;
  readonly installed: Installed;
  /** What was logged so far. */
  readonly entries: readonly LogEntry[];
}

export interface SceneOptions {
  /** Put around what is checked. */
  readonly plugins?: readonly Plugin[];
  readonly limits: CheckLimits;
}

const STOP_S = 10;

/** What `run` gives. Throws when the core cannot be installed, and what `run` throws. */
export async function onCore<T>(config: Config, options: SceneOptions, run: (scene: Scene) => Promise<T>): Promise<T> {
  const { plugins = [], limits } = options;
  const entries: LogEntry[] = [];
  const entry =
    (level: LogEntry["level"]) =>
    (message: string, fields: LogFields = {}) =>
      void entries.push({ level, message, fields });
  const log: Log = { debug: entry("debug"), info: entry("info"), warn: entry("warn"), error: entry("error") };
  const patience = { startS: limits.caseS, hookS: limits.hookS };
  const installing = install({ config, log, plugins: [standIn, ...plugins], patience, isLenient: true });
  const stop = (installed: Installed) => inTime(STOP_S, "end", () => installed.stop(0)).catch(() => {});
  const installed = await inTime(2 * limits.caseS, "installation", () => installing).catch((error) => {
    installing.then(stop, () => {}); // It may come to an end after all.
    throw error;
  });
  try {
    return await run({ core: installed.core, installed, entries });
  } finally {
    // A case of `store` closes it, and a server whose store is closed cannot end in order.
    await stop(installed);
  }
}

/** Why the plugin is not used where it is alone; null = it is. */
export function whyUnused({ plugins }: Core, name: string): string | null {
  if (plugins.list().some((plugin) => plugin.name === name)) return null;
  const faults = plugins.faults().filter(({ file }) => file !== null);
  return faults.map(({ message }) => message).join(" ") || `There is no plugin ${name} when its file is alone.`;
}

/** Why its part is not the one that others get, which would then be tested in its place; null = it is. */
export function whyNotWinning(core: Core, name: string, protocol: string): string | null {
  const winner = core.plugins.winners()[protocol];
  if (winner === name) return null;
  return whyUnused(core, name) ?? `${winner === STAND_IN ? "A stand-in" : `The plugin ${winner}`} is in its place.`;
}

/** The owner's settings of plugins, and nothing else that is theirs: no accounts, no keys, no models. */
export async function temporaryConfig(folder: string, config: Config, pluginsPath: string): Promise<Config> {
  const dataPath = await mkdtemp(join(folder, "data-"));
  const settings = join(config.dataPath, "plugins.yaml");
  // A pipe would be waited for; what is no file is said by the server too.
  if ((await stat(settings).catch(() => null))?.isFile()) await copyFile(settings, join(dataPath, "plugins.yaml"));
  return {
    ...config,
    mode: "persistent",
    dataPath,
    dataPathGiven: dataPath,
    pluginsPath,
    usersFile: join(dataPath, "users.yaml"),
    uploadDir: join(dataPath, "uploads"),
    jwtSecretFile: join(dataPath, "jwt.secret"),
    jwtSecretKey: null,
    openaiApiKey: null,
    openaiBaseUrl: null,
    rateLimitLogin: null,
    rateLimitMessage: null,
    quotaBytes: 5_000_000_000,
    streamsPerUser: 200,
    skipPlugins: false,
    scratch: `check_${randomBytes(8).toString("hex")}`,
  };
}
