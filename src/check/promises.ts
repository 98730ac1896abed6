/** Holds what a plugin provides to the contracts of the protocols, each case on a core of its own in a folder of its own. */

import { AssertionError } from "node:assert";
import { copyFile, mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { contracts } from "../contracts";
import type { ContractCase } from "../contracts/contract";
import { STAND_IN, standIn } from "../contracts/stand-in";
import { messageOf } from "../errors";
import { createLog } from "../log";
import { install } from "../plugins";
import type { Config, PluginInfo, ProtocolName } from "../protocols";

const CASE_S = 30; // A case that needs longer waits for something that does not come.

export interface Checked {
  readonly lines: readonly string[];
  readonly hasFaults: boolean;
}

export async function keepsContracts(
  folder: string,
  config: Config,
  alone: string,
  { provides }: PluginInfo,
): Promise<Checked> {
  const lines: string[] = [];
  let hasFaults = false;
  for (const protocol of provides as readonly ProtocolName[]) {
    const cases = contracts[protocol];
    const broken: string[] = [];
    for (const it of cases) {
      const why = await brokenBy(it, await temporaryConfig(folder, config, alone));
      if (why !== null) broken.push(`  FAULT ${protocol}: ${it.name}: ${why}`);
    }
    hasFaults ||= broken.length > 0;
    const how = protocol === "model" ? await howModelsWereHeld(await temporaryConfig(folder, config, alone)) : "";
    lines.push(...(broken.length > 0 ? broken : [`  ok    ${protocol} keeps its ${cases.length} promises${how}`]));
  }
  return { lines, hasFaults };
}

/** An endpoint that is down, or a key that is missing, must not look like a test that was passed. */
async function howModelsWereHeld(config: Config): Promise<string> {
  const { core, stop } = await installSilently(config);
  const models = await core.model.list();
  await stop(0);
  return models.some((id) => id !== STAND_IN) ? "" : ", with a stand-in: it lists no model of its own now";
}

/** Why a promise is not kept, on one line; null when it is. */
async function brokenBy(it: ContractCase, config: Config): Promise<string | null> {
  const { core, stop } = await installSilently(config);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`it took longer than ${CASE_S} seconds`)), CASE_S * 1000);
  try {
    await Promise.race([it.run(core), late]);
    return null;
  } catch (error) {
    return (differenceOf(error) ?? messageOf(error)).replace(/\s+/g, " ").slice(0, 300);
  } finally {
    clearTimeout(timer);
    // A case of `store` closes it, and a server whose store is closed cannot end in order.
    await stop(0).catch(() => {});
  }
}

/** Of an assertion that compares, what came and what was promised; its own message is made for a screen of lines. */
function differenceOf(error: unknown): string | null {
  if (!(error instanceof AssertionError) || error.operator === "fail") return null;
  if (!error.generatedMessage && !/equal$/i.test(error.operator)) return null;
  const words = (value: unknown) => Bun.inspect(value, { depth: 4, compact: true }).replace(/\s+/g, " ").slice(0, 120);
  const compared = `it gave ${words(error.actual)} and not ${words(error.expected)}`;
  return error.generatedMessage ? compared : `${error.message.split("\n", 1)[0]}: ${compared}`;
}

/** A core that says nothing, with one model that answers at once below all that is loaded. */
export function installSilently(config: Config) {
  return install({ config, log: createLog("error", () => {}), plugins: [standIn], isLenient: true });
}

/** The owner's settings of plugins, and nothing else that is theirs: no accounts, no keys, no models. */
export async function temporaryConfig(folder: string, config: Config, pluginsPath: string): Promise<Config> {
  const dataPath = await mkdtemp(join(folder, "data-"));
  await copyFile(join(config.dataPath, "plugins.yaml"), join(dataPath, "plugins.yaml")).catch((error) => {
    if (error.code !== "ENOENT") throw error;
  });
  return {
    ...config,
    mode: "persistent",
    dataPath,
    pluginsPath,
    usersFile: join(dataPath, "users.yaml"),
    uploadDir: join(dataPath, "uploads"),
    jwtSecretFile: join(dataPath, "jwt.secret"),
    jwtSecretKey: null,
    openaiApiKey: null,
    openaiBaseUrl: null,
    rateLimitLogin: null,
    rateLimitMessage: null,
    streamsPerUser: 200,
    skipPlugins: false,
  };
}
