/**
 * Whether a text matches a regular expression that a stranger wrote, such as the `pattern` in the schema of an MCP server's tool. All
 * ways through the expression are followed at once, a character at a time (Thompson), where RegExp tries one after the other and may
 * take minutes for one line. What a single character must be is still asked of RegExp.
 */

import { remembered } from "../../basics/recent";

const STATES_MAX = 2000; // Of one expression, with its repetitions written out.
const STEPS_MAX = 500_000; // Less than 100 ms.
const KEPT_MAX = 500; // Expressions: a list may ask for the same one of each of its items.

/** Null = it is no expression, or has what cannot be followed so: looking around, back references, or too many repetitions. */
export function matchesPattern(pattern: string, text: string): boolean | null {
  const program = programOf(pattern);
  return program && run(program, text);
}

/** A state of the program, with what comes after it. The end has nothing. */
interface State {
  readonly index: number;
  /** What the next character must be. */
  readonly fits?: RegExp;
  /** What must be around, where no character is taken. */
  readonly isHere?: Here;
  readonly ways: State[];
}

interface Program {
  readonly begin: State;
  readonly size: number;
}

type Here = (before: string, after: string) => boolean;

const programOf = remembered(KEPT_MAX, (pattern): Program | null => {
  try {
    new RegExp(pattern, "u");
    return compile(pattern);
  } catch (error) {
    // What RegExp refuses is written for another language's expressions.
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
});

/** RegExp has taken the pattern, so it is well formed. Throws SyntaxError for what cannot be followed. */
function compile(pattern: string): Program {
  let size = 0;
  const state = (ways: State[], what: Pick<State, "fits" | "isHere"> = {}): State => {
    if (size >= STATES_MAX) throw new SyntaxError("It has too many repetitions.");
    return { index: size++, ways, ...what };
  };
  /** The states of a part that `next` follows. */
  const before = (next: State, part: Part): State => {
    switch (part.type) {
      case "character":
        return state([next], { fits: new RegExp(`^(?:${part.source})$`, "u") });
      case "place":
        return state([next], { isHere: part.isHere });
      case "sequence":
        return part.parts.reduceRight(before, next);
      case "choice":
        return state(part.parts.map((inner) => before(next, inner)));
      case "repeat": {
        let begin = next;
        if (part.most === Number.POSITIVE_INFINITY) {
          begin = state([next]);
          begin.ways.push(before(begin, part.part));
        } else for (let n = part.least; n < part.most; n++) begin = state([next, before(begin, part.part)]);
        for (let n = 0; n < part.least; n++) begin = before(begin, part.part);
        return begin;
      }
    }
  };
  const begin = before(state([]), parse(pattern));
  return { begin, size };
}

/** False also when it takes too long to know. */
function run({ begin, size }: Program, text: string): boolean {
  let steps = 0;
  let isFound = false;
  /** Where each state was last reached. */
  const reached = new Int32Array(size).fill(-1);
  let current: State[] = [];
  let next: State[] = [];
  /** Goes on from a state as far as no character is needed. */
  const reach = (from: State, at: number, before: string, after: string): void => {
    const open = [from];
    for (let state = open.pop(); state; state = open.pop()) {
      if (reached[state.index] === at) continue;
      reached[state.index] = at;
      steps++;
      if (state.fits) next.push(state);
      else if (state.ways.length === 0) isFound = true;
      else if (state.isHere?.(before, after) ?? true) open.push(...state.ways);
    }
  };
  const characters = [...text];
  for (let at = 0; at <= characters.length; at++) {
    const [before = "", after = ""] = [characters[at - 1], characters[at]];
    next = [];
    for (const { fits, ways } of current) {
      steps++;
      if (fits?.test(before)) for (const way of ways) reach(way, at, before, after);
    }
    reach(begin, at, before, after);
    if (isFound) return true;
    if (steps > STEPS_MAX) return false;
    current = next;
  }
  return false;
}

type Part =
  | { readonly type: "character"; readonly source: string }
  | { readonly type: "place"; readonly isHere: Here }
  | { readonly type: "sequence" | "choice"; readonly parts: readonly Part[] }
  | { readonly type: "repeat"; readonly part: Part; readonly least: number; readonly most: number };

const isWord = (character: string) => /^\w$/.test(character);
const PLACES: Readonly<Record<string, Here>> = {
  "^": (before) => before === "",
  $: (_before, after) => after === "",
  "\\b": (before, after) => isWord(before) !== isWord(after),
  "\\B": (before, after) => isWord(before) === isWord(after),
};

/** One character, class, escape or place; a group's beginning or end; a choice; a repetition. */
const TOKEN =
  /\[(?:\\.|[^\]\\])*\]|\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|u[\da-fA-F]{4}|x[\da-fA-F]{2}|c[A-Za-z]|.)|\((?:\?(?::|<(?![=!])[^>]*>|))?|[*+?]\??|\{\d+(?:,\d*)?\}\??|./gsu;

function parse(pattern: string): Part {
  const tokens = pattern.match(TOKEN) ?? [];
  let at = 0;
  const choice = (): Part => {
    const parts = [sequence()];
    while (tokens[at] === "|") {
      at++;
      parts.push(sequence());
    }
    return parts.length === 1 ? (parts[0] as Part) : { type: "choice", parts };
  };
  const sequence = (): Part => {
    const parts: Part[] = [];
    for (let token = tokens[at]; token !== undefined && token !== "|" && token !== ")"; token = tokens[at]) {
      at++;
      parts.push(repeated(one(token)));
    }
    return { type: "sequence", parts };
  };
  const one = (token: string): Part => {
    const isHere = PLACES[token];
    if (isHere) return { type: "place", isHere };
    if (/^\\[1-9k]/.test(token) || token === "(?") throw new SyntaxError("It looks around or back.");
    if (!token.startsWith("(")) return { type: "character", source: token };
    const group = choice();
    at++;
    return group;
  };
  const repeated = (part: Part): Part => {
    const [, sign, least, hasMost, most] = /^(?:([*+?])|\{(\d+)(,(\d*))?\})\??$/.exec(tokens[at] ?? "") ?? [];
    if (sign === undefined && least === undefined) return part;
    at++;
    const from = sign ? Number(sign === "+") : Number(least);
    const to = sign
      ? sign === "?"
        ? 1
        : Number.POSITIVE_INFINITY
      : hasMost === undefined
        ? from
        : most
          ? Number(most)
          : Number.POSITIVE_INFINITY;
    return { type: "repeat", part, least: from, most: to };
  };
  return choice();
}
