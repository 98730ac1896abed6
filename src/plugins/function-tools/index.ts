/**
 * Exported functions of a plugin file as tools: the name is that of the function, the description its JSDoc, and the schema
 * is made of the types of its parameters, which stand in the same file. The file is read as text for that, also beside the
 * executable, because types are gone when it runs.
 */

import { basename } from "node:path";
import { type TSchema, Type } from "@sinclair/typebox";
import { messageOf } from "../../basics/errors";
import type { Core, Plugin, Tool, Turn } from "../../protocols";
import { withMore } from "../offers";
import { checkPlugin } from "../shape";
import { literalValue, OF_LITERALS, schemaOf, withDates, withDescription } from "./schema";
import { type Doc, type FunctionNode, readSource, type SourceFile, type TypeNode } from "./source";

/** What a file exports, by name. */
export type Exports = Readonly<Record<string, unknown>>;

export interface WithFunctions {
  /** The plugin that the file is, its exported functions among its tools. Undefined when it exports neither plugin nor function. */
  readonly plugin: unknown;
  /** Why some of its functions are no tools: a sentence each. */
  readonly refused: readonly string[];
}

/** Throws an Error when nothing of the file can be used. */
export async function withFunctions(exports: Exports, path: string, file: string): Promise<WithFunctions> {
  if (typeof exports.default === "function") {
    throw new Error("Its default export is a function; export it under its name, without `default`.");
  }
  const functions = Object.entries(exports).filter(([name, value]) => name !== "default" && isFunction(value));
  // Others are not parsed: a bundled plugin may have megabytes, and the parser is loaded for those who need it.
  if (functions.length === 0) return { plugin: exports.default, refused: [] };
  const source = await readSource(path);
  const tools: Tool[] = [];
  const refused: string[] = [];
  for (const [name, run] of functions) {
    try {
      tools.push(readTool(name, run as Callable, source));
    } catch (error) {
      refused.push(`Function ${name}${messageOf(error)}`);
    }
  }
  if (exports.default !== undefined) return { plugin: withTools(checkPlugin(exports.default), tools), refused };
  if (tools.length === 0) throw new Error(refused.join(" "));
  return { plugin: { name: pluginName(file), tools } satisfies Plugin, refused };
}

type Callable = (...args: readonly unknown[]) => ReturnType<Tool["execute"]>;

/** A class is none, although it is called one. */
function isFunction(value: unknown): boolean {
  return typeof value === "function" && !/^class\b/.test(Function.prototype.toString.call(value));
}

function withTools(plugin: Plugin, tools: readonly Tool[]): Plugin {
  const { tools: own = [] } = plugin;
  if (typeof own !== "function") return { ...plugin, tools: [...own, ...tools] };
  return { ...plugin, tools: async (core: Core) => withMore(await own(core), tools) };
}

/** Throws an Error whose message follows the function's name in a sentence. */
function readTool(name: string, run: Callable, source: SourceFile): Tool {
  if (!/^[\w-]{1,64}$/.test(name)) throw new Error(": the name of a tool must be 1 to 64 of a-z, A-Z, 0-9, _ and -.");
  const found = source.functions.get(source.exports.get(name) ?? "");
  if (!found) throw new Error(`: its types are not found; write it in this file as \`export function ${name}(…)\`.`);
  const { node, doc } = found;
  if (node.generator && !node.async) throw new Error(": a generator must be `async function*`.");
  if (node.typeParameters) throw new Error(": it is generic; write its types out.");
  const parameters = node.params.map((parameter, at) => readParameter(parameter, at, doc, source));
  const named = parameters.flatMap((parameter) => (parameter === "turn" ? [] : [parameter]));
  // Closed, because an argument that has no place in the call would be lost without a word.
  const schema = Type.Object(Object.fromEntries(named.map((it) => [it.name, it.schema])), {
    additionalProperties: false,
  });
  return {
    name,
    description: doc.description,
    parameters: schema,
    execute(args: object, turn: Turn) {
      const values = new Map(Object.entries(withDates(schema, args) as object));
      return run(...parameters.map((parameter) => (parameter === "turn" ? turn : values.get(parameter.name))));
    },
  };
}

/** `turn` = the turn is passed there, and the model does not know of it. */
type Parameter = "turn" | { readonly name: string; readonly schema: TSchema };

function readParameter(node: FunctionNode["params"][number], at: number, doc: Doc, source: SourceFile): Parameter {
  const { left, right } = node.type === "AssignmentPattern" ? node : { left: node, right: null };
  const name = left.type === "Identifier" ? left.name : String(at + 1);
  try {
    if (left.type !== "Identifier") throw new Error("give it a name and a type of its own, such as `place: Place`.");
    const type = left.typeAnnotation?.type === "TSTypeAnnotation" ? left.typeAnnotation.typeAnnotation : null;
    if (type && isTurn(type, source)) return "turn";
    if (!/^[\w.-]{1,64}$/.test(name) || name === "this")
      throw new Error("endpoints take 1 to 64 of a-z, A-Z, 0-9 and _ only.");
    const value = right ? literalValue(right) : undefined;
    const plain = type ? schemaOf(type, source) : schemaOfValue(value);
    const schema = withDescription(value === undefined ? plain : { ...plain, default: value }, doc.params.get(name));
    return { name, schema: left.optional || right ? Type.Optional(schema) : schema };
  } catch (error) {
    throw new Error(`, parameter ${name}: ${messageOf(error)}`);
  }
}

/** Known by where it is imported from, whatever the file calls it. */
function isTurn(type: TypeNode, { imports }: SourceFile): boolean {
  if (type.type !== "TSTypeReference" || type.typeName.type !== "Identifier") return false;
  const imported = imports.get(type.typeName.name);
  return imported?.from === "skeleton" && imported.name === "Turn";
}

/** What TypeScript takes for the type of a parameter that has none but a default. */
function schemaOfValue(value: unknown): TSchema {
  const schema = OF_LITERALS[typeof value];
  if (!schema) throw new Error("it has no type; write one, such as `name: string`.");
  return schema;
}

/** `tools/fetchPage.ts` is the plugin `fetch-page`. */
function pluginName(file: string): string {
  const words = basename(file, ".ts")
    .normalize("NFKD")
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, "$1-$2")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  if (words) return words.join("-").slice(0, 64);
  throw new Error("Its plugin is named like the file, which must have a letter a-z or a digit in its name.");
}
