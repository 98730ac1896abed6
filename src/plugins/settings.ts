/**
 * The settings of plugins: `plugins.yaml` in the data folder, a map by the plugins' names. Each part is checked against its
 * plugin's schema, with defaults filled in and `${NAME}` replaced by environment variables. No message holds a value: it may be
 * a secret.
 */

import { join } from "node:path";
import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { isRecord } from "../basics/json";
import { secretVariable } from "../config";
import { createYamlFile } from "../core/yaml-file";
import type { Log, Plugin } from "../protocols";
import { misfit } from "../tools/json-schema";
import { NOT_NAMES } from "./shape";

export interface SettingsFile {
  readonly path: string;
  /** The plugin's settings as the file has them now, frozen; undefined for one without a schema. Throws an Error that says what to mend. */
  read(plugin: Plugin): unknown;
  /** Another object whenever the file says something else. */
  version(isForced: boolean): unknown;
  /** Whether the plugin was given other settings than the file has now, good or not. */
  differ(plugin: Plugin & { readonly values: unknown }): boolean;
  /** Names of the parts of the file that none of the plugins reads. */
  unread(plugins: readonly Plugin[]): readonly string[];
  /** The names in its `require`: plugins without which the owner does not want the server to run. */
  required(): readonly string[];
  /** Why the file as it is now cannot be used; null = it can, or there is none. */
  problem(): string | null;
}

export function createSettingsFile(folder: string, log: Log): SettingsFile {
  const path = join(folder, "plugins.yaml");
  const file = createYamlFile<SettingsParts>({ path, missing: {}, parse: parseParts, log });
  const read = ({ name, settings }: Plugin): unknown => {
    if (!settings) return undefined;
    const parts = file.get();
    // Defaults are not what the owner wrote.
    if (file.problem() !== null) throw new Error(`plugins.yaml cannot be used: ${file.problem()}`);
    const wrong = (what: string) => new Error(`Its settings in plugins.yaml do not fit: ${what}.`);
    const value = Value.Default(settings, asJson(parts[name] ?? {}, wrong));
    const found = misfit(closed(settings), value, matchesSetting);
    if (found !== null) throw wrong(found);
    return deepFreeze(value);
  };

  return {
    path,
    read,
    version: (isForced) => (isForced ? file.refresh() : file.get()),
    differ(plugin) {
      try {
        return !Bun.deepEquals(read(plugin), plugin.values, true);
      } catch {
        return true; // Loading the plugin anew says what is wrong.
      }
    },
    unread(plugins) {
      const known = plugins.filter(({ settings }) => settings).map(({ name }) => name);
      return Object.keys(file.get()).filter((name) => !known.includes(name) && !NOT_NAMES.includes(name));
    },
    required: () => (file.get().require as readonly string[] | null | undefined) ?? [],
    problem: file.problem,
  };
}

/** What `core.settings` gives. */
export function settingsOf<T>(
  name: string,
  plugins: readonly { readonly name: string; readonly values: unknown }[],
): T {
  const values = plugins.find((plugin) => plugin.name === name)?.values;
  if (values === undefined) throw new Error(`There is no plugin ${name} that has settings.`);
  return values as T;
}

type SettingsParts = Readonly<Record<string, unknown>>;
type Wrong = (what: string) => Error;

function parseParts(content: unknown): SettingsParts {
  if (content === null) return {};
  if (!isRecord(content)) throw new Error("It has to be a map of plugin names to their settings");
  const { require = null } = content;
  const isList = Array.isArray(require) && require.every((name) => typeof name === "string");
  if (require !== null && !isList)
    throw new Error("Its `require` has to be a list of names of plugins, such as [usage]");
  return content;
}

/** A copy with variables put in. YAML can say what JSON cannot: a map that contains itself. */
function asJson(part: unknown, wrong: Wrong): unknown {
  let text: string;
  try {
    text = JSON.stringify(part);
  } catch {
    throw wrong("they contain themselves");
  }
  return JSON.parse(text, (_, value) => (typeof value === "string" ? withVariables(value, wrong) : value));
}

const VARIABLE = /(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** `${NAME}`; `$${NAME}` stands for itself. */
function withVariables(text: string, wrong: Wrong): string {
  return text.replace(VARIABLE, (reference: string, isEscaped: string, name: string) => {
    if (isEscaped) return reference.slice(1);
    const found = secretVariable(name);
    if (found === null) throw wrong(`they need the environment variable ${name}, which is not set`);
    return found;
  });
}

/** A name that the schema does not know is a typing error, unless the schema says that others are welcome. */
function closed(schema: TSchema): TSchema {
  if (schema.type !== "object" || schema.additionalProperties !== undefined || schema.patternProperties) return schema;
  return Type.Unsafe({ ...schema, additionalProperties: false });
}

/** By RegExp, which knows every pattern: the plugin's author wrote it, and the owner what it meets. Throws an Error for what is no pattern. */
function matchesSetting(pattern: string, text: string): boolean {
  // Without the flag too, for what is an escape there alone, such as `\-`.
  for (const flags of ["u", ""]) {
    try {
      return new RegExp(pattern, flags).test(text);
    } catch {}
  }
  throw new Error(`The schema of its settings has a pattern that is no regular expression: ${pattern}`);
}

function deepFreeze(value: unknown): unknown {
  if (typeof value === "object" && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
