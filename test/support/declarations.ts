/**
 * Makes skeleton.d.ts: all that an editor has to know of `skeleton`, and of what a plugin finds beside it, in one file that needs no other. The
 * build puts it into the executable; from source `skeleton types` runs this file with the path to write to. Our own declarations become the module `skeleton`, each file of a package a module of its path.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "@typescript/typescript6";
import { projectFolder } from "./project";

const ENTRY = join(projectFolder, "src/kit/index.ts");
/** What a plugin may import beside `skeleton`, see src/plugins/load.ts. */
const PACKAGES = ["@sinclair/typebox", "elysia", "@modelcontextprotocol/client", "@modelcontextprotocol/client/stdio"];
/** By which names files name each other: what @types/node imports, beside those. */
const NAMED = [...PACKAGES, "undici-types"];

/** How a file calls the module that it names by `name`; null = it is one of ours. */
type NameOf = (name: string, from: string) => string | null;

if (import.meta.main) {
  const [path = ""] = process.argv.slice(2);
  writeFileSync(path, createDeclarations());
}

/** The text of skeleton.d.ts, in some seconds. */
export function createDeclarations(): string {
  const configPath = join(projectFolder, "tsconfig.json"); // Packages are looked for beside it, wherever the command is run.
  const { compilerOptions } = ts.readConfigFile(configPath, ts.sys.readFile).config;
  const emitting = { ...compilerOptions, noEmit: false, declaration: true, emitDeclarationOnly: true };
  const { options } = ts.convertCompilerOptionsFromJson(emitting, projectFolder, configPath);
  const resolve = (name: string, from: string) =>
    ts.resolveModuleName(name, from, options, ts.sys).resolvedModule?.resolvedFileName;
  const entries = new Map(NAMED.map((name) => [resolve(name, ENTRY) ?? name, name]));
  const moduleName = (path: string) =>
    entries.get(path) ?? path.replace(/^.*\/node_modules\//, "").replace(/\.d\.[cm]?ts$/, "");
  const nameOf: NameOf = (name, from) => {
    const path = resolve(name, from);
    if (path === undefined) return name; // Of the runtime, such as `node:fs`.
    return path.includes("/node_modules/") ? moduleName(path) : null;
  };
  const program = ts.createProgram([ENTRY, ...entries.keys()], options);
  program.getTypeChecker(); // After it, nodes know their parents.
  const packages = program
    .getSourceFiles()
    .filter((file) => file.fileName.includes("/node_modules/") && !program.isSourceFileDefaultLibrary(file))
    .map((file) => (ts.isExternalModule(file) ? moduleOf(file, moduleName(file.fileName), nameOf) : scriptOf(file)));
  return [ownModule(program, nameOf), ...packages].join("\n");
}

function scriptOf({ text }: ts.SourceFile): string {
  return withoutReferences(text);
}

function withoutReferences(text: string): string {
  return text.replace(/^\/\/\/ ?<.*$/gm, "");
}

/** A file that is a module, as one that is declared, and beside it what the file adds to modules of the runtime. */
function moduleOf(file: ts.SourceFile, name: string, nameOf: NameOf): string {
  const textOf = (statement: ts.Statement) => rewritten(statement, file, nameOf);
  const [added = [], kept = []] = [true, false].map((isAdded) =>
    file.statements.filter((it) => isAddition(it) === isAdded && !ts.isNamespaceExportDeclaration(it)),
  );
  const imports = kept.filter((it) => ts.isImportDeclaration(it)).map(textOf);
  // What a package adds to types of another package has no counterpart here.
  const toRuntime = added.filter((it) => !PACKAGES.includes((it as ts.ModuleDeclaration).name.text));
  const beside = toRuntime.map(
    (it) =>
      `declare ${textOf(it)
        .trim()
        .replace("{", `{${imports.join("")}`)}\n`,
  );
  return [`declare module "${name}" {${kept.map(textOf).join("")}\n}\n`, ...beside].join("");
}

/** `declare module "buffer" { … }` in a file that is a module itself. */
function isAddition(statement: ts.Statement): boolean {
  return ts.isModuleDeclaration(statement) && ts.isStringLiteral(statement.name);
}

/** What such a statement adds, or the statement itself. */
function additionsOf(statement: ts.Statement): readonly ts.Statement[] {
  const body = isAddition(statement) ? (statement as ts.ModuleDeclaration).body : undefined;
  return body && ts.isModuleBlock(body) ? body.statements : [statement];
}

/** A statement with its comments, the modules in it by their names here, without `declare`; imported types of ours by their names alone. */
function rewritten(statement: ts.Statement, file: ts.SourceFile, nameOf: NameOf): string {
  const begin = statement.getFullStart();
  const edits: { readonly start: number; readonly end: number; readonly text: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && isSpecifier(node)) {
      const name = nameOf(node.text, file.fileName);
      const { parent } = node.parent;
      if (name !== null) edits.push({ start: node.getStart(file), end: node.end, text: JSON.stringify(name) });
      else if (ts.isImportTypeNode(parent) && parent.qualifier)
        edits.push({ start: parent.getStart(file), end: parent.qualifier.getStart(file), text: "" });
    }
    ts.forEachChild(node, visit);
  };
  visit(statement);
  for (const modifier of modifiersOf(statement)) {
    if (modifier.kind === ts.SyntaxKind.DeclareKeyword)
      edits.push({ start: modifier.getStart(file), end: modifier.end + 1, text: "" });
  }
  let text = file.text.slice(begin, statement.end);
  for (const edit of edits.sort((a, b) => b.start - a.start))
    text = text.slice(0, edit.start - begin) + edit.text + text.slice(edit.end - begin);
  return withoutReferences(text);
}

function modifiersOf(statement: ts.Statement): readonly ts.Modifier[] {
  return ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
}

/** Whether a text is the name of a module: in an import, an export, or a type such as `import("elysia").Context`. */
function isSpecifier(node: ts.StringLiteral): boolean {
  const { parent } = node;
  return (
    ((ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent)) && parent.moduleSpecifier === node) ||
    ts.isExternalModuleReference(parent) ||
    (ts.isLiteralTypeNode(parent) && ts.isImportTypeNode(parent.parent))
  );
}

interface OwnDeclaration {
  readonly text: string;
  /** All names in it. */
  readonly uses: ReadonlySet<string>;
}

/** All that `skeleton` exports, and what that is made of, in one module: a type has its name for itself, see test/architecture.test.ts. */
function ownModule(program: ts.Program, nameOf: NameOf): string {
  const declared = new Map<string, OwnDeclaration[]>();
  const imported = new Map<string, Set<string>>();
  const given: string[] = [];
  for (const file of ownFiles(program)) {
    for (const statement of file.statements.flatMap(additionsOf)) {
      const from = specifierOf(statement);
      const name = from === null ? null : nameOf(from, file.fileName);
      if (name !== null && ts.isExportDeclaration(statement)) given.push(rewritten(statement, file, nameOf));
      else if (name !== null && ts.isImportDeclaration(statement)) {
        const names = imported.getOrInsertComputed(name, () => new Set<string>());
        for (const it of namesImported(statement)) names.add(it);
      } else if (from === null) {
        const text = rewritten(statement, file, nameOf).replace(/^export /m, "");
        for (const it of namesDeclared(statement)) {
          declared.set(it, [...(declared.get(it) ?? []), { text, uses: namesIn(statement) }]);
        }
      }
    }
  }
  const checker = program.getTypeChecker();
  const entry = checker.getSymbolAtLocation(program.getSourceFile(ENTRY) as ts.SourceFile);
  const exported = checker.getExportsOfModule(entry as ts.Symbol).map(({ name }) => name);
  const needed = reached(exported, declared);
  const imports = [...imported].map(([name, names]) => {
    const used = [...names].filter((it) => [...needed].some((part) => part.uses.has(it)));
    return used.length === 0 ? "" : `import { ${used.join(", ")} } from "${name}";`;
  });
  const names = exported.filter((it) => declared.has(it)).join(", ");
  const parts = [...imports, ...[...needed].map(({ text }) => text), ...given, `export { ${names} };`];
  return `declare module "skeleton" {\n${parts.filter(Boolean).join("\n")}\n}\n`;
}

/** What the compiler says of our files. */
function ownFiles(program: ts.Program): ts.SourceFile[] {
  const files: ts.SourceFile[] = [];
  for (const { fileName } of program.getSourceFiles().filter((it) => !it.fileName.includes("/node_modules/"))) {
    const keep = (_name: string, text: string) =>
      void files.push(ts.createSourceFile(fileName, text, ts.ScriptTarget.ESNext, true));
    program.emit(program.getSourceFile(fileName), keep, undefined, true);
  }
  return files;
}

function specifierOf(statement: ts.Statement): string | null {
  if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return null;
  const { moduleSpecifier } = statement;
  return moduleSpecifier && ts.isStringLiteral(moduleSpecifier) ? moduleSpecifier.text : null;
}

function namesImported({ importClause }: ts.ImportDeclaration): string[] {
  const bindings = importClause?.namedBindings;
  return bindings && ts.isNamedImports(bindings)
    ? bindings.elements.map((it) => it.getText().replace("type ", ""))
    : [];
}

function namesDeclared(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map((it) => it.name.getText());
  const { name } = statement as ts.DeclarationStatement;
  return name ? [name.text] : [];
}

function namesIn(statement: ts.Statement): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(statement);
  return names;
}

function reached(
  exported: readonly string[],
  declared: ReadonlyMap<string, readonly OwnDeclaration[]>,
): ReadonlySet<OwnDeclaration> {
  const found = new Set<OwnDeclaration>();
  const follow = (name: string): void => {
    for (const declaration of declared.get(name) ?? []) {
      if (found.has(declaration)) continue;
      found.add(declaration);
      for (const used of declaration.uses) follow(used);
    }
  };
  for (const name of exported) follow(name);
  return found;
}
