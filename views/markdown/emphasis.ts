/**
 * Emphasis beside scripts that put no spaces between words, as Chinese, Japanese, Korean, Thai and Khmer: such a character beside a mark is a
 * boundary, and punctuation of theirs is as a letter. Nothing else is other than in CommonMark, and nothing with "_".
 */

import type { MarkdownIt } from "markdown-it";

/** And the spaces without width that some put between words. */
const UNSPACED =
  /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Javanese}\p{Script=Balinese}\u200b\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\u3000-\u303f\u30fb\u30fc\ufe30-\ufe4f\uff01-\uff60\uffe0-\uffe6]/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

export function emphasisBesideUnspaced({ inline }: MarkdownIt): void {
  inline.State = class extends inline.State {
    override scanDelims(start: number, canSplitWord: boolean) {
      const scanned = super.scanDelims(start, canSplitWord);
      if (!canSplitWord) return scanned;
      const before = characterBefore(this.src, start);
      const end = start + scanned.length;
      const after = end < this.posMax ? String.fromCodePoint(this.src.codePointAt(end) ?? 32) : " ";
      if (!UNSPACED.test(before) && !UNSPACED.test(after)) return scanned;
      return { ...scanned, can_open: mayBegin(before, after), can_close: mayBegin(after, before) };
    }
  };
}

/** Whether what stands between `outside` and `inside` may begin emphasis on the side of `inside`; to end it is the same from the other side. */
function mayBegin(outside: string, inside: string): boolean {
  if (/\s/.test(inside)) return false;
  return !isPunctuation(inside) || /\s/.test(outside) || UNSPACED.test(outside) || isPunctuation(outside);
}

function isPunctuation(character: string): boolean {
  return PUNCTUATION.test(character) && !UNSPACED.test(character);
}

/** White space where the text begins. */
function characterBefore(text: string, at: number): string {
  if (at === 0) return " ";
  const low = text.charCodeAt(at - 1);
  const start = at > 1 && (low & 0xfc00) === 0xdc00 ? at - 2 : at - 1;
  return text.slice(start, at);
}
