/** What a TypeScript file declares, imports and exports: of functions and types, and without running it. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Expression, File, ParserPlugin } from "@babel/parser";
import { messageOf } from "../../basics/errors";

type Statement = File["program"]["body"][number];
type Declared<Type extends Statement["type"]> = Extract<Statement, { readonly type: Type }>;

export type TypeNode = Declared<"TSTypeAliasDeclaration">["typeAnnotation"];
export type TypeDeclaration = Declared<"TSTypeAliasDeclaration" | "TSInterfaceDeclaration" | "TSEnumDeclaration">;
export type FunctionNode =
  | Declared<"FunctionDeclaration">
  | Extract<Expression, { readonly type: "FunctionExpression" | "ArrowFunctionExpression" }>;

export interface DeclaredFunction {
  readonly node: FunctionNode;
  readonly doc: Doc;
}

export interface SourceFile {
  readonly text: string;
  readonly functions: ReadonlyMap<string, DeclaredFunction>;
  readonly types: ReadonlyMap<string, TypeDeclaration>;
  /** By the name inside. */
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>;
  /** From the name outside to the name inside, of what the file has itself. */
  readonly exports: ReadonlyMap<string, string>;
}

const PLUGINS: ParserPlugin[] = ["typescript", "decorators", "decoratorAutoAccessors"]; // What the runtime takes.
const TEXT_MAX = 200_000; // Characters: some 400 ms of a busy core, in which nothing else happens; by hand nobody writes as many.

/** Throws an Error whose message says why the file cannot be read. */
export async function readSource(path: string): Promise<SourceFile> {
  const text = readFileSync(path, "utf8");
  if (text.length > TEXT_MAX) throw new Error(`The types in ${basename(path)} cannot be read: it is too long.`);
  const functions = new Map<string, DeclaredFunction>();
  const types = new Map<string, TypeDeclaration>();
  const imports = new Map<string, { from: string; name: string }>();
  const exports = new Map<string, string>();
  for (const outer of await parseFile(path, text)) {
    const isExport = outer.type === "ExportNamedDeclaration";
    const statement = (isExport && outer.declaration) || outer;
    if (isTypeDeclaration(statement)) types.set(statement.id.name, statement);
    for (const [name, node] of functionsOf(statement)) {
      functions.set(name, { node, doc: readDoc(outer.leadingComments) });
      if (isExport) exports.set(name, name);
    }
    for (const it of isExport && !outer.source ? outer.specifiers : []) {
      if (it.type === "ExportSpecifier") exports.set(nameOf(it.exported), nameOf(it.local));
    }
    for (const it of outer.type === "ImportDeclaration" ? outer.specifiers : []) {
      const name = it.type === "ImportSpecifier" ? nameOf(it.imported) : "default";
      imports.set(it.local.name, { from: (outer as Declared<"ImportDeclaration">).source.value, name });
    }
  }
  return { text, functions, types, imports, exports };
}

/** The runtime has loaded the file already, so what Babel finds wrong and can pass over is left to it. */
async function parseFile(path: string, text: string): Promise<readonly Statement[]> {
  const { parse } = await import("@babel/parser");
  try {
    return parse(text, { sourceType: "module", plugins: PLUGINS, errorRecovery: true }).program.body;
  } catch (error) {
    const why = error instanceof RangeError ? "it nests too deep." : messageOf(error);
    throw new Error(`The types in ${basename(path)} cannot be read: ${why}`);
  }
}

function isTypeDeclaration(statement: Statement): statement is TypeDeclaration {
  return ["TSTypeAliasDeclaration", "TSInterfaceDeclaration", "TSEnumDeclaration"].includes(statement.type);
}

function functionsOf(statement: Statement): [string, FunctionNode][] {
  if (statement.type === "FunctionDeclaration") return statement.id ? [[statement.id.name, statement]] : [];
  if (statement.type !== "VariableDeclaration") return [];
  return statement.declarations.flatMap(({ id, init }) => {
    const isFunction = init?.type === "FunctionExpression" || init?.type === "ArrowFunctionExpression";
    return isFunction && id.type === "Identifier" ? [[id.name, init]] : [];
  });
}

function nameOf(node: { readonly type: string; readonly name?: string; readonly value?: unknown }): string {
  return node.name ?? String(node.value);
}

/** What a JSDoc comment says before its first tag, and in its `@param` tags. Other tags are nothing to a model. */
export interface Doc {
  readonly description: string;
  readonly params: ReadonlyMap<string, string>;
}

/** Of the comments before a piece of code the last JSDoc one counts; empty when there is none. */
export function readDoc(
  comments: readonly { readonly type: string; readonly value: string }[] | null | undefined,
): Doc {
  const last = comments?.findLast(({ type, value }) => type === "CommentBlock" && value.startsWith("*"));
  const text = last?.value.replace(/^\*+|^[^\S\n]*\*(?!\*)/gm, "") ?? "";
  // In a comment of one line a `@param` may stand within it.
  const [description = "", ...tags] = text.split(/^\s*@(?=\w)|\s@(?=param\s)/m);
  return { description: joinLines(description), params: new Map(tags.flatMap(readParam)) };
}

/** `@param {type} name - text`; the type is that of the code, and `[name=1]` is how JSDoc writes an optional one. */
function readParam(tag: string): [string, string][] {
  const match = /^param\s+(?:\{[^}]*\}\s*)?\[?([^\s\]=[]+)(?:=[^\]]*)?\]?\s*(?:-\s*)?/.exec(tag);
  return match?.[1] ? [[match[1], joinLines(tag.slice(match[0].length))]] : [];
}

/** Lines are broken for the width of an editor; an empty one parts paragraphs. */
function joinLines(text: string): string {
  const paragraphs = text.split(/\n\s*\n/).map((it) => it.trim().replace(/\s+/g, " "));
  return paragraphs.filter((it) => it !== "").join("\n\n");
}
