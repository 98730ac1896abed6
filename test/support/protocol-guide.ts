/**
 * `bun run docs`: writes docs/protocols.md out of the comments of src/protocols, so that a contract is said in one place. Like sources.ts it
 * reads the text as Biome formats it.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "./project";

export const PROTOCOL_GUIDE = "docs/protocols.md";

const FOLDER = join(projectFolder, "src/protocols");
/** Files that only who wraps a view needs. */
const OF_VIEWS = ["error-words", "list-data", "message-data", "words"];

const NOTE = "<!-- Made by `bun run docs` out of the comments of src/protocols: change those. -->";

interface ProtocolFile {
  /** As in a heading: the protocol's key in backticks, or the file's name in words. */
  readonly title: string;
  readonly opening: string;
  readonly declarations: readonly Declaration[];
}

interface Declaration {
  readonly name: string;
  readonly comment: string;
  /** As it is written, without `export`. */
  readonly code: string;
  /** Types of which it has all members. */
  readonly parents: string | null;
  /** Null = it is shown as it is written: a union, or an object with objects in it. */
  readonly members: readonly Member[] | null;
}

interface Member {
  readonly signature: string;
  readonly comment: string;
}

const DECLARATION =
  /((?:^\/\*\*(?:(?!\*\/).)*\*\/\n)?)^(?:export )?(interface (?:[^\n]*\{\}$|.*?^\})|type .*?;(?=\n\n|\n?(?!.)))/gms;
const MEMBER = /((?:^ {2}\/\*\*(?:(?!\*\/).)*\*\/\n)?)(?:^ {2}\/\/[^\n]*\n)*^ {2}(?=[\w[])(.*?);$/gms;

if (import.meta.main) {
  writeFileSync(join(projectFolder, PROTOCOL_GUIDE), createProtocolGuide());
  console.log(`${PROTOCOL_GUIDE} is written.`);
}

export function createProtocolGuide(): string {
  const index = readFileSync(join(FOLDER, "index.ts"), "utf8");
  const names = [...index.matchAll(/"\.\/([\w-]+)";$/gm)].map((it) => it[1] ?? "");
  const keys = protocolKeys();
  const added = addedMembers(names);
  const groups = [
    { title: "Parts that can be replaced", names: [...keys.keys()] },
    {
      title: "What a plugin is, and what it works with",
      names: names.filter((name) => !keys.has(name) && !OF_VIEWS.includes(name)),
    },
    { title: "What views are given", names: names.filter((name) => OF_VIEWS.includes(name)) },
  ].map((group) => ({ ...group, files: group.names.map((name) => readFile(name, keys, added)) }));
  const anchorOf = createAnchors(groups.flatMap(({ files }) => files));
  const contents = groups.flatMap(({ title, files }) => [
    `**${title}**`,
    files.map((file) => contentsLine(file, anchorOf)).join("\n"),
  ]);
  const sections = groups.flatMap(({ files }) => files.flatMap(sectionOfFile));
  const blocks = ["# Protocols", NOTE, openingOf(index), "## Contents", ...contents, ...sections];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`.replace(/`docs\/([\w-]+\.md)`/g, "[$1]($1)");
}

/** By the names of their files, in the order of `Protocols`: `system-prompt` → `systemPrompt`. */
function protocolKeys(): Map<string, string> {
  const core = declarationsOf(readFileSync(join(FOLDER, "core.ts"), "utf8"));
  const members = core.find(({ name }) => name === "Protocols")?.members ?? [];
  const keys = members.map(({ signature }) => signature.split(":")[0] ?? "");
  return new Map(keys.map((key) => [key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), key]));
}

/** Members of a type that another file gives it, since the two know each other: `declare module "./turn"`. */
function addedMembers(names: readonly string[]): Map<string, readonly Member[]> {
  const declared = names.flatMap((name) => [
    ...readFileSync(join(FOLDER, `${name}.ts`), "utf8").matchAll(/^declare module "[^"]+" \{\n(.*?)^\}/gms),
  ]);
  const inside = declared.flatMap(([, code = ""]) => declarationsOf(code.replace(/^ {2}/gm, "")));
  return new Map(inside.map(({ name, members }) => [name, members ?? []]));
}

function readFile(
  name: string,
  keys: ReadonlyMap<string, string>,
  added: ReadonlyMap<string, readonly Member[]>,
): ProtocolFile {
  const text = readFileSync(join(FOLDER, `${name}.ts`), "utf8");
  const key = keys.get(name);
  const words = name.replaceAll("-", " ");
  const declarations = declarationsOf(text.replace(/^declare module.*?^\}\n/gms, "")).map((it) => ({
    ...it,
    members: it.members && [...it.members, ...(added.get(it.name) ?? [])],
  }));
  const isProtocol = (it: Declaration) => key !== undefined && it.name.toLowerCase() === `${key}Protocol`.toLowerCase();
  return {
    title: key ? `\`${key}\`` : words.charAt(0).toUpperCase() + words.slice(1),
    opening: openingOf(text)
      .replace(`\`${key}\`: `, "")
      .replace(/^./, (letter) => letter.toUpperCase()),
    declarations: [...declarations.filter(isProtocol), ...declarations.filter((it) => !isProtocol(it))],
  };
}

function openingOf(text: string): string {
  return plainComment(/^\/\*\*.*?\*\//s.exec(text)?.[0] ?? "");
}

/** A comment's text without its stars; its own lines and lists stay. */
function plainComment(comment: string): string {
  const inside = comment.replace(/^\s*\/\*\*\s?/, "").replace(/\s*\*\/\s*$/, "");
  return inside
    .replace(/^[ \t]*\* ?/gm, "")
    .trim()
    .replace(/:\n- /g, ":\n\n- "); // What follows a sentence directly is no list to every reader of Markdown.
}

function declarationsOf(text: string): Declaration[] {
  const body = text.replace(/^import .*?;\n/gms, "");
  return [...body.matchAll(DECLARATION)].map(([, comment = "", code = ""]) => ({
    name: /\w+ (\w+)/.exec(code)?.[1] ?? "",
    comment: plainComment(comment),
    code,
    parents: /^interface \w+ extends ([^{]*) \{/.exec(code)?.[1] ?? null,
    members: code.startsWith("interface") ? membersOf(code) : null,
  }));
}

function membersOf(code: string): Member[] | null {
  if (/^ {2}[^/\s].*\{$/m.test(code)) return null;
  return [...code.matchAll(MEMBER)].map(([, comment = "", signature = ""]) => ({
    signature: inOneLine(signature).replace(/^readonly /, ""),
    comment: plainComment(comment),
  }));
}

function inOneLine(signature: string): string {
  return signature
    .replace(/\s*\n\s*/g, " ")
    .replace("( ", "(")
    .replace(/, \)/, ")");
}

/** The anchors that readers of Markdown give to headings; of equal ones the later have a number. */
function createAnchors(files: readonly ProtocolFile[]): (heading: string) => string {
  const anchors = new Map<string, string>();
  const counts = new Map([
    ["protocols", 1],
    ["contents", 1],
  ]);
  for (const heading of files.flatMap(({ title, declarations }) => [title, ...declarations.map(headingOf)])) {
    const slug = heading.toLowerCase().replaceAll("`", "").replaceAll(" ", "-");
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    anchors.set(heading, count === 0 ? slug : `${slug}-${count}`);
  }
  return (heading) => anchors.get(heading) ?? "";
}

function headingOf({ name }: Declaration): string {
  return `\`${name}\``;
}

function contentsLine({ title, declarations }: ProtocolFile, anchorOf: (heading: string) => string): string {
  const types = declarations.map(headingOf).map((heading) => `[${heading}](#${anchorOf(heading)})`);
  return `- [${title}](#${anchorOf(title)}): ${types.join(", ")}`;
}

function sectionOfFile({ title, opening, declarations }: ProtocolFile): string[] {
  return [`## ${title}`, opening, ...declarations.flatMap(sectionOfDeclaration)];
}

function sectionOfDeclaration(declaration: Declaration): string[] {
  const { comment, code, parents, members } = declaration;
  const heading = `### ${headingOf(declaration)}`;
  // Not `ts`: a block of that name is an example that stands alone and is checked as one.
  if (members === null) return [heading, comment, `\`\`\`typescript\n${code}\n\`\`\``];
  const inherited = parents
    ? `Has all members of ${parents.replace(/\w+/g, "`$&`")}${members.length > 0 ? ", and" : "."}`
    : "";
  return [heading, comment, inherited, members.map(memberItem).join("\n")];
}

function memberItem({ signature, comment }: Member): string {
  if (comment === "") return `- \`${signature}\``;
  return `- \`${signature}\`\\\n${comment}`.replace(/\n(?=.)/g, "\n  ");
}
