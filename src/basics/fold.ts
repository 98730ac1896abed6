/**
 * Text as it is searched. What is copied from PDFs, phones and books is written with other code points than what is typed: ligatures,
 * wide and bold letters, vowel points, and characters that nobody sees; and people type letters of other languages as they can. Used for
 * what is indexed and for what is asked alike: whoever changes it raises the form of the index. The page's reading.js has the same once more.
 */

/** A run of letters, digits and marks; everything else separates, so nothing a person types can be syntax. */
export const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const SEPARATORS = /[^\p{L}\p{N}\p{M}]+/gu;
/** Each is a whole sentence in one character, and a text of them would become eighteen times as long. */
const SENTENCES = /[\ufdfa\ufdfb]/g;
/** Soft hyphens, joiners, marks of direction and the like; and the stroke that stretches Arabic words. */
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\u0640]+/gu;
/** Of a run of marks the beginning alone: no language has longer ones, and composing them takes time with their square. */
const MARKS = /(\p{M}{30})\p{M}+/gu;
/** Vowels and signs of reading that most people leave out. In other scripts marks are letters: without them words mean something else. */
const POINTS = /[[[\p{scx=Hebrew}\p{scx=Arabic}\p{scx=Syriac}]&&\p{M}]\u093c]+/gv;
const ACCENTS = /[\u0300-\u036f]+/gu;
const GREEK = /\p{Script=Greek}+/gu;
/** What is typed for letters that no accent makes, in lower case; and for those whose accents most people leave out. */
const LETTERS: Readonly<Record<string, string>> = {
  ...{ ß: "ss", ı: "i", æ: "ae", œ: "oe", ø: "o", ł: "l", đ: "d", ð: "d", þ: "th", ς: "σ", ё: "е" },
  ...{ أ: "ا", إ: "ا", آ: "ا", ٱ: "ا", ة: "ه", ى: "ي", ی: "ي", ک: "ك" },
};
const LETTER = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "giu");

/** The words of a text with separators between them. Accents stay where they are part of a letter. */
export function folded(text: string): string {
  // Most of what is written is plain already, and looking is cheap.
  if (!/[^\0-\x7f]/.test(text)) return text;
  const seen = text.replace(UNSEEN, "").replace(SENTENCES, " ").replace(SEPARATORS, " ").replace(MARKS, "$1");
  const composed = seen.normalize("NFKC").replace(UNSEEN, "").replace(POINTS, "");
  return withPlainLetters(composed.replace(GREEK, (word) => word.normalize("NFD").replace(ACCENTS, "")));
}

function withPlainLetters(text: string): string {
  return text.replace(LETTER, (letter) => LETTERS[letter.toLowerCase()] ?? letter);
}

/** The words to look for in a person's text, folded. A mark alone is none. */
export function foldedWords(text: string): string[] {
  return (folded(text).match(WORD) ?? []).filter((word) => /[\p{L}\p{N}]/u.test(word));
}

export interface Folded {
  readonly text: string;
  /** Where each unit of `text` came from. */
  readonly origin: readonly number[];
}

/** The same without case and accents, and of each character where it came from, to show what was found. */
export function foldedInPlace(text: string): Folded {
  let plain = "";
  const origin: number[] = [];
  let at = 0;
  for (const character of text) {
    const folded = foldedCharacter(character);
    for (let unit = 0; unit < folded.length; unit++) origin.push(at);
    plain += folded;
    at += character.length;
  }
  return { text: plain, origin };
}

/** Most characters have nothing to take off, and taking it off costs twenty times as much as looking. */
function foldedCharacter(character: string): string {
  if (character < "\u0080") return character.toLowerCase();
  const parts = character.replace(UNSEEN, "").normalize("NFKD");
  return withPlainLetters(parts.replace(ACCENTS, "").replace(POINTS, "")).toLowerCase();
}
