/** What is added to markup that grows at its end: most of a reply is, and to send that alone keeps its cost linear. */

export interface Added {
  /** Markup to go to the end of an element that is there. */
  readonly markup: string;
  /** Which one: how many last children down from the element that holds all of it. */
  readonly depth: number;
}

/** Null when `after` is more than `before` with something at the end of one of its elements. */
export function addedTo(before: string, after: string): Added | null {
  const ends = [...endTags(before)];
  for (let depth = ends.length; depth >= 0; depth--) {
    const at = ends[ends.length - depth] ?? before.length;
    const rest = before.slice(at);
    if (!after.startsWith(before.slice(0, at)) || !after.endsWith(rest) || after.length < before.length) continue;
    const markup = after.slice(at, after.length - rest.length);
    if (isWhole(markup)) return { markup, depth };
  }
  return null;
}

/** Where the end tags stand that `markup` ends with, outermost last. What is inside of a formula is no HTML. */
export function endTags(markup: string): number[] {
  const tail = /(?:<\/(?!math)[a-z][a-z0-9]*>\s*)*$/.exec(markup.slice(-MAX_ENDS));
  if (!tail) return [];
  const begin = markup.length - tail[0].length;
  return [...tail[0].matchAll(/</g)].map(({ index }) => begin + index);
}

const MAX_ENDS = 2000; // Characters: lists nested deeper than anybody can see.
const VOID = new Set(["br", "hr", "img", "input", "wbr"]);

/** Whether every element that begins in it ends in it, and no other one does. */
function isWhole(markup: string): boolean {
  if (markup.lastIndexOf("<") > markup.lastIndexOf(">")) return false;
  let depth = 0;
  for (const [, slash, name = ""] of markup.matchAll(/<(\/?)([a-z][a-z0-9]*)/g)) {
    if (VOID.has(name)) continue;
    depth += slash ? -1 : 1;
    if (depth < 0) return false;
  }
  return depth === 0;
}
