/**
 * Reads a reply in the raw format of gpt-oss, as servers give it that do not read it themselves: `<|channel|>analysis<|message|>…<|end|>`
 * is thinking, `<|channel|>final<|message|>…` the answer.
 */

export interface HarmonyPiece {
  readonly type: "text" | "thinking";
  readonly text: string;
}

export interface Harmony {
  push(text: string): HarmonyPiece[];
  held(): number;
  end(): HarmonyPiece[];
}

/** What such a reply begins with. */
export const HARMONY_BEGINS = [
  "<|channel|>",
  "<|start|>assistant",
  "assistant<|channel|>",
  "analysis<|message|>",
  "final<|message|>",
];

const TOKEN = /<\|(start|channel|message|end|return|call|constrain)\|>/g;
const TOKEN_LENGTH = "<|constrain|>".length;
const HEADER_MAX = 300; // Characters from one message to the next; a name of a channel and of a tool.

export function createHarmony(): Harmony {
  let held = "";
  /** Of the message that is read; null = between two messages. */
  let type: "text" | "thinking" | null = null;
  let header = "";
  let hasSpoken = false;

  const say = (text: string): HarmonyPiece[] => {
    if (type !== null && text !== "") {
      hasSpoken = true;
      return [{ type, text }];
    }
    if (type !== null) return [];
    header += text;
    if (header.length <= HEADER_MAX) return [];
    // No such format after all: nothing of it is lost.
    type = "text";
    return say(header);
  };

  const take = (token: string): void => {
    if (token === "message") {
      const isAnswer = /final/.test(header) || (/commentary/.test(header) && !/to=/.test(header));
      type = isAnswer ? "text" : "thinking";
    } else if (type !== null || (token !== "channel" && token !== "constrain")) {
      type = null;
      header = "";
    }
  };

  const read = (text: string): HarmonyPiece[] => {
    const pieces: HarmonyPiece[] = [];
    let from = 0;
    for (const found of text.matchAll(TOKEN)) {
      pieces.push(...say(text.slice(from, found.index)));
      take(found[1] ?? "");
      from = found.index + found[0].length;
    }
    return [...pieces, ...say(text.slice(from))];
  };

  return {
    push(text) {
      const all = held + text;
      // What may be the beginning of a token waits.
      const open = all.lastIndexOf("<", all.length);
      const isPart = open >= 0 && all.length - open < TOKEN_LENGTH && /^<(?:\|\w*\|?)?$/.test(all.slice(open));
      held = isPart ? all.slice(open) : "";
      return read(isPart ? all.slice(0, open) : all);
    },
    held: () => held.length + header.length,
    end() {
      const pieces = read(held);
      return hasSpoken || header === "" ? pieces : [{ type: "text", text: header }];
    },
  };
}
