/** Reads README.md, CONTRIBUTING.md, the README of plugins/ and docs/ as text: sections, code blocks, the paths they name; and examples in the code. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { projectFolder } from "./project";
import type { Source } from "./sources";

export interface Guide {
  /** From the project's folder. */
  readonly path: string;
  readonly text: string;
}

export function readGuides(): Guide[] {
  const paths = [
    "README.md",
    "CONTRIBUTING.md",
    "plugins/README.md",
    ...new Bun.Glob("docs/**/*.md").scanSync({ cwd: projectFolder }),
  ].sort();
  return paths.map((path) => ({ path, text: readFileSync(join(projectFolder, path), "utf8") }));
}

/** The text below the heading that names `word` in backticks, up to the next heading of its level or above; or null. */
export function sectionOf({ text }: Guide, word: string): string | null {
  const heading = new RegExp(`^(#+) .*\`${word}\`.*$`, "m").exec(text);
  if (!heading) return null;
  const rest = text.slice(heading.index + heading[0].length);
  const end = rest.search(new RegExp(`^#{1,${heading[1]?.length ?? 1}} `, "m"));
  return end < 0 ? rest : rest.slice(0, end);
}

export interface CodeBlock {
  readonly guide: string;
  /** Where it starts in the guide, from 1. */
  readonly line: number;
  readonly code: string;
}

export function codeBlocks({ path, text }: Guide, language: string): CodeBlock[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"));
  return [...blocks].map((it) => ({
    guide: path,
    line: text.slice(0, it.index).split("\n").length + 1,
    code: it[1] ?? "",
  }));
}

const EXAMPLE =
  /^ \* @example\n \* ```ts\n((?: \*.*\n)*?) \* ```\n \*\/\nexport (?:(?:async )?function\*? ?|const |class |\{ (?:.* as )?)(\w+)/gm;

/** The code behind `@example` by the name of the value that it stands before. */
export function readExamples(sources: readonly Source[]): Map<string, string> {
  const found = sources.flatMap(({ text }) => [...text.matchAll(EXAMPLE)]);
  return new Map(found.map(([, code = "", name = ""]) => [name, code.replace(/^ \* ?/gm, "")]));
}

const OUR_FOLDERS = /^(?:\.\/)?(?:src|views|public|plugin_library|test|docs|\.ci)\/[\w./-]*$/;
const OUR_FILES =
  /^(?:README\.md|CONTRIBUTING\.md|CHANGELOG\.md|LICENSE|Dockerfile|compose\.yaml|\.env\.example|package\.json|tsconfig\.json|bunfig\.toml|biome\.json|bun\.lock)$/;

/** Links to files and paths in backticks that the guide names and that are not there. */
export function missingPaths({ path, text }: Guide): string[] {
  const prose = text.replace(/^```.*?^```/gms, "");
  const named = [...prose.matchAll(/`([^`\n]+)`/g)]
    .map((it) => it[1] ?? "")
    .filter((it) => OUR_FOLDERS.test(it) || OUR_FILES.test(it));
  const linked = [...prose.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map((it) => join(dirname(path), it[1] ?? ""));
  return [...named, ...linked].map(normalize).filter((it) => !existsSync(join(projectFolder, it)));
}
