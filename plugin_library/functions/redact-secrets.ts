/**
 * Masks keys, tokens and private keys in what the model writes, before anybody sees it and before the thread keeps it, also
 * when one is split over many chunks. Text is held back only from where a secret may begin until it is known to be none.
 * The context keeps the original, as with every filterStream hook.
 *
 * Settings (plugins.yaml, `redact-secrets`): `mask`, what stands in the place of a secret ("[redacted]"); `model`, whether
 * what is sent to the model is masked too, messages and results of tools alike (false); `patterns`, further secrets, each
 * as `start`, the text that all of them begin with, and `pattern`, a regular expression for the whole. They may not contain
 * white space.
 * Last change: 2026-11-22.
 */

import { type Core, type ModelCall, type ModelEvent, type Plugin, type Static, type Turn, t } from "skeleton";

const NAME = "redact-secrets";

const START_MAX = 64; // Characters of the beginning of a secret, at most.

const settings = t.Object({
  mask: t.String({ default: "[redacted]" }),
  model: t.Boolean({ default: false }),
  patterns: t.Array(t.Object({ start: t.String({ minLength: 3, maxLength: START_MAX }), pattern: t.String() }), {
    default: [],
  }),
});

type Settings = Static<typeof settings>;

/** What a secret begins with, and the whole of it from there on. A group `keep` stays. */
type Pattern = readonly [starts: readonly string[], secret: string];

const BLOCK = "-----BEGIN ";
const KINDS = ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ", "PGP "];
const LINE = "[A-Za-z0-9+/=]";
const BREAK = "(?:\\s|\\\\[nr])+"; // Also as it stands in the text of a JSON file.
const BLOCKS = KINDS.map((kind) => `${BLOCK}${kind}PRIVATE KEY`);
const KEY = "(?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----";

// A digit is wanted where words with hyphens would do without.
const PATTERNS: readonly Pattern[] = [
  [["sk-"], "sk-(?=[\\w-]*\\d)[\\w-]{20,}"],
  [["sk_live_", "sk_test_", "rk_live_"], "[sr]k_(?:live|test)_\\w{16,}"],
  [["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], "gh[pousr]_[A-Za-z0-9]{36,}"],
  [["github_pat_"], "github_pat_\\w{22,}"],
  [["glpat-"], "glpat-[\\w-]{20,}"],
  [["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-"], "xox[baprs]-[\\w-]{20,}"],
  [["AKIA", "ASIA"], "A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])"],
  [["AIza"], "AIza[\\w-]{35}"],
  [["hf_"], "hf_[A-Za-z0-9]{30,}"],
  [["npm_"], "npm_[A-Za-z0-9]{36}"],
  [["eyJ"], "eyJ[\\w-]{8,}\\.eyJ[\\w-]{8,}\\.[\\w-]{16,}"],
  [["Bearer ", "bearer ", "BEARER "], "(?<keep>[Bb](?:earer|EARER) )(?=[\\w.~+/=-]*\\d)[\\w.~+/=-]{20,}"],
  // A key that ends with the text, because the model stopped, is one too.
  [BLOCKS, `${BLOCK}${KEY}[\\w+/=\\s\\\\:,-]*?-----END ${KEY}`],
  [BLOCKS, `${BLOCK}${KEY}${BREAK}${LINE}{40,}(?:${BREAK}${LINE}{40,})*(?:${BREAK}${LINE}*$)?`],
];

const LINE_MAX = 64; // Characters of the line that ends a key, at most.
const HELD_MAX = 16_384; // Characters: twice the longest private key in use. What is longer is looked at up to here.
/** Not in the middle of a word; after `\n` in a text in quotes and after `%3D` in an address it is none. */
const BOUNDARY = "(?<![\\w-])|(?<=\\\\[nrt])|(?<=%[0-9A-Fa-f]{2})";
const BEFORE = 3; // Characters that BOUNDARY looks back.

export default {
  name: NAME,
  required: true,
  settings,
  // A wrong pattern must be told when the server starts, and not be missed when it matters.
  start: (core) => void rulesOf(core),
  hooks: {
    preCall: (call, turn) => (settingsOf(turn.core).model ? maskCall(call, rulesOf(turn.core)) : undefined),
    filterStream: maskStream,
  },
} satisfies Plugin;

function settingsOf(core: Core): Settings {
  return core.settings<Settings>(NAME);
}

async function* maskStream(events: AsyncIterable<ModelEvent>, turn: Turn): AsyncGenerator<ModelEvent> {
  const mask = createMask(rulesOf(turn.core));
  let type: "text" | "thinking" = "text";
  const rest = (): ModelEvent[] => {
    const text = mask.end();
    return text === "" ? [] : [{ type, text }];
  };
  try {
    for await (const event of events) {
      if (event.type === "text" || event.type === "thinking") {
        if (event.type !== type) yield* rest();
        type = event.type;
        const text = mask.push(event.text);
        if (text !== "") yield { type, text };
      } else {
        if (event.type !== "usage") yield* rest();
        yield event;
      }
    }
  } catch (error) {
    // What came before the model failed is kept, all of it.
    yield* rest();
    throw error;
  }
}

function maskCall(call: ModelCall, rules: Rules): ModelCall {
  const clean = (text: string) => maskText(text, rules);
  const messages = call.messages.map((message) => ({
    ...message,
    content: clean(message.content),
    ...(message.toolCalls && {
      toolCalls: message.toolCalls.map((made) => ({ ...made, arguments: clean(made.arguments) })),
    }),
  }));
  return { ...call, messages };
}

function maskText(text: string, rules: Rules): string {
  const mask = createMask(rules);
  return mask.push(text) + mask.end();
}

interface Rules {
  readonly mask: string;
  /** Finds where a secret may begin. */
  readonly start: RegExp;
  /** Finds an end of the text that may be the beginning of a start. */
  readonly partOfStart: RegExp;
  readonly secrets: readonly RegExp[];
}

const known = new WeakMap<Settings, Rules>();

function rulesOf(core: Core): Rules {
  const own = settingsOf(core);
  const rules = known.get(own) ?? createRules(own);
  known.set(own, rules);
  return rules;
}

function createRules({ mask, patterns }: Settings): Rules {
  const all = [...PATTERNS, ...patterns.map(({ start, pattern }): Pattern => [[start], pattern])];
  const starts = all.flatMap(([texts]) => texts);
  const parts = starts.flatMap((start) => Array.from({ length: start.length - 1 }, (_, at) => start.slice(0, at + 1)));
  // The shortest first, so that what is found does not depend on how much of a text is there.
  const anyOf = (texts: readonly string[]) =>
    [...new Set(texts)]
      .sort((a, b) => a.length - b.length)
      .map((text) => RegExp.escape(text))
      .join("|");
  return {
    mask,
    start: new RegExp(`(?:${BOUNDARY})(?:${anyOf(starts)})`, "g"),
    partOfStart: new RegExp(`(?:${BOUNDARY})(?:${anyOf(parts)})$`, "g"),
    secrets: all.map(([, secret]) => new RegExp(secret, "y")),
  };
}

/** Takes a text in pieces and gives it back masked, each piece as soon as nothing that comes later can change it. */
function createMask({ mask, start, partOfStart, secrets }: Rules) {
  let text = "";
  let at = 0; // What is in front was given back; some of it stays for BOUNDARY to look at.
  let run: Run | null = null; // Of the start that `text` has at `at`.
  const runs = { word: createRun(/\s/g), block: createRun(/-----END [A-Z ]+-----|[^\w+/=\s\\:,-]/g) };

  /** Moves to the next start, or to what may become one, and gives what comes before it. */
  const seek = (isLast: boolean): string => {
    const found = search(start, text, at);
    const part = isLast ? null : search(partOfStart, text, Math.max(at, text.length - START_MAX));
    const isFound = found && (!part || found.index <= part.index);
    const from = at;
    at = (isFound ? found.index : part?.index) ?? text.length;
    if (isFound) {
      run = found[0].startsWith(BLOCK) ? runs.block : runs.word;
      run.skipTo(at + found[0].length);
    }
    return text.slice(from, at);
  };

  /** What stands in the place of the start and what belongs to it; null = more of the text must come first. */
  const decide = (end: Run, isLast: boolean): string | null => {
    const stop = end.find(text);
    if (stop === null && !isLast && text.length - at < HELD_MAX) return null;
    // No key has the beginning of another one in it: many of those together are not each looked at with all that follow.
    const next = text.startsWith(BLOCK, at) ? text.indexOf(BLOCK, at + 1) : -1;
    const held = text.slice(at, Math.min(stop ?? text.length, at + HELD_MAX, next < 0 ? text.length : next));
    run = null;
    for (const secret of secrets) {
      const match = search(secret, held, 0);
      if (!match?.[0]) continue;
      at += match[0].length;
      return (match.groups?.keep ?? "") + mask;
    }
    return text.slice(at, ++at);
  };

  const advance = (isLast: boolean): string => {
    let out = "";
    for (;;) {
      if (!run) out += seek(isLast);
      const decided = run && decide(run, isLast);
      if (decided === null) break;
      out += decided;
    }
    const given = Math.max(0, at - BEFORE);
    text = text.slice(given);
    at -= given;
    for (const { drop } of Object.values(runs)) drop(given);
    return out;
  };

  return {
    push(piece: string): string {
      text += piece;
      return advance(false);
    },
    end: (): string => advance(true),
  };
}

type Run = ReturnType<typeof createRun>;

/** Finds where a run of text ends, looking at each character once, however many starts there are in it. */
function createRun(end: RegExp) {
  let looked = 0;
  let stop = -1;
  return {
    skipTo(index: number): void {
      if (index < stop) return;
      stop = -1;
      looked = Math.max(looked, index);
    },
    /** The index behind the end, or null when it has not come yet. */
    find(text: string): number | null {
      if (stop >= 0) return stop;
      const found = search(end, text, looked);
      stop = found ? found.index + found[0].length : -1;
      // A line that ends a key may be cut.
      looked = Math.max(looked, text.length - LINE_MAX);
      return found ? stop : null;
    },
    drop(length: number): void {
      looked = Math.max(0, looked - length);
      stop = stop < 0 ? -1 : Math.max(-1, stop - length);
    },
  };
}

function search(pattern: RegExp, text: string, from: number): RegExpExecArray | null {
  pattern.lastIndex = from;
  return pattern.exec(text);
}
