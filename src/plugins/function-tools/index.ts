/**
 * Exported functions of a plugin file as tools: the name is that of the function, the description its JSDoc, and the schema
 * is made of the types of its parameters. The file is read as text for that, also beside the executable, because types are
 * gone when it runs.
 */

import type { Core, Plugin, Tool, Turn } from "../../protocols";
import { withMore } from "../offers";
import { checkPlugin } from "../shape";
import { createSources, type Sources } from "./lookup";
import { objectOf } from "./shape";
import { readParameters } from "./signature";
import type { SourceFile } from "./source";

/** What a file exports, by name. */
export type Exports = Readonly<Record<string, unknown>>;

/** The plugin that a file is, its exported functions among its tools. Undefined when it exports neither plugin nor function. */
export async function withFunctions(exports: Exports, path: string, file: string): Promise<unknown> {
  if (typeof exports.default === "function") {
    throw new Error("Its default export is a function; export it under its name, without `default`.");
  }
  const functions = Object.entries(exports).filter(
    ([name, value]) => name !== "default" && typeof value === "function",
  );
  // Others are not parsed: a bundled plugin may have megabytes, and the parser is loaded for those who need it.
  const tools = functions.length === 0 ? [] : await readTools(functions as [string, Callable][], path);
  if (tools.length === 0) return exports.default;
  if (exports.default === undefined) return { name: pluginName(file), tools } satisfies Plugin;
  const plugin = checkPlugin(exports.default);
  const { tools: own = [] } = plugin;
  if (typeof own !== "function") return { ...plugin, tools: [...own, ...tools] };
  return { ...plugin, tools: async (core: Core) => withMore(await own(core), tools) };
}

type Callable = (...args: readonly unknown[]) => unknown;

async function readTools(functions: readonly [string, Callable][], path: string): Promise<Tool[]> {
  const { parse } = await import("@babel/parser");
  const sources = createSources(parse);
  const source = sources.open(path);
  return functions
    .filter(([name]) => sources.findExport("classes", source, name) === null)
    .map(([name, run]) => readTool(name, run, source, sources));
}

function readTool(name: string, run: Callable, source: SourceFile, sources: Sources): Tool {
  if (!/^[\w-]{1,64}$/.test(name)) {
    throw new Error(`Function ${name}: the name of a tool must be 1 to 64 of a-z, A-Z, 0-9, _ and -.`);
  }
  const found = sources.findExport("functions", source, name);
  if (!found) throw new Error(`Function ${name}: its types are not found; write it as \`export function ${name}(…)\`.`);
  const { node, doc } = found.declared;
  if (node.generator && !node.async) throw new Error(`Function ${name}: a generator must be \`async function*\`.`);
  const parameters = readParameters(name, found, sources);
  const named = parameters.filter((parameter) => parameter !== "turn");
  const { schema, convert } = objectOf(new Map(named.map((parameter) => [parameter.name, parameter.shape])));
  return {
    name,
    description: doc.description,
    // Closed, because an argument that has no place in the call would be lost without a word.
    parameters: { ...schema, additionalProperties: false },
    execute(args: object, turn: Turn) {
      const values = new Map(Object.entries((convert ? convert(args) : args) as object));
      const result = run(...parameters.map((parameter) => (parameter === "turn" ? turn : values.get(parameter.name))));
      return isGenerator(result) ? result : Promise.resolve(result);
    },
  };
}

function isGenerator(value: unknown): value is AsyncGenerator<unknown, unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value && "next" in value;
}

/** `tools/fetchPage.ts` is the plugin `fetch-page`. */
function pluginName(file: string): string {
  const words = file.replace(/^.*\/|\.ts$/g, "").normalize("NFKD");
  const name = words
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, "$1-$2")
    .replace(/\p{M}/gu, "")
    .toLowerCase();
  const kebab = name
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 64);
  if (kebab === "")
    throw new Error("Its plugin is named like the file, which must have a letter a-z or a digit in its name.");
  return kebab;
}
