/**
 * A formula of TeX as MathML, which browsers draw without script, style or fonts of ours. KaTeX is loaded at the first one.
 * What a formula may cost is bounded by its length, and by taking none that defines macros: with those, few characters
 * become many. What cannot be drawn is shown as it was written.
 */

import type katex from "katex";
import { escapeHtml } from "../html";

/** Characters. KaTeX takes up to 10 µs for each. */
export const MAX_FORMULA_LENGTH = 1000;
const MAX_KEPT = 2000; // Formulas; a paragraph that is being written is rendered again and again.

const DEFINES =
  /\\(?:[gex]?def|let|futurelet|global|long|(?:re)?newcommand|providecommand|char|mathchoice)(?![a-zA-Z])/;

let loaded: typeof katex | null = null;
const kept = new Map<string, string>();

/** `source` is what stands between the marks. */
export function formula(source: string, isDisplay: boolean): string {
  const key = `${isDisplay ? "d" : "i"}${source}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const markup = draw(source, isDisplay);
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? "");
  kept.set(key, markup);
  return markup;
}

function draw(source: string, isDisplay: boolean): string {
  if (source.length > MAX_FORMULA_LENGTH || DEFINES.test(source)) return asWritten(source);
  // `require` alone loads at this moment without waiting.
  loaded ??= require("katex") as typeof katex;
  try {
    const markup = loaded.renderToString(source.replaceAll("\0", ""), {
      displayMode: isDisplay,
      output: "mathml",
      maxExpand: 300,
      maxSize: 20,
      strict: "ignore",
      errorColor: "currentcolor",
      trust: false,
    });
    // The policy of the page refuses inline styles. In text a quote is escaped, so this is an attribute.
    const [, math = ""] = /^<span class="katex">([\s\S]*)<\/span>$/.exec(markup.replace(/ style="[^"]*"/g, "")) ?? [];
    return isDisplay ? `<div class="formula" tabindex="0">${math}</div>` : math;
  } catch {
    // A model's mistake is no error of ours, and its source says more than a message would.
    return asWritten(source);
  }
}

function asWritten(source: string): string {
  return `<code class="formula">${escapeHtml(source)}</code>`;
}
