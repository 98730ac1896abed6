/**
 * What a text is found by, for an index of words that knows neither accents nor scripts without spaces, such as that of a database server:
 * folded words, and of scripts without spaces each character and each two neighbours. Plugins get it from `skeleton`.
 */

import { folded, foldedWords, WORD } from "./fold";

/** Characters of scripts that are written without spaces between words. */
export const UNSPACED =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/gu;

export interface AskedTerms {
  /** A record has all of them. Empty, and no `beginning`: nothing is found. */
  readonly terms: readonly string[];
  /** And a term that begins so; null = none is asked for. */
  readonly beginning: string | null;
  /** Where the terms are there and may be apart: the plain text of one of the fields has each of these (`plain`). */
  readonly together: readonly string[];
}

export interface SearchTerms {
  /** Raised whenever the same text gives other terms than before: what was indexed by an earlier form has to be indexed anew. */
  readonly form: number;
  /** The text without case, accents and the like; words stay apart. */
  plain(text: string): string;
  /** The terms by which a record with this text is found, each once: letters, digits and marks only, at most 100 characters long. */
  of(text: string): Set<string>;
  /** What to look for, from a person's text. */
  asked(text: string): AskedTerms;
}

const ACCENTS = /[\u0300-\u036f]+/gu;
const WORDS = 32; // The bound of `fullTextSearch`: each word costs, and nobody types more to find something.
const BEGINNING = 3; // Characters, as `fullTextSearch` says.
const LONGEST = 100; // Units of one term: the rest of a longer word, such as a key, tells nothing more.

/**
 * How a store on another database finds text as `fullTextSearch` promises: it indexes `of`, looks for `asked`, and where words have to stand
 * together looks at what it has found.
 *
 * @example
 * ```ts
 * const words = [...searchTerms.of("Café in 東京")]; // cafe, in, 東, 京, 東京
 * const { terms, beginning, together } = searchTerms.asked("東京 caf");
 * const isFound = terms.every((term) => words.includes(term)) && words.some((word) => word.startsWith(beginning ?? ""));
 * ```
 */
export const searchTerms: SearchTerms = {
  form: 1,
  plain,
  of(text) {
    const terms = new Set<string>();
    for (const [word] of plain(text).matchAll(WORD))
      for (const part of partsOf(word)) for (const term of termsOf(part)) terms.add(term);
    return terms;
  },
  asked(text) {
    const words = wordsToFind(plain(text));
    const last = words.at(-1) ?? "";
    const rest = partsOf(last).at(-1) ?? "";
    const isBeginning = !isUnspaced(rest) && Array.from(last).length >= BEGINNING;
    const parts = words.flatMap(partsOf);
    const whole = isBeginning ? parts.slice(0, -1) : parts;
    return {
      terms: [...new Set(whole.flatMap((part) => [...termsOf(part)]))],
      beginning: isBeginning ? rest.slice(0, LONGEST) : null,
      together: words.filter((word) => word.length > 2 && isUnspaced(word)),
    };
  },
};

/** The words to look for in a person's text. Of a script without spaces one may be a whole sentence, of which each character counts as a word. */
export function wordsToFind(text: string): string[] {
  const words: string[] = [];
  let left = WORDS;
  for (const word of foldedWords(text)) {
    if (left === 0) break;
    const parts = word.replace(UNSPACED, " $& ").split(" ").filter(Boolean).slice(0, left);
    left -= parts.length;
    words.push(parts.join(""));
  }
  return words;
}

function plain(text: string): string {
  return folded(text.toWellFormed()).toLowerCase().normalize("NFD").replace(ACCENTS, "").normalize("NFC");
}

/** Runs of a script without spaces, and what stands between them. */
function partsOf(word: string): string[] {
  return word.replace(UNSPACED, "\0$&\0").replaceAll("\0\0", "").split("\0").filter(Boolean);
}

function* termsOf(part: string): Generator<string> {
  if (!isUnspaced(part)) {
    yield part.slice(0, LONGEST);
    return;
  }
  let before = "";
  for (const character of part) {
    yield character;
    if (before !== "") yield before + character;
    before = character;
  }
}

function isUnspaced(text: string): boolean {
  return text.search(UNSPACED) >= 0;
}
