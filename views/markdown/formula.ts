/**
 * A formula of TeX as MathML with the TeX inside, which is what a click on it copies. Those that take long are looked up; one that is
 * not made yet, or cannot be drawn, is shown as it was written.
 */

import { drawFormula, isQuick } from "../../src/formulas/draw";
import type { Formulas } from "../../src/protocols";
import { escapeHtml } from "../html";

const MAX_KEPT = 2000; // Quick formulas; a paragraph that is being written is rendered again and again.

const kept = new Map<string, string>();

/** `source` is what stands between the marks. */
export function formula(source: string, isDisplay: boolean, formulas: Formulas | undefined): string {
  if (!isQuick(source)) return shown(source, isDisplay, formulas?.find(source, isDisplay)?.markup ?? null);
  const key = `${isDisplay ? "d" : "i"}${source}`;
  const known = kept.get(key);
  if (known !== undefined) return known;
  const markup = shown(source, isDisplay, drawFormula(source, isDisplay));
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value ?? "");
  kept.set(key, markup);
  return markup;
}

function shown(source: string, isDisplay: boolean, math: string | null): string {
  if (math === null) return `<code class="formula">${escapeHtml(source)}</code>`;
  return isDisplay ? `<div class="formula" tabindex="0">${math}</div>` : math;
}
