/**
 * Code as a figure with the name of its language and what can be done with it, and coloured once it is complete: its comments, strings,
 * numbers and words, in one pass from left to right. An own lexer, because a reply is hostile and is rendered in the event loop: each
 * pattern consumes all that it looked at, so no code costs more than in proportion to its length
 * (docs/decisions/0012-own-highlighter.md).
 */

import type { Token } from "markdown-it";
import type { Words } from "../../src/protocols";
import { escapeHtml } from "../html";
import { findLanguage, type Language } from "./languages";

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

/** Characters. Longer code is rather looked through than read. */
const MAX_LENGTH = 20_000;

/** Markup of the code, with `<span class="hl-…">` around what has a meaning; only escaped when the language is not known. */
export function highlight(code: string, language: string): string {
  const known = code.length > MAX_LENGTH ? null : findLanguage(language);
  if (known === null) return escapeHtml(code);
  return known === "markup" ? paintMarkup(code) : paint(code, lexers.getOrInsertComputed(known, makeLexer));
}

interface Lexer {
  readonly pattern: RegExp;
  /** Class of each group of the pattern; a word's is found by what it says. */
  readonly kinds: readonly string[];
  readonly keywords: ReadonlySet<string>;
  readonly language: Language;
}

const lexers = new WeakMap<Language, Lexer>();

function makeLexer(language: Language): Lexer {
  const rules = rulesOf(language);
  return {
    pattern: new RegExp(rules.map(([, pattern]) => `(${pattern})`).join("|"), "gm"),
    kinds: rules.map(([kind]) => kind),
    keywords: new Set(language.keywords?.split(" ")),
    language,
  };
}

/** A comment or a string that is not closed goes on to the end, so that nothing is looked at twice. */
function rulesOf({ line = [], block = [], long = [], strings = "", hasChars, first = [] }: Language) {
  const rules: (readonly [kind: string, pattern: string])[] = [];
  for (const [open, close] of block)
    rules.push(["comment", `${RegExp.escape(open)}[^]*?(?:${RegExp.escape(close)}|(?![^]))`]);
  for (const quote of long) {
    const mark = RegExp.escape(quote);
    rules.push(["string", `${mark}(?:[^\\\\]|\\\\[^]?)*?(?:${mark}|(?![^]))`]);
  }
  rules.push(...first);
  for (const mark of line) rules.push(["comment", `${RegExp.escape(mark)}.*`]);
  for (const quote of strings)
    rules.push(["string", `${quote}[^${quote}\\\\\\n]*(?:\\\\.[^${quote}\\\\\\n]*)*${quote}?`]);
  if (hasChars) rules.push(["string", "'(?:[^'\\\\\\n]|\\\\[^\\n][^'\\n]{0,8})'"]);
  rules.push(["number", "\\b(?:0[xXbBoO][\\da-fA-F_]+|\\d[\\d_]*(?:\\.\\d[\\d_]*)?(?:[eE][+-]?\\d+)?)\\w*"]);
  rules.push(["word", "[A-Za-z_$\\u00c0-\\uffff][\\w$\\u00c0-\\uffff]*"]);
  return rules;
}

function paint(code: string, lexer: Lexer): string {
  const { pattern, kinds } = lexer;
  let markup = "";
  let end = 0;
  for (const match of code.matchAll(pattern)) {
    const text = match[0];
    if (text === "") continue;
    const group = match.findIndex((it, index) => index > 0 && it !== undefined);
    const kind = kinds[group - 1] ?? "";
    const name = kind === "word" ? kindOfWord(text, code[match.index + text.length] ?? "", lexer) : kind;
    if (name === "") continue;
    markup += escapeHtml(code.slice(end, match.index)) + span(name, text);
    end = match.index + text.length;
  }
  return markup + escapeHtml(code.slice(end));
}

function kindOfWord(word: string, next: string, { keywords, language }: Lexer): string {
  if (keywords.has(language.ignoresCase ? word.toLowerCase() : word)) return "keyword";
  if (!language.hasNames) return "";
  if (next === "(") return "title";
  return /^[A-Z].*[a-z]/.test(word) ? "type" : "";
}

const MARKUP_PART =
  /(<!--[\s\S]*?(?:-->|(?![\s\S])))|(<[/!?]?[A-Za-z][^\s/>"'<]*)((?:"[^"]*(?:"|(?![\s\S]))|'[^']*(?:'|(?![\s\S]))|[^"'<>])*)(>?)|(&#?\w{1,31};)/g;
const ATTRIBUTE = /([^\s"'=/]+)|("[^"]*"?|'[^']*'?)/g;

function paintMarkup(code: string): string {
  let markup = "";
  let end = 0;
  for (const match of code.matchAll(MARKUP_PART)) {
    const [text, comment, tag, attributes = "", close = "", entity] = match;
    markup += escapeHtml(code.slice(end, match.index));
    end = match.index + text.length;
    if (comment !== undefined) markup += span("comment", comment);
    else if (entity !== undefined) markup += span("number", entity);
    else if (tag !== undefined)
      markup += span("keyword", tag) + paintAttributes(attributes) + (close && span("keyword", close));
  }
  return markup + escapeHtml(code.slice(end));
}

function paintAttributes(text: string): string {
  let markup = "";
  let end = 0;
  for (const match of text.matchAll(ATTRIBUTE)) {
    markup += escapeHtml(text.slice(end, match.index)) + span(match[1] === undefined ? "string" : "attr", match[0]);
    end = match.index + match[0].length;
  }
  return markup + escapeHtml(text.slice(end));
}

function span(kind: string, text: string): string {
  return `<span class="hl-${kind}">${escapeHtml(text)}</span>`;
}
