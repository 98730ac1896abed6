/**
 * `skeleton check`: loads plugins as the server would, says what each gives and all that is wrong, and holds what it provides to the
 * contract of its protocol. On temporary cores in temporary folders: the owner's data is not opened.
 */

import { mkdir, mkdtemp, realpath, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { Config, PluginInfo } from "../protocols";
import { type Checked, installSilently, keepsContracts, temporaryConfig } from "./promises";
import { type CheckedStrays, collectStrays } from "./strays";

const LINGER_MS = 200; // What a start leaves behind fails within it, as a rule; of what fails later the server's log tells.

interface Check {
  /** A temporary one, for everything that is written. */
  readonly folder: string;
  readonly config: Config;
  readonly strays: CheckedStrays;
}

/** Without files: all of the plugins folder, together. Returns the exit code, 1 when anything is wrong. */
export async function checkPlugins(
  files: readonly string[],
  config: Config,
  print: (line: string) => void,
): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "skeleton-check-"));
  const strays = collectStrays();
  const check = { folder, config, strays };
  try {
    const all = files.length === 0 ? [checkFolder(check)] : files.map((file) => checkFile(check, resolve(file)));
    let hasFaults = false;
    for (const part of [...all, late(strays)]) {
      for await (const checked of part) {
        for (const line of checked.lines) print(line);
        hasFaults ||= checked.hasFaults;
      }
    }
    return hasFaults ? 1 : 0;
  } finally {
    strays.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function* checkFolder(check: Check): AsyncGenerator<Checked> {
  const { folder, config, strays } = check;
  const { pluginsPath } = config;
  const { plugins, faults, missing, unread } = await load(await temporaryConfig(folder, config, pluginsPath));
  const files = [...faults.keys(), ...plugins.map(({ file }) => file ?? "")];
  if (files.length === 0) yield { lines: [`There are no plugins in ${pluginsPath}.`], hasFaults: false };
  for (const file of files) await strays.know(file, join(pluginsPath, file));
  for (const [file, message] of faults) yield faulty(file, [message, ...strays.of(file)]);
  const unplaced = strays.ofNobody();
  if (unplaced.length > 0) yield faulty(pluginsPath, unplaced);
  for (const plugin of plugins) {
    const file = plugin.file ?? "";
    const alone = await linkAlone(folder, join(pluginsPath, file));
    const held = await keepsContracts(folder, config, alone, plugin);
    yield report(file, plugin, held, strays.of(file));
  }
  if (missing.length > 0) yield faulty("plugins.yaml", missing);
  if (unread.length > 0) {
    yield {
      lines: ["plugins.yaml", `  note  No plugin reads the settings of ${unread.join(", ")}.`],
      hasFaults: false,
    };
  }
}

async function* checkFile({ folder, config, strays }: Check, file: string): AsyncGenerator<Checked> {
  if (!(await stat(file).catch(() => null))?.isFile()) {
    yield faulty(file, ["There is no such file."]);
    return;
  }
  await strays.know(file, file);
  const alone = await linkAlone(folder, file);
  const { plugins, faults } = await load(await temporaryConfig(folder, config, alone));
  if (faults.size > 0) yield faulty(file, [...faults.values(), ...strays.of(file)]);
  for (const plugin of plugins) {
    const held = await keepsContracts(folder, config, alone, plugin);
    yield report(file, plugin, held, strays.of(file));
  }
}

/** What failed when its file had been reported on already. */
async function* late(strays: CheckedStrays): AsyncGenerator<Checked> {
  for (const [file, sentence] of strays.rest()) yield faulty(file, [sentence]);
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

interface Loaded {
  readonly plugins: readonly PluginInfo[];
  /** By file. */
  readonly faults: ReadonlyMap<string, string>;
  /** Of names that plugins.yaml requires. */
  readonly missing: readonly string[];
  /** Names in plugins.yaml. */
  readonly unread: readonly string[];
}

async function load(config: Config): Promise<Loaded> {
  const installed = await installSilently(config);
  const { core, unread } = installed;
  const plugins = core.plugins.list().filter(({ file }) => file !== null);
  const faulty = core.plugins.faults();
  await Bun.sleep(LINGER_MS);
  await installed.stop(0);
  return {
    plugins,
    faults: new Map(faulty.flatMap(({ file, message }) => (file === null ? [] : [[file, message]]))),
    missing: faulty.flatMap(({ plugin, file, message }) => (file === null ? `${plugin}: ${message}` : [])),
    // The settings of one that is left out are what its fault is about, as a rule.
    unread: unread.filter((name) => !faulty.some(({ plugin }) => plugin === name)),
  };
}

function faulty(file: string, sentences: readonly string[]): Checked {
  return { lines: [file, ...faultLines(sentences)], hasFaults: true };
}

function faultLines(sentences: readonly string[]): string[] {
  return sentences.map((sentence) => `  FAULT ${sentence}`);
}

function report(file: string, plugin: PluginInfo, held: Checked, strays: readonly string[]): Checked {
  const { name, provides, hooks, tools, access, hasSettings } = plugin;
  const gives = [
    ...(provides.length > 0 ? [`provides ${provides.join(", ")}`] : []),
    ...(hooks.length > 0 ? [`hooks ${hooks.join(", ")}`] : []),
    ...(tools.length > 0 ? [`tools ${tools.join(", ")}`] : []),
    ...(access === null ? [] : [`page for ${access}`]),
    ...(hasSettings ? ["settings"] : []),
  ];
  const said = `  ok    ${name}: ${gives.join("; ") || "nothing"}`;
  return {
    lines: [file, said, ...held.lines, ...faultLines(strays)],
    hasFaults: held.hasFaults || strays.length > 0,
  };
}
