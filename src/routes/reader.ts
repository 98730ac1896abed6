/** Who reads a page, in which language (the one that the browser wants most of those there are) and in which time zone. */

import type { Core, User, Words } from "../protocols";

/** Who looks at a page, the words for it, and whose days. */
export interface Reader {
  readonly user: User;
  readonly words: Words;
  /** Time zone whose days the page speaks of. */
  readonly zone: string;
}

/** As the page's script has put it into a cookie. A browser without script has the days of the server. */
export function zoneOf(request: Request): string {
  const zone = /(?:^|;\s*)zone=([\w+/-]{1,64})(?:;|$)/.exec(request.headers.get("cookie") ?? "")?.[1];
  return zone !== undefined && isZone(zone) ? zone : serverZone();
}

let knownZone: string | null = null;

/** Asked for when it is needed: it takes some milliseconds of the start. */
function serverZone(): string {
  knownZone ??= Intl.DateTimeFormat().resolvedOptions().timeZone;
  return knownZone;
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false; // It throws, and has no other way to say no.
  }
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
