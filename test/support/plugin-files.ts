/** Plugins as a person has them: files in a plugins folder outside the project, and what a core made of them has to say. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createLog } from "../../src/basics/log";
import { type Installed, type InstallOptions, install } from "../../src/plugins";
import { createLoad } from "../../src/plugins/load";
import { PATIENCE } from "../../src/plugins/patience";
import { createSettingsFile } from "../../src/plugins/settings";
import type { Config, Plugin } from "../../src/protocols";
import { atEnd } from "./at-end";
import { temporaryFolder, testConfig } from "./temporary";

/** Texts of files by their path in the plugins folder. */
export type Files = Readonly<Record<string, string>>;

export function writePlugins(folder: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** What becomes of the files of a folder before anything is made of them. */
export async function loadFiles(folder: string) {
  const settings = createSettingsFile(
    folder,
    createLog("error", () => {}),
  );
  const entries = (await createLoad({ folder, settings, patience: PATIENCE })(new Map(), false)) ?? null;
  const all = [...(entries?.values() ?? [])];
  const faults = all.flatMap(({ fault }) => (fault ? [{ file: fault.file, message: fault.message }] : []));
  return { plugins: all.flatMap(({ plugin }) => plugin ?? []), faults };
}

export interface Loaded extends Installed {
  /** The log, a line each, without times. */
  readonly lines: readonly string[];
  /** Path of the fault's file (or the plugin's name) and what is wrong with it. */
  readonly wrong: readonly (readonly [string, string])[];
}

/** A core with the plugins of these files; a model that answers "base" is below them. */
export async function loadPlugins(
  files: Files,
  {
    plugins = [],
    patience = {},
    looking = {},
    ...overrides
  }: Partial<Config> & Pick<InstallOptions, "patience" | "looking"> & { readonly plugins?: readonly Plugin[] } = {},
): Promise<Loaded> {
  const config = testConfig(overrides.dataPath ?? temporaryFolder(), { mode: "ephemeral", ...overrides });
  writePlugins(config.pluginsPath, files);
  const lines: string[] = [];
  const log = createLog("info", (_, line) => lines.push(line.replace(/^\S+ /, "")));
  const installed = await install({ config, log, plugins: [baseModel, ...plugins], patience, looking });
  let isStopped = false;
  const stop = async (graceMs = 0) => {
    if (!isStopped) await installed.stop(graceMs);
    isStopped = true;
  };
  atEnd(stop);
  const wrong = installed.core.plugins.faults().map(({ plugin, file, message }) => [file ?? plugin, message] as const);
  return { ...installed, stop, lines, wrong };
}

/** Below all files, so that nothing looks for a model server. */
const baseModel: Plugin = {
  name: "base-model",
  priority: 1,
  provide: {
    model: () => ({
      list: async () => ["base"],
      async *stream() {
        yield { type: "text", text: "base" };
        yield { type: "finish", reason: "stop" };
      },
    }),
  },
};

/** A file whose plugin appends a letter to the models that it wraps. */
export function appending(letter: string, more = ""): string {
  return `export default {
  name: "appends-${letter}",
  ${more}
  provide: { model: (core, base) => ({ ...base, list: async () => (await base.list()).map((id) => id + "${letter}") }) },
};`;
}
