/**
 * Which plugins the server does not run without. Left out, a store, a sign-in, a budget or a redaction would be replaced by less
 * without a word: a new and empty database, a link for whoever comes to become administrator, secrets that are shown.
 */

import { isRecord } from "../basics/json";
import { requireDataFolder } from "../core/data-folder";
import type { Config, Plugin, ProtocolName } from "../protocols";
import { type Faults, WITHOUT } from "./fault";
import type { Seen } from "./files";
import type { SettingsFile } from "./settings";

const GUARDED: readonly ProtocolName[] = ["store", "bus", "auth", "file", "limit"];

/** Whether the server does not run without it: by its own word or by the owner's. */
export function isRequired(plugin: Plugin, settings: SettingsFile): boolean {
  return saysRequired(plugin.required, plugin.provide ?? {}) || settings.required().includes(plugin.name);
}

/** The same of a file at the start, of which `exported` is all that is known; undefined = it did not come so far. */
export function mayBeRequired({ file, kind }: Pick<Seen, "file" | "kind">, exported: unknown): boolean {
  if (kind === "folder") return file === "." || file === "core";
  if (kind === "stray") return false;
  const { required, provide } = isRecord(exported) ? exported : {};
  if (required === undefined && file.startsWith("core/")) return true;
  return saysRequired(required, isRecord(provide) ? provide : {});
}

function saysRequired(required: unknown, provide: Readonly<Record<string, unknown>>): boolean {
  return typeof required === "boolean" ? required : GUARDED.some((protocol) => provide[protocol] !== undefined);
}

/** Throws an Error when nobody can know what the owner requires; with `faults`, for a check, it is one of them. */
export function holdToSettings(settings: SettingsFile, config: Config, faults: Faults | null): void {
  const problem = settings.problem();
  if (problem === null) return;
  const sentence = `plugins.yaml cannot be used: ${problem}.`.replaceAll("..", ".");
  if (faults) {
    faults.add({ name: "plugins.yaml", file: null }, new Error(sentence));
    return;
  }
  if (/^E[A-Z]+:/.test(problem)) requireDataFolder(config);
  throw new Error(`${sentence} It may require a plugin, so the server does not start without it: mend it. ${WITHOUT}`);
}

/** Names in `require` that none of the plugins has: each is a fault, which ends a start. `before`: those that were missing earlier. */
export function holdToNames(
  settings: SettingsFile,
  plugins: readonly Plugin[],
  faults: Faults,
  before: readonly string[],
): readonly string[] {
  const missing = settings.required().filter((name) => !plugins.some((plugin) => plugin.name === name));
  for (const name of before) if (!missing.includes(name)) faults.clear({ name, file: null });
  for (const name of missing) {
    const file = faults.list().find((fault) => fault.plugin === name && fault.file !== null)?.file ?? null;
    const why = file === null ? "there is no plugin of that name. Install it," : `${file} cannot be used. Mend it,`;
    const message = `plugins.yaml requires it, and ${why} or take the name out of \`require\`.`;
    faults.add({ name, file: null }, new Error(message), { isRequired: true });
  }
  return missing;
}
