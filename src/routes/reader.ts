/** In which language a page speaks: the one that the browser wants most of those there are. */

import type { Core, User, Words } from "../protocols";

/** Who looks at a page, and the words for it. */
export interface Reader {
  readonly user: User;
  readonly words: Words;
}

export function wordsFor(core: Core, request: Request): Words {
  return chooseWords(core.views.languages, request.headers.get("accept-language"));
}

/** `header` is an Accept-Language as anybody may write it; null = none. What cannot be read in it is passed over. */
export function chooseWords(languages: readonly Words[], header: string | null): Words {
  const [fallback] = languages;
  if (!fallback) throw new Error("`views.languages` is empty: there must be one catalogue of words at least.");
  const wishes = (header ?? "").slice(0, HEADER_MAX).split(",").map(toWish);
  for (const { tag } of wishes.filter(({ weight }) => weight > 0).sort((one, other) => other.weight - one.weight)) {
    const found = tag === "*" ? fallback : (languages.find(isExactly(tag)) ?? languages.find(isKindOf(tag)));
    if (found) return found;
  }
  return fallback;
}

const HEADER_MAX = 500; // Characters. Browsers send fewer than 100.

/** What does not have the form of a wish weighs nothing. */
function toWish(text: string): { readonly tag: string; readonly weight: number } {
  const [, tag = "", weight] =
    /^\s*(\*|[a-z]{1,8}(?:-[a-z\d]{1,8})*)\s*(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?$/i.exec(text) ?? [];
  return { tag: tag.toLowerCase(), weight: tag === "" ? 0 : Number(weight ?? 1) };
}

const isExactly = (tag: string) => (words: Words) => words.language.toLowerCase() === tag;

/** `de` and `de-AT` are both German: a person who asks for one of them can read the other. */
const isKindOf = (tag: string) => (words: Words) =>
  words.language.toLowerCase().split("-", 1)[0] === tag.split("-", 1)[0];
