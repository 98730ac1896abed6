/**
 * `skeleton check`: loads plugins as the server would, says what each gives and all that is wrong, and tries it: what it provides is held to
 * the contract of its protocol, its hooks run in a turn. On temporary cores in temporary folders: the owner's data is not opened.
 */

import "../../production";

import { rmSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../../basics/errors";
import { hideData } from "../../config";
import { pluginFilesIn } from "../../plugins/find";
import type { Config, PluginInfo } from "../../protocols";
import { hearUncaught } from "../../uncaught";
import { type Checked, keepsContracts } from "./promises";
import { type CheckLimits, onCore, temporaryConfig } from "./temporary";
import { tryInTurn } from "./turn";

/** The model of the turns answers at once; of what fails after it was waited for, the server's log tells. */
const LIMITS: CheckLimits = { caseS: 30, hookS: 5, lingerMs: 200 };

interface Check {
  /** A temporary one, for everything that is written. */
  readonly folder: string;
  readonly config: Config;
  readonly uncaught: UncaughtInCheck;
  readonly limits: CheckLimits;
}

/** In a process of its own, in which nothing leads to the owner's data any more, whatever a plugin asks where it is. */
export async function checkInProcess(
  files: readonly string[],
  config: Config,
  print: (line: string) => void,
): Promise<number> {
  const paths = files.map((file) => resolve(file)); // Before the working folder is another.
  const folder = await makeFolder();
  // A plugin that ends the process must not end the check as if nothing were wrong.
  const cut = (): void => {
    print("  FAULT The process was ended by one of the plugins before all was checked.");
    process.exitCode = 1;
    process.chdir("/");
    for (const it of temporary) rmSync(it, { recursive: true, force: true });
  };
  hideData(folder);
  process.on("exit", cut);
  try {
    return await checkPlugins(paths, config, print);
  } finally {
    process.off("exit", cut);
    process.chdir("/");
    await rm(folder, { recursive: true, force: true });
  }
}

/** Without files: all of the plugins folder, together. Returns the exit code, 1 when anything is wrong. */
export async function checkPlugins(
  files: readonly string[],
  config: Config,
  print: (line: string) => void,
  limits = LIMITS,
): Promise<number> {
  const folder = await makeFolder();
  const uncaught = collectUncaught();
  const check = { folder, config, uncaught, limits };
  try {
    const all = files.length === 0 ? [checkFolder(check)] : files.map((file) => checkFile(check, resolve(file)));
    let hasFaults = false;
    for (const part of [...all, late(uncaught)]) {
      for await (const checked of part) {
        for (const line of checked.lines) print(line);
        hasFaults ||= checked.hasFaults;
      }
    }
    return hasFaults ? 1 : 0;
  } finally {
    uncaught.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What is left to remove should a plugin end the process. */
const temporary = new Set<string>();

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "skeleton-check-"));
  temporary.add(folder);
  return folder;
}

async function* checkFolder(check: Check): AsyncGenerator<Checked> {
  const { folder, config, uncaught } = check;
  const { pluginsPath } = config;
  const seen = await pluginFilesIn(pluginsPath);
  for (const file of seen) await uncaught.know(file, join(pluginsPath, file));
  const loaded = await load(check, await temporaryConfig(folder, config, pluginsPath)).catch(messageOf);
  if (typeof loaded === "string") {
    yield faulty(pluginsPath, [`All together they cannot be installed: ${loaded}`]);
    for (const file of seen) yield* checkFile(check, join(pluginsPath, file), file);
    return;
  }
  const { plugins, faults, missing, unread } = loaded;
  if (faults.size + plugins.length === 0)
    yield { lines: [`There are no plugins in ${pluginsPath}.`], hasFaults: false };
  for (const [file, message] of faults)
    yield faulty(file === "." ? pluginsPath : file, [message, ...uncaught.of(file)]);
  const unplaced = uncaught.ofNobody();
  if (unplaced.length > 0) yield faulty(pluginsPath, unplaced);
  for (const plugin of plugins)
    yield await tried(check, plugin, join(pluginsPath, plugin.file ?? ""), plugin.file ?? "");
  if (missing.length > 0) yield faulty("plugins.yaml", missing);
  if (unread.length > 0) {
    yield {
      lines: ["plugins.yaml", `  note  No plugin reads the settings of ${unread.join(", ")}.`],
      hasFaults: false,
    };
  }
}

/** `said`: how the file is called in what is said. Whatever happens with it, the next one is checked. */
async function* checkFile(check: Check, file: string, said = file): AsyncGenerator<Checked> {
  const { folder, config, uncaught } = check;
  if (!(await stat(file).catch(() => null))?.isFile()) {
    yield faulty(said, ["There is no such file."]);
    return;
  }
  await uncaught.know(said, file);
  try {
    const alone = await linkAlone(folder, file);
    const { plugins, faults } = await load(check, await temporaryConfig(folder, config, alone));
    if (faults.size > 0) yield faulty(said, [...faults.values(), ...uncaught.of(said)]);
    for (const plugin of plugins) yield await tried(check, plugin, file, said);
  } catch (error) {
    yield faulty(said, [`It cannot be installed: ${messageOf(error)}`, ...uncaught.of(said)]);
  }
}

/** What a plugin that can be loaded gives, and what of it does not do what it should. */
async function tried(check: Check, plugin: PluginInfo, file: string, said: string): Promise<Checked> {
  const { folder, config, uncaught, limits } = check;
  try {
    const subject = { folder, config, limits, name: plugin.name, alone: await linkAlone(folder, file) };
    const held = await keepsContracts(subject, plugin);
    const { faults, schemas } = await tryInTurn(subject, plugin);
    const lines = [...schemas, ...held.lines];
    return report(said, plugin, { ...held, lines }, [...faults, ...uncaught.of(said)]);
  } catch (error) {
    return faulty(said, [`It cannot be tried: ${messageOf(error)}`, ...uncaught.of(said)]);
  }
}

/** What failed when its file had been reported on already. */
async function* late(uncaught: UncaughtInCheck): AsyncGenerator<Checked> {
  for (const [file, sentence] of uncaught.rest()) yield faulty(file, [sentence]);
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

async function load({ limits }: Check, config: Config): Promise<Loaded> {
  const { plugins, faulty, unread } = await onCore(config, { limits }, async ({ core, installed }) => {
    await Bun.sleep(limits.lingerMs);
    const used = core.plugins.list().filter(({ file }) => file !== null);
    return { plugins: used, faulty: core.plugins.faults(), unread: installed.unread };
  });
  return {
    plugins,
    faults: new Map(faulty.flatMap(({ file, message }) => (file === null ? [] : [[file, message]]))),
    missing: faulty.flatMap(({ plugin, file, message }) =>
      file !== null ? [] : plugin === "plugins.yaml" ? message : `${plugin}: ${message}`,
    ),
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

function report(file: string, plugin: PluginInfo, held: Checked, faults: readonly string[]): Checked {
  const { name, provides, hooks, tools, access, hasSettings, isRequired } = plugin;
  const gives = [
    ...(provides.length > 0 ? [`provides ${provides.join(", ")}`] : []),
    ...(hooks.length > 0 ? [`hooks ${hooks.join(", ")}`] : []),
    ...(tools.length > 0 ? [`tools ${tools.join(", ")}`] : []),
    ...(access === null ? [] : [`page for ${access}`]),
    ...(hasSettings ? ["settings"] : []),
    ...(isRequired ? ["required"] : []),
  ];
  const said = `  ok    ${name}: ${gives.join("; ") || "nothing"}`;
  return {
    lines: [file, said, ...held.lines, ...faultLines(faults)],
    hasFaults: held.hasFaults || faults.length > 0,
  };
}

/**
 * Errors that nobody catches while plugins are checked. Each is a fault of the file that its stack names, or else of the file that
 * is checked at the moment; that may be none, while all are loaded together. The same is said once, however often it comes.
 */
interface UncaughtInCheck {
  /** Adds a file that errors may come from, under the name that it has in what is said. */
  know(file: string, path: string): Promise<void>;
  /** What came from the file since it was last asked, and what came from no file that is known. A sentence each. */
  of(file: string): readonly string[];
  /** What came from no file that is known. */
  ofNobody(): readonly string[];
  /** All that is left, with the file. */
  rest(): readonly (readonly [file: string, sentence: string])[];
  end(): void;
}

function collectUncaught(): UncaughtInCheck {
  /** Real paths, which stacks have, by the files' names. */
  const paths = new Map<string, string>();
  const said = new Set<string>();
  let uncaught: Error[] = [];
  const end = hearUncaught((error) => void uncaught.push(error));
  const fileOf = ({ stack = "" }: Error) => [...paths].find(([, path]) => stack.includes(`${path}:`))?.[0] ?? null;

  const take = (owner: string | null, isTaken: (file: string | null) => boolean): string[] => {
    const taken = uncaught.filter((error) => isTaken(fileOf(error)));
    uncaught = uncaught.filter((error) => !taken.includes(error));
    const sentences = taken.map((error) => sentenceOf(error, paths.get(owner ?? "") ?? null));
    return [...new Set(sentences)].filter((sentence) => {
      const key = `${owner} ${sentence}`;
      return !said.has(key) && said.add(key);
    });
  };

  return {
    async know(file, path) {
      paths.set(file, await realpath(path).catch(() => path));
    },
    of: (file) => take(file, (from) => from === null || from === file),
    ofNobody: () => take(null, (from) => from === null),
    rest: () =>
      [...paths.keys()].flatMap((file) => take(file, (from) => from === file).map((it) => [file, it] as const)),
    end,
  };
}

const MESSAGE_MAX = 300; // Characters, as of a promise that is not kept.

function sentenceOf({ message, stack = "" }: Error, path: string | null): string {
  const line = path === null ? undefined : /^:(\d+)/.exec(stack.split(path)[1] ?? "")?.[1];
  const what = path === null ? "what one of the plugins throws" : "what it throws";
  const said = message.replace(/\s+/g, " ").slice(0, MESSAGE_MAX);
  return `Nobody catches ${what}${line === undefined ? "" : ` in line ${line}`}: ${said}`;
}
