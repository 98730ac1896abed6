/**
 * A formula of TeX as MathML Core, which browsers draw without script and without inline style. temml is loaded at the first
 * one. What it writes is taken apart and written anew from the elements, attributes and classes that are known here, so
 * nothing of a model's making gets through. What a formula may cost is bounded by its length, by the length of what
 * becomes of it, and by taking none that defines macros: with those, few characters become many.
 */

import type temml from "temml";
import { lazy } from "../basics/once";

export const MAX_FORMULA_LENGTH = 10_000; // Characters: a long derivation.

/** Characters of what is drawn at once: under 5 ms. */
const QUICK_LENGTH = 500;
const QUICK_CHEMISTRY = 100; // Chemistry takes ten times as long.

const MAX_MARKUP = 200_000; // Characters; a derivation of 200 lines has 80,000.

const DEFINES =
  /\\(?:[gex]?def|let|futurelet|global|long|(?:re)?newcommand|providecommand|char|mathchoice)(?![a-zA-Z])/;

/** `require` alone loads at this moment without waiting. */
const load = lazy(() => require("temml") as typeof temml);

/** Whether it takes so little time that nothing need wait for it elsewhere. */
export function isQuick(source: string): boolean {
  return source.length <= (/\\(?:ce|pu)\b/.test(source) ? QUICK_CHEMISTRY : QUICK_LENGTH);
}

/** `source` is what stands between the marks. Null when it cannot be drawn. */
export function drawFormula(source: string, isDisplay: boolean): string | null {
  if (source.length > MAX_FORMULA_LENGTH || DEFINES.test(source)) return null;
  try {
    const markup = load().renderToString(plainTex(source), {
      displayMode: isDisplay,
      throwOnError: true,
      maxExpand: 3000,
      maxSize: [20, 20],
      trust: false,
    });
    return markup.length > MAX_MARKUP ? null : rewritten(markup, source);
  } catch {
    // A model's mistake is no error of ours, and its source says more than a message would.
    return null;
  }
}

/** A blank line is none in a formula, nobody refers to numbers of equations in a chat, and packages are there already. */
function plainTex(source: string): string {
  return source
    .replaceAll("\0", "")
    .replace(/\n\s*\n/g, "\n")
    .replace(/\\(?:label|eqref|require)\{[^{}]*\}|\\(?:nonumber|notag)(?![a-zA-Z])/g, "")
    .replace(/\\(begin|end)\{(equation|align|gather|alignat|multline)\}/g, "\\$1{$2*}")
    .replace(/\\(begin|end)\{eqnarray\*?\}/g, "\\$1{align*}");
}

const TAG = /<(\/?)([a-z]+)((?: [a-z-]+="[^"]*")*)\s*(\/?)>/g;
const ATTRIBUTE = / ([a-z-]+)="([^"]*)"/g;

const ELEMENTS = new Set(
  "math mrow mi mn mo mtext ms mspace mfrac msqrt mroot msup msub msubsup munder mover munderover mmultiscripts mprescripts mtable mtr mtd mpadded mphantom mstyle menclose".split(
    " ",
  ),
);

const ATTRIBUTES = new Set(
  "display displaystyle scriptlevel stretchy fence separator form lspace rspace minsize maxsize symmetric largeop movablelimits accent accentunder linethickness width height depth voffset mathcolor mathbackground mathsize columnspan rowspan".split(
    " ",
  ),
);

/** What the style of the page has rules for. */
const CLASSES = new Set(
  "tml-left tml-right tml-jot tml-small tml-prime tml-hat-1 tml-hat-2 tml-hat-3 tml-hat-4 tml-tilde-2 tml-tilde-3 tml-tilde-4 tml-cancel upstrike downstrike sout tml-overline tml-underline tml-fbox".split(
    " ",
  ),
);

/** Null where something is in it that is not known here. */
function rewritten(markup: string, source: string): string | null {
  let isKnown = true;
  const text = markup.replace(TAG, (_, slash: string, name: string, attributes: string, end: string) => {
    isKnown &&= ELEMENTS.has(name);
    return `<${slash}${name}${slash ? "" : known(attributes)}${end}>`;
  });
  const [, open, content] = /^(<math[^<>]*>)([\s\S]*)<\/math>$/.exec(text) ?? [];
  if (!isKnown || open === undefined || text.replace(TAG, "").includes("<")) return null;
  return `${open}<semantics><mrow>${content}</mrow><annotation encoding="application/x-tex">${escaped(source)}</annotation></semantics></math>`;
}

function known(attributes: string): string {
  const classes: string[] = [];
  let kept = "";
  for (const [attribute, name = "", value = ""] of attributes.matchAll(ATTRIBUTE)) {
    if (name === "class") classes.push(...value.split(" ").filter((it) => CLASSES.has(it)));
    else if (name === "style") classes.push(...value.split(";").flatMap((it) => classOfStyle(it) ?? []));
    // "normal" alone is left of this attribute: a letter that stands upright.
    else if (ATTRIBUTES.has(name) || attribute === ' mathvariant="normal"') kept += attribute;
  }
  return classes.length === 0 ? kept : `${kept} class="${[...new Set(classes)].join(" ")}"`;
}

/** The policy of the page refuses inline styles: the room beside a column and the lines of a table are classes. */
function classOfStyle(declaration: string): string | null {
  const [, name = "", value = ""] = /^\s*([a-z-]+):\s*(.*)$/.exec(declaration) ?? [];
  const line = value.includes("none") ? undefined : LINES[name];
  if (line !== undefined) return line;
  const room = ROOM[name];
  if (!room) return null;
  const em = Number.parseFloat(value) / (value.endsWith("pt") ? 12 : 1);
  return room[em < 0.1 ? 0 : em < 0.75 ? 1 : 2] ?? null;
}

const LINES: Readonly<Record<string, string>> = {
  border: "tml-fbox",
  "border-left": "tml-line-left",
  "border-right": "tml-line-right",
  "border-top": "tml-line-top",
  "border-bottom": "tml-line-bottom",
};

/** None, that beside a column, and that between two equations. */
const ROOM: Readonly<Record<string, readonly string[]>> = {
  "padding-left": ["tml-left-none", "tml-left-column", "tml-left-wide"],
  "padding-right": ["tml-right-none", "tml-right-column", "tml-right-wide"],
};

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);
}
