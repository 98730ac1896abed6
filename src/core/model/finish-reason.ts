/** What the word means with which an endpoint ends a reply: each vendor has words of its own. Plugins get it from `skeleton`. */

import type { FinishReason } from "../../protocols";
import { StreamFault } from "./failure";

const DONE = new Set(
  (
    "stop stopped stop_sequence stop_str stop_string_found stop_token stop_word stop_words eos eos_token eos_found end end_turn end_of_turn turn_end tool_call tool_calls tool_use " +
    "tool function_call function_calls done complete completed finish finished success normal null none"
  )
    .split(" ")
    .map(plain),
);
const CUT = /length|(?:max|limit|output)[_-]?\w*tokens|tokens?[_-](?:limit|max)|context[_-]window/;
const FILTERED =
  /filter|safety|refus|recitation|block|prohibit|sensitive|moderat|guardrail|censor|flagged|spii|policy|harm|intervened/;

/**
 * Null while there is no word. Throws StreamFault for one that says that the reply is broken off, and for one that nobody knows: what
 * may be half a reply must not look like a whole one.
 *
 * @example
 * ```ts
 * toFinishReason("end_turn"); // "stop"
 * toFinishReason("max_tokens"); // "length"
 * toFinishReason(null); // null
 * ```
 */
export function toFinishReason(word: unknown): FinishReason | null {
  if (typeof word !== "string" || word.trim() === "") return null;
  const known = word
    .trim()
    .toLowerCase()
    .slice(0, MAX_WORD)
    .replace(/^finish_?reason_?/, "");
  if (DONE.has(plain(known))) return "stop";
  if (CUT.test(known)) return "length";
  if (FILTERED.test(known)) return "filtered";
  throw new StreamFault("ended", { detail: word });
}

/** Vendors write one word as `end_turn`, `END_TURN`, `end-turn` and `endTurn`. */
function plain(word: string): string {
  return word.replace(/[_-]/g, "");
}

const MAX_WORD = 100; // Characters. The longest known has 29.
