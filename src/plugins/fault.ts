/**
 * Why a plugin, or a part of it, is not used, and which ones the server does not run without. Left out, a store, a sign-in, a budget or a
 * redaction would be replaced by less without a word: a new and empty database, a link for whoever comes to become administrator, secrets
 * that are shown.
 */

import { join } from "node:path";
import { messageOf } from "../basics/errors";
import { isRecord } from "../basics/json";
import { requireDataFolder } from "../core/data-folder";
import type { Config, Plugin, PluginFault, ProtocolName } from "../protocols";
import type { SettingsFile } from "./settings";

/** A plugin as far as it is known: of one that cannot be loaded that may be its file alone. */
export interface KnownPlugin {
  readonly name: string;
  /** Path below the plugins folder; null for one that is no file. */
  readonly file: string | null;
  readonly isBuiltIn?: boolean;
  readonly required?: unknown;
  readonly provide?: unknown;
}

export interface Fault extends PluginFault {
  /** The server does not start with it. */
  readonly endsStart: boolean;
  /** The plugin is in use, without what the fault names. */
  readonly isPartial?: boolean;
}

/** How the log begins to tell of a plugin that is in use without a part of it. */
export const PARTLY_USED = "A part of a plugin cannot be used";

/** What a plugin is known by from one generation to the next. */
export function keyOf({ file, name, isBuiltIn = false }: KnownPlugin): string {
  return file ?? `${isBuiltIn ? "built-in" : "plugin"} ${name}`;
}

export function faultOf(plugin: KnownPlugin, cause: unknown, settings: SettingsFile): Fault {
  const { name, file, required } = plugin;
  const mayBeRequired = required === undefined && file !== null && isInCore(file);
  return { plugin: name, file, message: sentenceOf(cause), endsStart: isRequired(plugin, settings) || mayBeRequired };
}

const GUARDED: readonly ProtocolName[] = ["store", "bus", "auth", "file", "limit"];

/** Whether the server does not run without it: by its own word or by the owner's. */
export function isRequired({ name, required, provide }: Omit<KnownPlugin, "file">, settings: SettingsFile): boolean {
  const provides = (protocol: ProtocolName) => isRecord(provide) && provide[protocol] !== undefined;
  const says = typeof required === "boolean" ? required : GUARDED.some(provides);
  return says || settings.required().includes(name);
}

/** Where what cannot be loaded may be required, and cannot say so: the folder, core/ and the plugins in it. */
function isInCore(file: string): boolean {
  return file === "." || file === "core" || (file.startsWith("core/") && file.endsWith(".ts"));
}

const FIXED = ["store", "bus"] as const;

/** Whether running turns and open pages stand on it, so that it stays as it is while the server runs. */
export function isFixed({ provide }: Plugin): boolean {
  return FIXED.some((protocol) => provide?.[protocol]);
}

const MESSAGE_MAX = 500; // Characters. Some errors quote the whole text of a file.

function sentenceOf(cause: unknown): string {
  const message = messageOf(cause).replace(/\s+/g, " ").trim();
  return message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX)}…` : message;
}

/** Faults of plugins.yaml: that it cannot be used, and names in its `require` that no plugin has. `faults` of plugins may say why. */
export function faultsOfOwner(settings: SettingsFile, plugins: readonly Plugin[], faults: readonly Fault[]): Fault[] {
  const missing = settings.required().filter((name) => !plugins.some((plugin) => plugin.name === name));
  const ofNames = missing.map((name) => {
    const file = faults.find((fault) => fault.plugin === name)?.file ?? null;
    const why = file === null ? "there is no plugin of that name. Install it," : `${file} cannot be used. Mend it,`;
    const message = `plugins.yaml requires it, and ${why} or take the name out of \`require\`.`;
    return faultOf({ name, file: null }, new Error(message), settings);
  });
  const problem = problemIn(settings);
  return problem === null
    ? ofNames
    : [faultOf({ name: "plugins.yaml", file: null }, new Error(problem), settings), ...ofNames];
}

function problemIn(settings: SettingsFile): string | null {
  const problem = settings.problem();
  return problem && `plugins.yaml cannot be used: ${problem}.`.replaceAll("..", ".");
}

/** How to start all the same. */
const WITHOUT = "SKELETON_SKIP_PLUGINS=1 starts without any plugin.";

/** Throws an Error of one line for the first fault with which the server does not start. */
export function requireNone(faults: readonly Fault[], folder: string): void {
  const fault = faults.find(({ endsStart }) => endsStart);
  if (!fault) return;
  const { plugin, file, message } = fault;
  const path = file === null ? null : join(folder, file);
  const what = path === null ? `the plugin ${plugin}` : file?.endsWith(".ts") ? `the plugin ${plugin} (${path})` : path;
  const remedy = path === null ? "" : " Mend it, or take it away; `skeleton check` says all that is wrong.";
  const line = `The server does not start without ${what}: ${message.replace(/[^.!?…]$/, "$&.")}${remedy} ${WITHOUT}`;
  // A file's name may hold a line break.
  throw new Error(line.replace(/\s+/g, " "));
}

/** Throws an Error when nobody can know what the owner requires. */
export function requireSettings(settings: SettingsFile, config: Config): void {
  const problem = problemIn(settings);
  if (problem === null) return;
  if (/^E[A-Z]+:/.test(settings.problem() ?? "")) requireDataFolder(config);
  const why = "It may require a plugin, so the server does not start without it: mend it.";
  throw new Error(`${problem} ${why} ${WITHOUT}`);
}
