/**
 * Whether a text matches a regular expression that a stranger wrote, such as the `pattern` in the schema of an MCP server's tool. All
 * ways through the expression are followed at once, a character at a time (Thompson), where RegExp tries one after the other and may
 * take minutes for one line. What a single character must be is still asked of RegExp.
 */

const STATES_MAX = 2000; // Of one expression, with its repetitions written out.
const STEPS_MAX = 500_000; // Less than 100 ms.
const KEPT_MAX = 500; // Expressions: a list may ask for the same one of each of its items.

/** Null = it is no expression, or has what cannot be followed so: looking around, back references, or too many repetitions. */
export function matchesPattern(pattern: string, text: string): boolean | null {
  const program = programOf(pattern);
  return program && run(program, text);
}

type State =
  | { readonly type: "character"; readonly fits: RegExp }
  | { readonly type: "place"; readonly isHere: (before: string, after: string) => boolean }
  | { readonly type: "ways"; ways: readonly number[] }
  | { readonly type: "end" };

const programs = new Map<string, readonly State[] | null>();

function programOf(pattern: string): readonly State[] | null {
  const known = programs.get(pattern);
  if (known !== undefined) return known;
  let program: readonly State[] | null = null;
  try {
    new RegExp(pattern, "u");
    program = compile(pattern);
  } catch (error) {
    // What RegExp refuses is written for another language's expressions.
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (programs.size >= KEPT_MAX) programs.clear();
  programs.set(pattern, program);
  return program;
}

/** RegExp has taken the pattern, so it is well formed. Throws SyntaxError for what cannot be followed. */
function compile(pattern: string): readonly State[] {
  const states: State[] = [];
  const add = (state: State): number => {
    if (states.length >= STATES_MAX) throw new SyntaxError("It has too many repetitions.");
    return states.push(state) - 1;
  };
  const fork = () => {
    const state = { type: "ways" as const, ways: [] as readonly number[] };
    add(state);
    return state;
  };
  const emit = (part: Part): void => {
    switch (part.type) {
      case "character":
        add({ type: "character", fits: new RegExp(`^(?:${part.source})$`, "u") });
        return;
      case "place":
        add({ type: "place", isHere: part.isHere });
        return;
      case "sequence":
        for (const inner of part.parts) emit(inner);
        return;
      case "choice": {
        const begin = fork();
        const ends = part.parts.map((inner) => {
          begin.ways = [...begin.ways, states.length];
          emit(inner);
          return fork();
        });
        for (const end of ends) end.ways = [states.length];
        return;
      }
      case "repeat": {
        for (let count = 0; count < part.least; count++) emit(part.part);
        if (part.most === Number.POSITIVE_INFINITY) {
          const at = states.length;
          const loop = fork();
          emit(part.part);
          fork().ways = [at];
          loop.ways = [at + 1, states.length];
          return;
        }
        const skips = [];
        for (let count = part.least; count < part.most; count++) {
          const skip = fork();
          skip.ways = [states.length];
          skips.push(skip);
          emit(part.part);
        }
        for (const skip of skips) skip.ways = [...skip.ways, states.length];
      }
    }
  };
  emit(parse(pattern));
  add({ type: "end" });
  return states;
}

/** False also when it takes too long to know. */
function run(states: readonly State[], text: string): boolean {
  let steps = 0;
  const seen = new Int32Array(states.length).fill(-1);
  let current: number[] = [];
  let isFound = false;
  /** All states that are reached without a character. */
  const reach = (from: number, list: number[], at: number, before: string, after: string): void => {
    const open = [from];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      if (seen[index] === at) continue;
      seen[index] = at;
      steps++;
      const state = states[index];
      if (state?.type === "ways") open.push(...state.ways);
      else if (state?.type === "place") {
        if (state.isHere(before, after)) open.push(index + 1);
      } else if (state?.type === "end") isFound = true;
      else list.push(index);
    }
  };
  const characters = [...text];
  for (let at = 0; at <= characters.length; at++) {
    const [before = "", after = ""] = [characters[at - 1], characters[at]];
    const next: number[] = [];
    for (const index of current) {
      const state = states[index];
      steps++;
      if (state?.type === "character" && state.fits.test(before)) reach(index + 1, next, at, before, after);
    }
    reach(0, next, at, before, after);
    if (isFound) return true;
    if (steps > STEPS_MAX) return false;
    current = next;
  }
  return false;
}

type Part =
  | { readonly type: "character"; readonly source: string }
  | { readonly type: "place"; readonly isHere: (before: string, after: string) => boolean }
  | { readonly type: "sequence" | "choice"; readonly parts: readonly Part[] }
  | { readonly type: "repeat"; readonly part: Part; readonly least: number; readonly most: number };

const isWord = (character: string) => /^\w$/.test(character);
const PLACES: Readonly<Record<string, (before: string, after: string) => boolean>> = {
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
