/** A short piece of a text around the words that were searched for. */

const BEFORE = 40; // Characters; a list shows two short lines.
const LENGTH = 160;
const FOLDED_AT_MOST = 10_000; // Folding costs far more than looking; a hit further on is shown by the text's beginning.
const WORDS = 32; // As many as `fullTextSearch` looks for: each is looked for at each place of the text.
const START = "\u0002";
const END = "\u0003";
const NOT_SHOWN = /[\s\p{Cc}]/gu;

/** `text` on one line, cut around the first word of `query` found in it, with the words found between U+0002 and U+0003. */
export function snippetOf(text: string, query: string): string {
  const words = (query.match(/[\p{L}\p{N}\p{M}]+/gu) ?? [])
    .slice(0, WORDS)
    .map((word) => fold(word).folded)
    .filter((word) => word !== "");
  const start = Math.max(0, firstMatch(text, words) - BEFORE);
  const piece = text.slice(start, start + LENGTH).replace(NOT_SHOWN, " ");
  return `${start > 0 ? "…" : ""}${mark(piece, words)}${start + LENGTH < text.length ? "…" : ""}`;
}

function firstMatch(text: string, words: readonly string[]): number {
  if (words.length === 0) return 0;
  const asWritten = text.search(new RegExp(words.join("|"), "iu"));
  if (asWritten >= 0) return asWritten;
  const { folded, origin } = fold(text.slice(0, FOLDED_AT_MOST));
  const found = words.map((word) => folded.indexOf(word)).filter((at) => at >= 0);
  return found.length === 0 ? 0 : (origin[Math.min(...found)] ?? 0);
}

function mark(piece: string, words: readonly string[]): string {
  const { folded, origin } = fold(piece);
  const ranges: [number, number][] = [];
  for (const word of words) {
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) {
      ranges.push([origin[at] ?? 0, origin[at + word.length] ?? piece.length]);
    }
  }
  ranges.sort(([a], [b]) => a - b);
  let marked = "";
  let end = 0;
  for (const [from, to] of ranges) {
    if (from < end) continue;
    marked += piece.slice(end, from) + START + piece.slice(from, to) + END;
    end = to;
  }
  return marked + piece.slice(end);
}

/** The text without case and accents, and for each of its units where it came from. */
function fold(text: string): { folded: string; origin: number[] } {
  let folded = "";
  const origin: number[] = [];
  let at = 0;
  for (const character of text) {
    // Most characters have nothing to take off, and taking it off costs twenty times as much as looking.
    const plain = (character < "\u0080" ? character : character.normalize("NFD").replace(/\p{M}/gu, "")).toLowerCase();
    for (let unit = 0; unit < plain.length; unit++) origin.push(at);
    folded += plain;
    at += character.length;
  }
  return { folded, origin };
}
