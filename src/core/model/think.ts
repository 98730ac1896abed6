/**
 * Takes `<think>…</think>` out of a model's text. Only where the reply begins with the tag (white space aside): later on it
 * is what a person asked about, such as a line of code. Tags may be split over deltas in any way.
 */

export interface ThinkPiece {
  readonly type: "text" | "thinking";
  readonly text: string;
}

export interface ThinkFilter {
  /** What a piece of text makes certain; the rest is held back until more comes. */
  push(text: string): ThinkPiece[];
  /** Thinking came apart from the text. */
  hasThinking(): void;
  /** Characters that are held back. */
  held(): number;
  /** What is held back, at the end of the reply. */
  end(): ThinkPiece[];
}

const OPEN = "<think>";
const CLOSE = "</think>";
const MAX_BLANK = 1000; // White space before a tag that is still worth waiting for, in characters.

export function createThinkFilter(): ThinkFilter {
  let state: "start" | "thinking" | "text" = "start";
  let held = "";
  /** After a closing tag the white space before the text belongs to neither. */
  let dropsBlank = false;

  const atStart = (): ThinkPiece[] => {
    const trimmed = held.trimStart();
    if (trimmed.startsWith(OPEN)) {
      state = "thinking";
      held = trimmed.slice(OPEN.length);
      return whileThinking();
    }
    if (OPEN.startsWith(trimmed) && held.length <= MAX_BLANK) return [];
    state = "text";
    return release("text", dropsBlank ? trimmed : held);
  };

  const whileThinking = (): ThinkPiece[] => {
    const close = held.indexOf(CLOSE);
    if (close < 0) {
      const keep = overlap(held);
      return release("thinking", held.slice(0, held.length - keep), held.slice(held.length - keep));
    }
    const thinking = release("thinking", held.slice(0, close), held.slice(close + CLOSE.length));
    state = "start";
    dropsBlank = true;
    return [...thinking, ...atStart()];
  };

  const release = (type: ThinkPiece["type"], text: string, rest = ""): ThinkPiece[] => {
    held = rest;
    return text === "" ? [] : [{ type, text }];
  };

  return {
    push(text) {
      if (state === "text") return text === "" ? [] : [{ type: "text", text }];
      held += text;
      return state === "start" ? atStart() : whileThinking();
    },
    hasThinking() {},
    held: () => held.length,
    end() {
      return state === "thinking" ? release("thinking", held) : release("text", dropsBlank ? held.trimStart() : held);
    },
  };
}

/** How many characters at the end of the text may be the beginning of a closing tag. */
function overlap(text: string): number {
  for (let length = Math.min(text.length, CLOSE.length - 1); length > 0; length--) {
    if (text.endsWith(CLOSE.slice(0, length))) return length;
  }
  return 0;
}
