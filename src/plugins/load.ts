/**
 * What became of each plugin file: loaded anew when it, what it imports or its settings have changed, and else as it was. A file that
 * cannot be used is a fault, never an end, and what was good of it before stays. From source and beside the executable it runs the same,
 * also where there is no node_modules.
 */

import { isUtf8 } from "node:buffer";
import { basename, dirname, relative } from "node:path";
import * as typebox from "@sinclair/typebox";
import * as elysia from "elysia";
import { messageOf } from "../basics/errors";
import * as skeleton from "../kit";
import type { Plugin } from "../protocols";
import { type Fault, faultOf, isFixed, isRequired, keyOf } from "./fault";
import { createFinder, type FoundFile, whyUnreadable } from "./find";
import { type Exports, withFunctions } from "./function-tools";
import { inTime, type Patience } from "./patience";
import type { SettingsFile } from "./settings";
import { checkPlugin, isName } from "./shape";

/** One that is loaded: the same object as long as neither its files nor its settings change. */
export interface LoadedPlugin extends Plugin {
  readonly priority: number;
  /** Path below the plugins folder; null for one that is no file. */
  readonly file: string | null;
  /** One that fails is the end, because nothing is there to take its place. */
  readonly isBuiltIn: boolean;
  /** What `core.settings` gives; undefined for a plugin without a schema. */
  readonly values: unknown;
  /** Its providers by protocol, and by the base that each was made around. */
  readonly made: Map<string, WeakMap<object, unknown>>;
}

/** What became of a file, or of a plugin that is none. */
export interface PluginEntry {
  /** Null for one that is no file, and never changes. */
  readonly found: FoundFile | null;
  /** As it was last good; null = it never was. */
  readonly plugin: LoadedPlugin | null;
  /** Why what was found is not used. */
  readonly fault: Fault | null;
}

/** By file, or by name where there is none, in the order in which plugins of one priority wrap one another. */
export type Entries = ReadonlyMap<string, PluginEntry>;

export interface LoadOptions {
  /** Null = none. */
  readonly folder: string | null;
  readonly settings: SettingsFile;
  readonly patience: Patience;
}

const SETTLE_MS = 50; // A file that changed this recently may be half written, or about to be renamed into place.
const SETTLE_MAX_MS = 500; // But one that keeps changing is read in the end.

/**
 * Gives what became of all that there is, or null when nothing has changed since the last time. `isForced`: takes files as they are this
 * moment, and tries again what failed.
 */
export type Load = (before: Entries, isForced: boolean) => Promise<Entries | null>;

export function createLoad(options: LoadOptions): Load {
  const { folder, settings } = options;
  const find = createFinder(folder);
  let version: unknown;

  const changesSince = async (before: Entries, isForced: boolean) => {
    const found = await find();
    const hasSettings = settings.version(isForced) !== version;
    const changed = found.filter(({ file, identity }) => {
      const entry = before.get(file);
      if (entry?.found?.identity !== identity || (isBroken(entry) && (isForced || hasSettings))) return true;
      return hasSettings && entry.plugin !== null && settings.differ(entry.plugin);
    });
    const gone = [...before.values()].filter((entry) => isGone(entry, found) && entry.found?.identity !== GONE);
    return { found, changed, gone, hasAny: hasSettings || changed.length + gone.length > 0 };
  };

  /** Waits for whoever is writing. */
  const settle = async (before: Entries, isForced: boolean) => {
    const end = Date.now() + SETTLE_MAX_MS;
    for (let round = 0; ; round++) {
      const changes = await changesSince(before, isForced);
      // A file that is gone may be about to come back: some editors save like that.
      const isFresh = changes.changed.some(isBeingWritten) || (changes.gone.length > 0 && round === 0);
      if (isForced || version === undefined || !isFresh || Date.now() > end) return changes;
      await Bun.sleep(SETTLE_MS);
    }
  };

  return async (before, isForced) => {
    const { found, changed, hasAny } = await settle(before, isForced);
    if (!hasAny) return null;
    version = settings.version(isForced);
    const next = new Map([...before].filter(([, entry]) => entry.found === null));
    const same = found.filter((it) => !changed.includes(it));
    const kept = new Set(same.flatMap(({ file, paths }) => (isBroken(before.get(file)) ? [] : paths)));
    for (const { paths } of changed) forget(paths, kept);
    for (const it of found) {
      const earlier = before.get(it.file);
      next.set(it.file, earlier && same.includes(it) ? earlier : await loadFile(it, earlier?.plugin ?? null, options));
    }
    for (const [file, entry] of before) {
      const left = next.has(file) ? null : isGone(entry, found) ? entryOfGone(entry, next, settings) : entry;
      if (left) next.set(file, left);
    }
    return next;
  };
}

/** Plugins that are no files: the built-ins, and more for tests and checks. */
export function givenEntries(builtIns: readonly Plugin[], given: readonly Plugin[], settings: SettingsFile): Entries {
  const own = builtIns.map((plugin) => ({ ...loaded({ priority: 0, ...plugin }, null, settings), isBuiltIn: true }));
  const others = given.map((plugin) => loaded(checkPlugin(plugin), null, settings));
  return new Map([...own, ...others].map((plugin) => [keyOf(plugin), { found: null, plugin, fault: null }]));
}

function isBroken(entry: PluginEntry | undefined): boolean {
  return Boolean(entry?.fault && !entry.fault.isPartial);
}

/** Nobody knows what is in a folder that cannot be read: the file may be there. */
function isGone({ found }: PluginEntry, all: readonly FoundFile[]): boolean {
  if (!found) return false;
  return !all.some(({ file }) => file === found.file || file === "." || found.file.startsWith(`${file}/`));
}

function isBeingWritten({ changedAt }: FoundFile): boolean {
  const now = Date.now();
  return now >= changedAt && now - changedAt < SETTLE_MS;
}

const GONE = "gone";
const GONE_WHY =
  "Its file is not there any more. It stays in use until the server starts again, which then goes without it.";

/** The server does not run without it, unless it only moved to another file. Null = it goes. */
function entryOfGone({ found, plugin }: PluginEntry, others: Entries, settings: SettingsFile): PluginEntry | null {
  if (!found || !plugin) return null;
  const hasMoved = [...others.values()].some((it) => it.plugin?.name === plugin.name);
  if (!isFixed(plugin) && (hasMoved || !isRequired(plugin, settings))) return null;
  return { found: { ...found, identity: GONE }, plugin, fault: faultOf(plugin, new Error(GONE_WHY), settings) };
}

const NO_DEFAULT = "It has no default export; export the plugin object as default, or functions if it is in tools/.";
const FILE_MAX = 16 * 1024 ** 2; // Bytes. The largest bundle is a tenth of it, and to parse 60 MiB stops the server for 10 s.

async function loadFile(
  found: FoundFile,
  earlier: LoadedPlugin | null,
  { settings, patience }: LoadOptions,
): Promise<PluginEntry> {
  const { file, unusable, paths } = found;
  const [path = ""] = paths;
  let exported: unknown;
  const faultFor = (cause: unknown) => {
    const { name, ...known } = readableOf(exported);
    const ofFile = file.replace(/^.*\/|\.ts$/g, "");
    return faultOf({ ...known, name: isName(name) ? name : ofFile, file }, cause, settings);
  };
  try {
    if (unusable !== null) throw new Error(unusable);
    await requireText(path);
    const exports = await importFile(path, patience.loadS);
    const isOfTools = file.startsWith("tools/");
    const made = isOfTools ? await withFunctions(exports, path, file) : { plugin: exports.default, refused: [] };
    exported = made.plugin;
    if (exported === undefined) throw new Error(NO_DEFAULT);
    const plugin = loaded(checkPlugin(exported), file, settings);
    const refused = made.refused.join(" ");
    return { found, plugin, fault: refused ? { ...faultFor(new Error(refused)), isPartial: true } : null };
  } catch (error) {
    return { found, plugin: earlier, fault: faultFor(error) };
  }
}

async function requireText(path: string): Promise<void> {
  const file = Bun.file(path);
  if (file.size > FILE_MAX) throw new Error(`It cannot be loaded: it is larger than ${FILE_MAX / 1024 ** 2} MiB.`);
  const bytes = await file.bytes().catch((error) => {
    throw new Error(`It cannot be loaded: ${whyUnreadable(error)}.`, { cause: error });
  });
  if (!isUtf8(bytes)) throw new Error("It cannot be loaded: it is no text in UTF-8; save it as such.");
}

/** What can be told of a plugin that cannot be used: a member may be what throws. */
function readableOf(exported: unknown): { name?: unknown; required?: unknown; provide?: unknown } {
  const members = ["name", "required", "provide"].map((member) => {
    try {
      return [member, Reflect.get(Object(exported), member)];
    } catch {
      return [member, undefined];
    }
  });
  return Object.fromEntries(members);
}

const PRIORITY = 10; // Of a plugin that does not say: over the built-ins.

/** Throws an Error when the settings do not fit. */
function loaded(plugin: Plugin, file: string | null, settings: SettingsFile): LoadedPlugin {
  const { priority = PRIORITY } = plugin;
  return { ...plugin, priority, file, isBuiltIn: false, values: settings.read(plugin), made: new Map() };
}

/** What `import … from` these names gives in a plugin's file: packages that plugins share with the server. */
const SHARED: Readonly<Record<string, object>> = { skeleton, elysia, "@sinclair/typebox": typebox };

/** What only files of plugin_library/ need: in the executable, and loaded when the first plugin imports it. */
const ON_DEMAND: Readonly<Record<string, () => Promise<object>>> = {
  "@modelcontextprotocol/client": () => import("@modelcontextprotocol/client"),
  "@modelcontextprotocol/client/stdio": () => import("@modelcontextprotocol/client/stdio"),
};

let isRegistered = false;

/** Once in a process, and before any file is imported. */
function registerModules(): void {
  if (isRegistered) return;
  isRegistered = true;
  Bun.plugin({
    name: "skeleton",
    setup(build) {
      for (const [name, exports] of Object.entries(SHARED)) {
        build.module(name, () => ({ exports: { ...exports }, loader: "object" }));
      }
      for (const [name, load] of Object.entries(ON_DEMAND)) {
        build.module(name, async () => ({ exports: { ...(await loadReal(name, load)) }, loader: "object" }));
      }
    },
  });
}

/** From source the name would lead here again, and its path leads to the package; in the executable nothing has a path. */
function loadReal(name: string, load: () => Promise<object>): Promise<object> {
  return Bun.isStandaloneExecutable ? load() : import(Bun.resolveSync(name, import.meta.dir));
}

/** How often each file was imported that has hung: it stays in the runtime's registry, and runs anew under another name alone. */
const rounds = new Map<string, number>();

/** Throws an Error that says where it fails and what to do. */
async function importFile(path: string, seconds: number): Promise<Exports> {
  registerModules();
  const round = rounds.get(path) ?? 0;
  const importing: Promise<Exports> = import(round === 0 ? path : `${path}?${round}`);
  try {
    return await inTime(seconds, "top-level `await`", () => importing);
  } catch (error) {
    if (round > 0 || Bun.peek.status(importing) === "pending") rounds.set(path, round + 1);
    throw new Error(`It cannot be loaded: ${whyUnloadable(error, path)}`, { cause: error });
  }
}

/** Lets the next import of a file run it anew with all that it imports, but for what others go on with. */
function forget([path, ...imports]: readonly string[], kept: ReadonlySet<string>): void {
  if (path !== undefined) delete require.cache[path];
  for (const it of imports) if (!kept.has(it)) delete require.cache[it];
}

/** `path` is the plugin's file; what went wrong may be in one that it imports. */
function whyUnloadable(thrown: unknown, path: string): string {
  // Of what Bun found wrong in a text the first is said; later ones follow from it.
  const error: unknown = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  if (error instanceof BuildMessage && error.position) {
    return `${placeOf(error.position.file, error.position.line, path)}: ${error.message}`;
  }
  if (error instanceof ResolveMessage) return unresolved(error, path);
  const message = messageOf(error).replace(/^Its /, "its ");
  const hint = /before initialization/.test(message) ? " Do two files import one another?" : "";
  const place = error instanceof Error ? thrownAt(error, path) : null;
  return (place === null ? message : `${place}: ${message}`) + hint;
}

function unresolved({ specifier, referrer }: ResolveMessage, path: string): string {
  const who = referrer === path ? "it" : basename(referrer);
  if (/^[./]/.test(specifier)) return `there is no file ${specifier}, which ${who} imports.`;
  return (
    `there is no package ${specifier} here, which ${who} imports. Bundle it into the file with ` +
    `\`bun build mine.ts --target=bun --external skeleton --outfile=${basename(path)}\`.`
  );
}

/** The first place in a file of the plugins folder; nothing of what Bun or we do in between. */
function thrownAt({ stack = "" }: Error, path: string): string | null {
  for (const [, file = "", line] of stack.matchAll(/(?:\(|at )(\/[^\n()]+?):(\d+)(?::\d+)?\)?$/gm)) {
    if (!relative(dirname(path), file).startsWith("../..")) return placeOf(file, Number(line), path);
  }
  return null;
}

function placeOf(file: string, line: number, path: string): string {
  return file === path ? `line ${line}` : `line ${line} of ${relative(dirname(path), file)}`;
}
