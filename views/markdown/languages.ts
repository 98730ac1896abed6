/** What the highlighter knows of each language: how comments and strings look, and which words are its own. */

export interface Language {
  /** What starts a comment that ends with its line. */
  readonly line?: readonly string[];
  readonly block?: readonly (readonly [open: string, close: string])[];
  /** Quotes of strings on one line. `'` alone may be a lifetime or an apostrophe; in `char` it needs its partner nearby. */
  readonly strings?: string;
  readonly hasChars?: boolean;
  /** Quotes of strings over several lines. */
  readonly long?: readonly string[];
  /** Source of further kinds, tried first: class and regular expression, which must consume what it looked at. */
  readonly first?: readonly (readonly [kind: string, pattern: string])[];
  readonly keywords?: string;
  readonly ignoresCase?: boolean;
  /** Names before a bracket are functions, capitalised ones types. */
  readonly hasNames?: boolean;
}

const C_COMMENTS = { line: ["//"], block: [["/*", "*/"]] } as const;
const LITERALS = "true false null nil none None True False undefined NaN nullptr this self super";
const C_WORDS =
  "break case catch class const continue default delete do else enum extern finally for goto if inline namespace new operator private protected public return sizeof static struct switch template throw try typedef typename union using virtual void volatile while auto bool char double float int long short signed unsigned constexpr include define ifdef ifndef endif pragma";

const cLike = (keywords: string, more: Partial<Language> = {}): Language => ({
  ...C_COMMENTS,
  strings: '"',
  hasChars: true,
  hasNames: true,
  keywords: `${keywords} ${LITERALS}`,
  ...more,
});
const hashLike = (keywords: string, more: Partial<Language> = {}): Language => ({
  line: ["#"],
  strings: `"'`,
  hasNames: true,
  keywords: `${keywords} ${LITERALS}`,
  ...more,
});

const DECORATOR = ["meta", "@[A-Za-z_][\\w.]*"] as const;
const DIRECTIVE = ["meta", "^[ \\t]*#[ \\t]*[a-z]+"] as const;
const VARIABLE = ["variable", "\\$(?:\\{[^}\\n]{0,80}\\}?|[\\w?@#*!$-])\\w*"] as const;

const javascript = cLike(
  "abstract any as asserts async await boolean break case catch class const constructor continue debugger declare default delete do else enum export extends finally for from function get if implements import in infer instanceof interface is keyof let module namespace never new number object of override private protected public readonly return satisfies set static string super switch symbol throw try type typeof unknown var void while with yield",
  { strings: `"'`, hasChars: false, long: ["`"], first: [DECORATOR] },
);
const css: Language = {
  ...C_COMMENTS,
  strings: `"'`,
  first: [
    ["keyword", "@[\\w-]+"],
    ["number", "#[0-9a-fA-F]{3,8}\\b"],
    ["variable", "[$]?--?[a-zA-Z][\\w-]*|\\$[\\w-]+"],
    ["title", "[.#][A-Za-z][\\w-]*"],
    ["attr", "[a-z][a-z-]*(?=[ \\t]{0,4}:)"],
  ],
};
const yaml: Language = {
  line: ["#"],
  strings: `"'`,
  first: [
    ["meta", "^(?:---|\\.\\.\\.|\\[[^\\]\\n]*\\]?)"],
    ["attr", "^[ \\t-]*[A-Za-z_][\\w./-]*(?=[ \\t]{0,4}[:=])"],
  ],
  keywords: "true false null yes no on off",
};
const shell = hashLike(
  "if then else elif fi for while until do done case esac in function select return exit export local readonly declare set unset shift source echo cd sudo",
  { first: [["", "\\\\."], ["", "[\\w}\\]\"']#"], VARIABLE, ["attr", "[ \\t]--?[a-zA-Z][\\w-]*"]], hasNames: false },
);
const sql: Language = {
  line: ["--"],
  block: [["/*", "*/"]],
  strings: `"'`,
  ignoresCase: true,
  keywords:
    "add all alter and as asc begin between by case check column commit constraint create cross database default delete desc distinct drop else end exists foreign from full group having if in index inner insert into is join key left like limit not null offset on or order outer over partition primary references returning right rollback select set table then transaction union unique update using values view when where with int integer text varchar boolean date timestamp numeric true false",
};
const json: Language = {
  ...C_COMMENTS,
  first: [["attr", '"[^"\\\\\\n]*(?:\\\\.[^"\\\\\\n]*)*"(?=[ \\t]{0,8}:)']],
  strings: '"',
  keywords: "true false null",
};
const diff: Language = {
  first: [
    ["meta", "^(?:diff |index |--- |\\+\\+\\+ |@@).*"],
    ["addition", "^\\+.*"],
    ["deletion", "^-.*"],
  ],
};
const markdown: Language = {
  first: [
    ["title", "^#{1,6} .*"],
    ["string", "`[^`\\n]*`?"],
    ["keyword", "\\*\\*[^*\\n]*(?:\\*\\*)?"],
    ["meta", "^[ \\t]*(?:[-*+>]|\\d{1,9}[.)])(?= )"],
  ],
};
const python = hashLike(
  "and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield int str float bool list dict set tuple",
  { long: ['"""', "'''"], first: [DECORATOR] },
);

const LANGUAGES: Readonly<Record<string, Language>> = {
  "javascript js jsx mjs cjs typescript ts tsx mts vue svelte": javascript,
  "java scala groovy": cLike(
    `${C_WORDS} abstract assert boolean byte extends final implements import instanceof interface native package record sealed super synchronized throws transient var def object trait val yield`,
    { long: ['"""'], first: [DECORATOR] },
  ),
  "c h cpp c++ cc hpp objectivec objc arduino glsl cuda": cLike(C_WORDS, { first: [DIRECTIVE] }),
  "csharp cs c# fsharp": cLike(
    `${C_WORDS} abstract as async await base byte checked decimal delegate event explicit extends fixed foreach get implicit in init interface internal is lock object out override params partial readonly record ref sealed set string unsafe value var when where yield`,
    { long: ['"""'], first: [DIRECTIVE] },
  ),
  "go golang": cLike(
    "break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var string int int64 int32 uint8 byte rune bool error float64 any make len append",
    { long: ["`"] },
  ),
  "rust rs": cLike(
    "as async await break const continue crate dyn else enum extern fn for if impl in let loop match mod move mut pub ref return static struct trait type unsafe use where while str bool char i8 i16 i32 i64 isize u8 u16 u32 u64 usize f32 f64",
    { first: [["meta", "#!?\\[[^\\]\\n]*\\]?"]] },
  ),
  swift: cLike(
    "actor as associatedtype async await break case catch class continue default defer deinit do else enum extension fallthrough fileprivate final for func guard if import in init inout internal is lazy let mutating open operator override private protocol public repeat required rethrows return some static struct subscript switch throw throws try typealias var weak where while",
    { long: ['"""'], first: [DECORATOR] },
  ),
  "kotlin kt dart zig": cLike(
    "abstract annotation as async await break by catch class companion const constructor continue data default defer do dynamic else enum export extends factory final finally fn for fun get if implements import in init inline inner interface internal is late lateinit library mixin object of open operator out override package part private protected pub public required return sealed set static suspend switch throw try typealias val var void when where while with yield",
    { long: ['"""'], first: [DECORATOR] },
  ),
  php: cLike(
    "abstract and array as break callable case catch class clone const continue declare default do echo else elseif empty enum extends final finally fn for foreach function global if implements include instanceof interface isset list match namespace new or print private protected public readonly require return static switch throw trait try unset use var while yield",
    { line: ["//", "#"], strings: `"'`, hasChars: false, first: [["meta", "<\\?(?:php)?|\\?>"], VARIABLE] },
  ),
  "python py python3 starlark": python,
  "ruby rb crystal": hashLike(
    "alias and begin break case class def defined do else elsif end ensure for if in include module next not or private public redo require rescue retry return then undef unless until when while yield attr_accessor puts",
    {
      first: [
        ["variable", "[@$]@?[A-Za-z_]\\w*"],
        ["string", ":[A-Za-z_]\\w*"],
      ],
    },
  ),
  "perl r elixir ex julia jl nim gdscript": hashLike(
    "and as begin case cond def defmodule defp do else elsif elseif end export fn for foreach function global if import in let library local mutable my next not or our package print repeat require return struct sub then try unless until use using var when while with",
    { first: [VARIABLE] },
  ),
  "bash sh shell zsh console fish dockerfile docker makefile make powershell ps1": shell,
  "yaml yml toml ini properties conf env dotenv": yaml,
  "json jsonc json5": json,
  "css scss less": css,
  "sql postgresql postgres mysql sqlite plsql": sql,
  "lua haskell hs ada elm": {
    line: ["--"],
    strings: '"',
    hasChars: true,
    hasNames: true,
    keywords: `and as break case class data deriving do else elseif end for function goto if import in instance let local module newtype not of or qualified repeat return then type until where while ${LITERALS}`,
  },
  "graphql proto protobuf hcl terraform nix prisma solidity": cLike(
    "contract data enum extend fragment function import in inherit input interface let message module mutation on output package provider query rec repeated resource returns rpc scalar schema service subscription syntax then type union variable with",
    { line: ["//", "#"] },
  ),
  "diff patch": diff,
  "markdown md": markdown,
};

const byName = new Map(
  Object.entries(LANGUAGES).flatMap(([names, language]) => names.split(" ").map((name) => [name, language] as const)),
);
/** Written with tags; highlighted by rules of their own. */
const MARKUP = new Set(["html", "xml", "svg", "xhtml", "htm", "rss", "mathml"]);

/** Null for a language that is not known. */
export function findLanguage(name: string): Language | "markup" | null {
  const lower = name.toLowerCase();
  return MARKUP.has(lower) ? "markup" : (byName.get(lower) ?? null);
}
