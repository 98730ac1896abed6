/** Code as a figure with the name of its language and what can be done with it. Coloured once it is complete. */

import type { Token } from "markdown-it";
import type { Words } from "../../src/protocols";
import { escapeHtml } from "../html";
import { highlight } from "./highlight";

export function code(token: Token | undefined, words: Words["markdown"]): string {
  const content = token?.content ?? "";
  const language = token?.info.trim().split(/\s+/, 1)[0] ?? "";
  const markup = token?.type === "fence" && isClosed(token) ? highlight(content, language) : escapeHtml(content);
  const button = (name: string, text: string, more = "") =>
    `<button class="${name}" type="button"${more}>${escapeHtml(text)}</button>`;
  const buttons = [
    button("wrap", words.wrap, ' aria-pressed="false"'),
    button("download", words.download, ` data-name="${fileName(language)}"`),
    button("copy", words.copy),
  ].join("");
  return `<figure class="code"><figcaption><span>${escapeHtml(language || words.text)}</span>${buttons}</figcaption><pre tabindex="0"><code>${markup}</code></pre></figure>\n`;
}

/** Whether a fence has its last line; one that the text or its list ended has not. */
export function isClosed({ map, content }: Token): boolean {
  const lines = content.split("\n").length - (content === "" || content.endsWith("\n") ? 1 : 0);
  return map !== null && map[1] - map[0] === lines + 2;
}

/** How files of a language end, where it is not by its name. */
const ENDINGS: Readonly<Record<string, string>> = {
  text: "txt",
  plaintext: "txt",
  bash: "sh",
  shell: "sh",
  zsh: "sh",
  console: "txt",
  powershell: "ps1",
  python: "py",
  javascript: "js",
  typescript: "ts",
  markdown: "md",
  ruby: "rb",
  rust: "rs",
  kotlin: "kt",
  csharp: "cs",
  "c#": "cs",
  "c++": "cpp",
  "objective-c": "m",
  fsharp: "fs",
  haskell: "hs",
  perl: "pl",
  elixir: "ex",
  erlang: "erl",
  clojure: "clj",
  julia: "jl",
  golang: "go",
  yaml: "yml",
  latex: "tex",
  terraform: "tf",
  postgresql: "sql",
  mysql: "sql",
  mermaid: "mmd",
  graphql: "graphql",
};
const WHOLE_NAMES: Readonly<Record<string, string>> = { dockerfile: "Dockerfile", makefile: "Makefile" };

function fileName(language: string): string {
  const name = language.toLowerCase();
  if (Object.hasOwn(WHOLE_NAMES, name)) return WHOLE_NAMES[name] ?? "";
  if (Object.hasOwn(ENDINGS, name)) return `code.${ENDINGS[name]}`;
  return `code.${/^[a-z0-9]{1,10}$/.test(name) ? name : "txt"}`;
}
