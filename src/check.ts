/**
 * `skeleton check`: loads plugins as the server would, says what each gives and all that is wrong, and holds what it provides to the
 * contract of its protocol. On temporary cores in temporary folders: the owner's data is not opened.
 */

import { AssertionError } from "node:assert";
import { copyFile, mkdir, mkdtemp, realpath, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { contracts } from "./contracts";
import type { ContractCase } from "./contracts/contract";
import { STAND_IN, standIn } from "./contracts/stand-in";
import { messageOf } from "./errors";
import { createLog } from "./log";
import { install } from "./plugins";
import type { Config, PluginInfo, ProtocolName } from "./protocols";

const CASE_S = 30; // A case that needs longer waits for something that does not come.

interface Checked {
  readonly lines: readonly string[];
  readonly hasFaults: boolean;
}

/** Without files: all of the plugins folder, together. Returns the exit code, 1 when anything is wrong. */
export async function checkPlugins(
  files: readonly string[],
  config: Config,
  print: (line: string) => void,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "skeleton-check-"));
  try {
    const checks =
      files.length === 0
        ? [checkFolder(folder, config)]
        : files.map((file) => checkFile(folder, resolve(file), config));
    let hasFaults = false;
    for (const check of checks) {
      for await (const checked of check) {
        for (const line of checked.lines) print(line);
        hasFaults ||= checked.hasFaults;
      }
    }
    return hasFaults ? 1 : 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* checkFolder(folder: string, config: Config): AsyncGenerator<Checked> {
  const { pluginsPath } = config;
  const { plugins, faults } = await load(await temporaryConfig(folder, config, pluginsPath));
  if (plugins.length + faults.size === 0)
    yield { lines: [`There are no plugins in ${pluginsPath}.`], hasFaults: false };
  for (const [file, message] of faults) yield { lines: [file, `  FAULT ${message}`], hasFaults: true };
  for (const plugin of plugins) {
    const alone = await linkAlone(folder, join(pluginsPath, plugin.file ?? ""));
    yield report(plugin.file ?? "", plugin, await keepsContracts(folder, config, alone, plugin));
  }
}

async function* checkFile(folder: string, file: string, config: Config): AsyncGenerator<Checked> {
  if (!(await stat(file).catch(() => null))?.isFile()) {
    yield { lines: [file, "  FAULT There is no such file."], hasFaults: true };
    return;
  }
  const alone = await linkAlone(folder, file);
  const { plugins, faults } = await load(await temporaryConfig(folder, config, alone));
  for (const message of faults.values()) yield { lines: [file, `  FAULT ${message}`], hasFaults: true };
  for (const plugin of plugins) yield report(file, plugin, await keepsContracts(folder, config, alone, plugin));
}

/** A plugins folder with a link to this file and nothing else. */
async function linkAlone(folder: string, file: string): Promise<string> {
  const kinds = ["core", "functions", "tools"];
  const named = basename(dirname(file));
  // Elsewhere a file without a default export can only be one of functions, which are tools.
  const hasDefault = /^export default |\bas default\b/m.test(await Bun.file(file).text());
  const kind = kinds.includes(named) ? named : hasDefault ? "functions" : "tools";
  const alone = await mkdtemp(join(folder, "alone-"));
  await mkdir(join(alone, kind));
  await symlink(await realpath(file), join(alone, kind, basename(file)));
  return alone;
}

/** The owner's settings of plugins, and nothing else that is theirs: no accounts, no keys, no models. */
async function temporaryConfig(folder: string, config: Config, pluginsPath: string): Promise<Config> {
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
    skipPlugins: false,
  };
}

async function load(config: Config): Promise<{ plugins: readonly PluginInfo[]; faults: ReadonlyMap<string, string> }> {
  const { core, stop } = await install({ config, log: createLog("error", () => {}), plugins: [standIn] });
  const plugins = core.plugins.list().filter(({ file }) => file !== null);
  const faults = new Map(core.plugins.faults().map(({ plugin, file, message }) => [file ?? plugin, message]));
  await stop(0);
  return { plugins, faults };
}

function report(file: string, plugin: PluginInfo, contractLines: Checked): Checked {
  const { name, provides, hooks, tools, access, hasSettings } = plugin;
  const gives = [
    ...(provides.length > 0 ? [`provides ${provides.join(", ")}`] : []),
    ...(hooks.length > 0 ? [`hooks ${hooks.join(", ")}`] : []),
    ...(tools.length > 0 ? [`tools ${tools.join(", ")}`] : []),
    ...(access === null ? [] : [`page for ${access}`]),
    ...(hasSettings ? ["settings"] : []),
  ];
  const { lines, hasFaults } = contractLines;
  return { lines: [file, `  ok    ${name}: ${gives.join("; ") || "nothing"}`, ...lines], hasFaults };
}

async function keepsContracts(
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
  const { core, stop } = await install({ config, log: createLog("error", () => {}), plugins: [standIn] });
  const models = await core.model.list();
  await stop(0);
  return models.some((id) => id !== STAND_IN) ? "" : ", with a stand-in: it lists no model of its own now";
}

/** Why a promise is not kept, on one line; null when it is. */
async function brokenBy(it: ContractCase, config: Config): Promise<string | null> {
  const { core, stop } = await install({ config, log: createLog("error", () => {}), plugins: [standIn] });
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
