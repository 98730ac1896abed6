/**
 * Watches a text for the closing mark of thinking that was never opened: some chat templates write the opening one into the prompt, so that
 * a reply begins in the middle of it. What came before the mark was told as text by then.
 */

export interface LateClose {
  /** The text that is certain, and what follows a closing mark, if there is one. */
  push(text: string): LateResult;
  held(): number;
  end(): LateResult;
}

export interface LateResult {
  readonly text: string;
  /** Null = there was no such mark. */
  readonly rest: string | null;
}

const NAMES = "(?:seed:)?think|thinking|thought|reason|reasoning";
const CLOSING = `</(?:${NAMES})>|\\[/think\\]|◁/think▷|<\\|end_of_thought\\|>|<\\|end_thinking\\|>|<channel\\|>|<unused95>`;
// A reply that has an opening mark in its text writes about such marks.
const OPENING = `<(?:${NAMES})>|\\[think\\]|◁think▷`;
const MARK = new RegExp(`(${CLOSING})|${OPENING}`, "gi");
const BEGINS_MARK = /[<[◁]/; // As each of them does, and few texts do.
const MARK_MAX = 20; // Characters.
/** What may be the beginning of a mark, at the end of a text. */
const PART = /(?:<\/?[a-z:]{0,9}|<\|?[a-z_0-9|]{0,16}|\[\/?[a-z]{0,5}|◁\/?[a-z]{0,5})$/i;

export function createLateClose(): LateClose {
  const line = createLine();
  let held = "";
  let isWatching = true;

  const look = (text: string, isEnd: boolean): LateResult => {
    let from = 0;
    for (const { 0: mark, 1: closing, index } of text.matchAll(MARK)) {
      if (closing === undefined) isWatching = false;
      if (!isWatching) break;
      const end = index + mark.length;
      line.add(text.slice(from, index));
      from = index;
      // The next piece shows whether the mark stands alone.
      if (end === text.length && !isEnd) break;
      const isAlone = line.isBlank() || (line.isTight() && /^(?:\r?\n|$)/.test(text.slice(end, end + 2)));
      if (line.isPlain() && isAlone) {
        held = "";
        return { text: text.slice(0, index), rest: text.slice(end) };
      }
    }
    const part = isWatching && !isEnd ? partOf(text, from) : text.length;
    line.add(text.slice(from, part));
    held = text.slice(part);
    return { text: text.slice(0, part), rest: null };
  };

  return {
    push(text) {
      if (!isWatching) return { text, rest: null };
      if (held !== "" || BEGINS_MARK.test(text)) return look(held + text, false);
      line.add(text);
      return { text, rest: null };
    },
    held: () => held.length,
    end: () => look(held, true),
  };
}

/** Where the end of the text begins that may still become a mark, or be one. */
function partOf(text: string, from: number): number {
  const tail = Math.max(from, text.length - MARK_MAX);
  const found = PART.exec(text.slice(tail));
  if (found) return tail + found.index;
  const whole = [...text.slice(tail).matchAll(MARK)].at(-1);
  return whole && tail + whole.index + whole[0].length === text.length ? tail + whole.index : text.length;
}

const FENCE = /^ {0,3}(?:```|~~~)/;
const LINE_HEAD = 6; // Characters; as many as a fence needs.

/** Where in Markdown a text has come to: in code a mark is what somebody asked about. */
function createLine() {
  let head = "";
  let last = "";
  let ticks = 0;
  let isBlank = true;
  let isInFence = false;
  return {
    add(text: string): void {
      for (const character of text) {
        last = character;
        if (character === "\n") {
          if (FENCE.test(head)) isInFence = !isInFence;
          [head, ticks, isBlank] = ["", 0, true];
          continue;
        }
        if (head.length < LINE_HEAD) head += character;
        if (character === "`") ticks++;
        if (isBlank && character.trim() !== "") isBlank = false;
      }
    },
    isPlain: () => !isInFence && ticks % 2 === 0,
    isBlank: () => isBlank,
    /** Whether what came last goes on to the mark, as in `done.</think>` and not as in `the tag </think>`. */
    isTight: () => !/[\s"'“«(]/.test(last),
  };
}
