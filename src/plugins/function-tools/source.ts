/** What a TypeScript file declares, imports and exports: of functions and types, and without running it. */

import type { Expression, File } from "@babel/parser";
import { type Doc, readDoc } from "./doc";

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
  /** The real one. */
  readonly path: string;
  readonly text: string;
  readonly functions: Map<string, DeclaredFunction>;
  readonly types: Map<string, TypeDeclaration>;
  readonly classes: Map<string, Declared<"ClassDeclaration">>;
  /** By local name. */
  readonly imports: Map<string, { readonly from: string; readonly name: string }>;
  /** By the name outside; `from` is null for what the file itself has under that name. */
  readonly exports: Map<string, { readonly from: string | null; readonly name: string }>;
  /** What `export * from` names. */
  readonly stars: string[];
}

export function createSource(path: string, text: string, { program }: File): SourceFile {
  const source: SourceFile = {
    path,
    text,
    functions: new Map(),
    types: new Map(),
    classes: new Map(),
    imports: new Map(),
    exports: new Map(),
    stars: [],
  };
  for (const statement of program.body) {
    if (statement.type === "ImportDeclaration") addImports(source, statement);
    else if (statement.type === "ExportAllDeclaration") source.stars.push(statement.source.value);
    else if (statement.type === "ExportNamedDeclaration") addExports(source, statement);
    else addDeclaration(source, statement, readDoc(statement.leadingComments));
  }
  return source;
}

function addImports({ imports }: SourceFile, { source, specifiers }: Declared<"ImportDeclaration">): void {
  for (const specifier of specifiers) {
    if (specifier.type === "ImportSpecifier") {
      imports.set(specifier.local.name, { from: source.value, name: nameOf(specifier.imported) });
    } else imports.set(specifier.local.name, { from: source.value, name: "default" });
  }
}

function addExports(source: SourceFile, statement: Declared<"ExportNamedDeclaration">): void {
  for (const specifier of statement.specifiers) {
    if (specifier.type !== "ExportSpecifier") continue;
    const from = statement.source?.value ?? null;
    source.exports.set(nameOf(specifier.exported), { from, name: nameOf(specifier.local) });
  }
  if (!statement.declaration) return;
  for (const name of addDeclaration(source, statement.declaration, readDoc(statement.leadingComments))) {
    source.exports.set(name, { from: null, name });
  }
}

/** Returns the names that are of interest. */
function addDeclaration(source: SourceFile, statement: Statement, doc: Doc): string[] {
  switch (statement.type) {
    case "TSTypeAliasDeclaration":
    case "TSInterfaceDeclaration":
    case "TSEnumDeclaration":
      source.types.set(statement.id.name, statement);
      return [statement.id.name];
    case "ClassDeclaration":
      if (statement.id) source.classes.set(statement.id.name, statement);
      return statement.id ? [statement.id.name] : [];
    case "FunctionDeclaration":
      if (statement.id) source.functions.set(statement.id.name, { node: statement, doc });
      return statement.id ? [statement.id.name] : [];
    case "VariableDeclaration":
      return statement.declarations.flatMap(({ id, init }) => {
        if (id.type !== "Identifier") return [];
        const isFunction = init?.type === "FunctionExpression" || init?.type === "ArrowFunctionExpression";
        if (isFunction) source.functions.set(id.name, { node: init, doc });
        return [id.name];
      });
    default:
      return [];
  }
}

function nameOf(node: { readonly type: string; readonly name?: string; readonly value?: unknown }): string {
  return node.name ?? String(node.value);
}
