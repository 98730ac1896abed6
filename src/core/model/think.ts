/**
 * Takes marked thinking out of a model's text, such as `<think>…</think>`, in the marks of the usual chat templates. Only where the reply
 * begins with a mark (white space and attributes aside): later on it is what a person asked about, such as a line of code. The closing one alone is
 * looked for in all of the text (late-close.ts). Marks may be split over deltas in any way.
 */

import { createHarmony, HARMONY_BEGINS, type Harmony } from "./harmony";
import { createLateClose, type LateClose } from "./late-close";

export type ThinkPiece =
  | { readonly type: "text" | "thinking"; readonly text: string }
  /** All text before it was thinking. */
  | { readonly type: "wasThinking" };

export interface ThinkFilter {
  /** What a piece of text makes certain; the rest is held back until more comes. */
  push(text: string): ThinkPiece[];
  /** Something that is no text follows: a beginning that waits for a mark is text. */
  flush(): ThinkPiece[];
  /** Thinking came apart from the text. */
  hasThinking(): void;
  /** Characters that are held back. */
  held(): number;
  /** What is held back, at the end of the reply. */
  end(): ThinkPiece[];
}

interface Mark {
  /** Lower case, as the closing one. */
  readonly open: string;
  readonly close: string;
  readonly closing: RegExp;
}

const ELEMENTS = ["think", "thinking", "thought", "reason", "reasoning", "seed:think"];
/** The beginning of an element, and its attributes so far. */
const WITH_ATTRIBUTES = new RegExp(`^(<(?:${ELEMENTS.join("|")}))\\s[^<>\n]{0,200}(>?)`, "i");

const MARKS: readonly Mark[] = [
  ...ELEMENTS.map((name) => mark(`<${name}>`, `</${name}>`)),
  mark("[think]", "[/think]"),
  mark("◁think▷", "◁/think▷"),
  mark("<|begin_of_thought|>", "<|end_of_thought|>"),
  mark("<|start_thinking|>", "<|end_thinking|>"),
  // Gemma's, of both forms.
  mark("<|channel>thought", "<channel|>"),
  mark("<unused94>thought", "<unused95>"),
];
// Granite's. In plain words, so that nothing is told until the second one has come.
const WORDED: readonly Mark[] = ["here is", "here's"].map((begin) =>
  mark(`${begin} my thought process:`, `${begin} my response:`),
);
const WORDED_MAX = 50_000; // Characters that are held back for it.

/** Around the answer that follows thinking. */
const ANSWERS: readonly Mark[] = [
  mark("<answer>", "</answer>"),
  mark("<|begin_of_solution|>", "<|end_of_solution|>"),
  mark("<|start_response|>", "<|end_response|>"),
];

/** White space, also of no width. */
const BLANK = /^[\s\u200b-\u200d\u2060]+/;
const MAX_BLANK = 1000; // White space before a mark that is still worth waiting for, in characters.

function mark(open: string, close: string): Mark {
  return { open, close, closing: new RegExp(RegExp.escape(close), "gi") };
}

/** Where the filter is in a reply. */
interface TagPosition {
  at: "start" | "text" | Mark | Harmony;
  held: string;
  hasThought: boolean;
  /** After a closing mark the white space before the text belongs to neither. */
  dropsBlank: boolean;
  /** Which marks are around the text. */
  answer: Mark | null;
  readonly late: LateClose;
}

export function createThinkFilter(): ThinkFilter {
  const place: TagPosition = {
    at: "start",
    held: "",
    hasThought: false,
    dropsBlank: false,
    answer: null,
    late: createLateClose(),
  };
  return {
    push: (text) => read(place, text),
    flush: () => (place.at === "start" && place.held.trim() !== "" ? beginText(place) : []),
    hasThinking() {
      place.hasThought = true;
    },
    held: () => place.held.length + place.late.held() + (isHarmony(place.at) ? place.at.held() : 0),
    end: () => end(place),
  };
}

function read(place: TagPosition, text: string): ThinkPiece[] {
  const { at } = place;
  if (text === "") return [];
  if (at === "text") return readText(place, text);
  if (isHarmony(at)) return at.push(text);
  if (at !== "start") return readThinking(place, at, text);
  place.held += text;
  return begin(place);
}

function begin(place: TagPosition): ThinkPiece[] {
  const trimmed = withoutAttributes(place.held.replace(BLANK, ""));
  if (trimmed === null) return [];
  const head = trimmed.slice(0, HEAD_MAX).toLowerCase();
  const opened = [...MARKS, ...WORDED].find(({ open }) => head.startsWith(open));
  if (opened) return enter(place, opened, trimmed.slice(opened.open.length));
  if (HARMONY_BEGINS.some((it) => head.startsWith(it))) return enter(place, createHarmony(), trimmed);
  // The opening one is in the prompt, or the thinking came apart from the text.
  const closed = MARKS.find(({ close }) => head.startsWith(close));
  if (closed) return leave(place, trimmed.slice(closed.close.length));
  const answer = place.hasThought && !place.answer ? ANSWERS.find(({ open }) => head.startsWith(open)) : undefined;
  if (answer) {
    Object.assign(place, { held: trimmed.slice(answer.open.length), answer });
    return begin(place);
  }
  const begins = place.hasThought ? AFTER_THINKING : BEGINS;
  if (begins.some((it) => it.startsWith(head)) && place.held.length <= MAX_BLANK) return [];
  return beginText(place);
}

/** Null while more of them may follow. */
function withoutAttributes(text: string): string | null {
  const [found = "", begin, end] = WITH_ATTRIBUTES.exec(text) ?? [];
  if (end === "") return found.length === text.length ? null : text;
  return end ? `${begin}>${text.slice(found.length)}` : text;
}

function enter(place: TagPosition, entered: Mark | Harmony, rest: string): ThinkPiece[] {
  place.at = entered;
  place.held = "";
  return read(place, rest);
}

/** What follows thinking may be more of it. */
function leave(place: TagPosition, rest: string): ThinkPiece[] {
  Object.assign(place, { at: "start", held: rest, hasThought: true, dropsBlank: true });
  return begin(place);
}

function beginText(place: TagPosition): ThinkPiece[] {
  const text = place.dropsBlank ? place.held.replace(BLANK, "") : place.held;
  place.at = "text";
  place.held = "";
  return read(place, text);
}

function readText(place: TagPosition, text: string): ThinkPiece[] {
  if (place.answer) return readAnswer(place, place.answer, text);
  if (place.hasThought) return piece("text", text);
  const { text: certain, rest } = place.late.push(text);
  if (rest === null) return piece("text", certain);
  return [...piece("text", certain), { type: "wasThinking" }, ...leave(place, rest)];
}

/** Up to its closing mark, which is no part of it. */
function readAnswer(place: TagPosition, answer: Mark, text: string): ThinkPiece[] {
  const all = place.held + text;
  const at = indexOf(all, answer, 0);
  if (at >= 0) {
    Object.assign(place, { answer: null, held: "" });
    return piece("text", all.slice(0, at) + all.slice(at + answer.close.length));
  }
  const certain = all.length - overlap(all, answer.close);
  place.held = all.slice(certain);
  return piece("text", all.slice(0, certain));
}

function readThinking(place: TagPosition, mark: Mark, text: string): ThinkPiece[] {
  const { close } = mark;
  const from = Math.max(0, place.held.length - close.length);
  const all = place.held + text;
  const at = indexOf(all, mark, from);
  if (at >= 0) return [...piece("thinking", all.slice(0, at)), ...leave(place, all.slice(at + close.length))];
  place.held = all;
  if (WORDED.includes(mark)) return all.length <= WORDED_MAX ? [] : asText(place, mark);
  const certain = all.length - overlap(all, close);
  place.held = all.slice(certain);
  return piece("thinking", all.slice(0, certain));
}

/** It only began like thinking. */
function asText(place: TagPosition, { open }: Mark): ThinkPiece[] {
  place.held = `${open.charAt(0).toUpperCase()}${open.slice(1)}${place.held}`;
  return beginText(place);
}

function end(place: TagPosition): ThinkPiece[] {
  const { at, held, late } = place;
  if (at === "start") return piece("text", place.dropsBlank ? held.replace(BLANK, "") : held);
  if (at === "text") {
    if (place.answer) return piece("text", held);
    const { text, rest } = late.end();
    return [...piece("text", text), ...(rest === null ? [] : [{ type: "wasThinking" } as const])];
  }
  if (isHarmony(at)) return at.end();
  return WORDED.includes(at) ? [...asText(place, at), ...end(place)] : piece("thinking", held);
}

function isHarmony(at: TagPosition["at"]): at is Harmony {
  return typeof at === "object" && "push" in at;
}

const BEGINS = [...MARKS, ...WORDED].flatMap(({ open, close }) => [open, close]).concat(HARMONY_BEGINS);
const AFTER_THINKING = [...BEGINS, ...ANSWERS.map(({ open }) => open)];
const HEAD_MAX = Math.max(...AFTER_THINKING.map(({ length }) => length));

function piece(type: "text" | "thinking", text: string): ThinkPiece[] {
  return text === "" ? [] : [{ type, text }];
}

/** Of a mark in any case. */
function indexOf(text: string, { closing }: Mark, from: number): number {
  closing.lastIndex = from;
  return closing.exec(text)?.index ?? -1;
}

/** How many characters at the end of the text may be the beginning of the mark. */
function overlap(text: string, mark: string): number {
  const tail = text.slice(1 - mark.length).toLowerCase();
  for (let length = Math.min(tail.length, mark.length - 1); length > 0; length--) {
    if (tail.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}
