/**
 * Reads the text of a reply: takes marked thinking out of it, such as `<think>…</think>` in the marks of the usual chat templates, and
 * pictures that are written into it. Thinking counts only where the reply begins with its mark (white space and attributes aside): later on
 * a mark is what a person asked about, such as a line of code; the closing one alone is looked for in all of the text. Marks may be split over
 * deltas in any way: what may be the beginning of one is held back.
 */

export type TextPiece =
  | { readonly type: "text" | "thinking"; readonly text: string }
  /** All text before it was thinking. */
  | { readonly type: "wasThinking" }
  | { readonly type: "picture"; readonly url: string };

type Tell = (piece: TextPiece) => void;

/** `tell` gets each piece as soon as it is certain. */
export function createTextReader(tell: Tell) {
  const pictures = newReader(betweenPictures, tell);
  const thinking = newReader(start, (piece) => {
    if (piece.type === "text") return read(pictures, piece.text);
    read(pictures, "", true);
    tell(piece);
  });
  return {
    push: (text: string): void => read(thinking, text),
    /** Something that is no text follows: a beginning that waits for a mark is text. */
    flush(): void {
      if (thinking.state !== start || thinking.held.trim() === "") return;
      thinking.held = beginText(thinking, thinking.held);
      read(thinking, "");
    },
    /** Thinking came apart from the text. */
    hasThinking(): void {
      thinking.hasThought = true;
    },
    /** The reply is over: tells what is held back. */
    end(): void {
      read(thinking, "", true);
      read(pictures, "", true);
    },
  };
}

/** Where the reading of a text is. */
interface Reader {
  state: State;
  /** What may be the beginning of a mark. */
  held: string;
  readonly tell: Tell;
  hasThought: boolean;
  /** White space between a closing mark and the text belongs to neither. */
  isAfterMark: boolean;
  /** Which marks are around the text. */
  answer: Mark | null;
}

/**
 * Reads what was held and what has come, of which the first `from` characters were looked at before. Gives what the next state has to read;
 * null = all of it is told or held.
 */
type State = (reader: Reader, text: string, isEnd: boolean, from: number) => string | null;

function newReader(state: State, tell: Tell): Reader {
  return { state, held: "", tell, hasThought: false, isAfterMark: false, answer: null };
}

function read(reader: Reader, more: string, isEnd = false): void {
  let from = reader.held.length;
  let rest: string | null = reader.held + more;
  reader.held = "";
  while (rest !== null) {
    rest = reader.state(reader, rest, isEnd, from);
    from = 0;
  }
}

function go(reader: Reader, state: State, rest: string): string {
  reader.state = state;
  return rest;
}

function say({ tell }: Reader, type: "text" | "thinking", text: string): void {
  if (text !== "") tell({ type, text });
}

function sayAndHold(reader: Reader, type: "text" | "thinking", text: string, certain: number): null {
  say(reader, type, text.slice(0, certain));
  reader.held = text.slice(certain);
  return null;
}

/** Where the end of the text begins that may go on as one of the marks. */
function certainOf(text: string, marks: readonly string[]): number {
  let certain = text.length;
  for (const mark of marks) {
    const tail = text.slice(1 - mark.length).toLowerCase();
    const [first = ""] = mark;
    for (let at = tail.indexOf(first); at >= 0; at = tail.indexOf(first, at + 1)) {
      if (mark.startsWith(tail.slice(at))) certain = Math.min(certain, text.length - tail.length + at);
    }
  }
  return certain;
}

interface Mark {
  /** Lower case, as the closing one. */
  readonly open: string;
  readonly closes: readonly string[];
  readonly closing: RegExp;
}

function mark(open: string, ...closes: readonly string[]): Mark {
  return { open, closes, closing: new RegExp(closes.map(RegExp.escape).join("|"), "gi") };
}

const CLOSE_MAX = 30; // Characters, more than any closing mark has.

const ELEMENTS = ["think", "thinking", "thought", "reason", "reasoning", "seed:think"];
const NAMED: readonly Mark[] = [
  ...ELEMENTS.map((name) => mark(`<${name}>`, `</${name}>`)),
  mark("[think]", "[/think]"),
  mark("◁think▷", "◁/think▷"),
];
const MARKS: readonly Mark[] = [
  ...NAMED,
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
const CLOSES = MARKS.flatMap(({ closes }) => closes);
/** Around the answer that follows thinking. */
const ANSWERS: readonly Mark[] = [
  mark("<answer>", "</answer>"),
  mark("<|begin_of_solution|>", "<|end_of_solution|>"),
  mark("<|start_response|>", "<|end_response|>"),
];
/** The raw format of gpt-oss, whose first mark may be in the prompt. */
const HARMONY = "<|channel|> <|start|>assistant assistant<|channel|> analysis<|message|> final<|message|>".split(" ");

interface Begin {
  /** What the reply begins with, or what follows thinking, in lower case. */
  readonly text: string;
  /** Gives what the next state has to read; `all` has the beginning too. */
  enter(reader: Reader, rest: string, all: string): string;
}

const BEGINS: readonly Begin[] = [
  ...[...MARKS, ...WORDED].map((it) => begin(it.open, (reader, rest) => go(reader, thinkingIn(it), rest))),
  ...HARMONY.map((text) => begin(text, (reader, _, all) => go(reader, header(true), all))),
  // The opening one is in the prompt, or the thinking came apart from the text.
  ...CLOSES.map((close) => begin(close, leave)),
];
const AFTER_THINKING: readonly Begin[] = [
  ...BEGINS,
  ...ANSWERS.map((answer) => begin(answer.open, (reader, rest) => Object.assign(reader, { answer }) && rest)),
];
const HEAD_MAX = Math.max(...AFTER_THINKING.map(({ text }) => text.length));

function begin(text: string, enter: Begin["enter"]): Begin {
  return { text, enter };
}

/** White space, also of no width. */
const BLANK = /^[\s\u200b-\u200d\u2060]+/;
const MAX_BLANK = 1000; // White space before a mark that is still worth waiting for, in characters.

function start(reader: Reader, text: string, isEnd: boolean): string | null {
  const trimmed = withoutAttributes(text.replace(BLANK, ""));
  const head = trimmed?.slice(0, HEAD_MAX).toLowerCase() ?? null;
  const begins = reader.hasThought && !reader.answer ? AFTER_THINKING : BEGINS;
  const found = head === null ? undefined : begins.find((it) => head.startsWith(it.text));
  if (found && trimmed !== null) return found.enter(reader, trimmed.slice(found.text.length), trimmed);
  const mayBegin = head === null || (text.length <= MAX_BLANK && begins.some((it) => it.text.startsWith(head)));
  if (!mayBegin || isEnd) return beginText(reader, text);
  reader.held = text;
  return null;
}

/** The beginning of an element, and its attributes so far. */
const WITH_ATTRIBUTES = new RegExp(`^(<(?:${ELEMENTS.join("|")}))\\s[^<>\n]{0,200}(>?)`, "i");

/** Null while more of them may follow. */
function withoutAttributes(text: string): string | null {
  const [found = "", element, end] = WITH_ATTRIBUTES.exec(text) ?? [];
  if (end === "") return found.length === text.length ? null : text;
  return end ? `${element}>${text.slice(found.length)}` : text;
}

function beginText(reader: Reader, text: string): string {
  const { hasThought, isAfterMark, answer } = reader;
  const state = answer ? until("text", answer, toPlain) : hasThought ? plain : watching();
  return go(reader, state, isAfterMark ? text.replace(BLANK, "") : text);
}

/** What follows thinking may be more of it. */
function leave(reader: Reader, rest: string): string {
  Object.assign(reader, { hasThought: true, isAfterMark: true });
  return go(reader, start, rest);
}

function toPlain(reader: Reader, rest: string): string {
  return go(reader, plain, rest);
}

function plain(reader: Reader, text: string): null {
  return sayAndHold(reader, "text", text, text.length);
}

function thinkingIn(mark: Mark): State {
  if (!WORDED.includes(mark)) return until("thinking", mark, leave);
  return until("thinking", mark, leave, (reader, text, isEnd) => {
    // The text only began like thinking.
    if (isEnd || text.length > WORDED_MAX) return beginText(reader, mark.open.replace(/^h/, "H") + text);
    reader.held = text;
    return null;
  });
}

/** Tells what comes before the closing mark. Where there is none, `more` says what is done. */
function until(
  type: "text" | "thinking",
  { closes, closing }: Pick<Mark, "closes" | "closing">,
  next: (reader: Reader, rest: string) => string,
  more: State = (reader, text, isEnd) => sayAndHold(reader, type, text, isEnd ? text.length : certainOf(text, closes)),
): State {
  return (reader, text, isEnd, from) => {
    closing.lastIndex = Math.max(0, from - CLOSE_MAX);
    const found = closing.exec(text);
    if (!found) return more(reader, text, isEnd, from);
    say(reader, type, text.slice(0, found.index));
    return next(reader, text.slice(found.index + found[0].length));
  };
}

const LATE = mark("", ...CLOSES, ...NAMED.map(({ open }) => open));
const BEGINS_MARK = /[<[◁]/; // As each of them does, and few texts do.

/**
 * Text in which the closing mark of thinking may come that was never opened: some chat templates write the opening one into the prompt, so
 * that a reply begins in the middle of it. What came before the mark was told as text by then.
 */
function watching(): State {
  const line: MarkdownLine = { head: "", last: "", ticks: 0, isBlank: true, isInFence: false };
  return (reader, text, isEnd) => {
    if (reader.hasThought) return go(reader, plain, text);
    let from = 0;
    let certain = text.length;
    if (BEGINS_MARK.test(text)) {
      if (!isEnd) certain = certainOf(text, LATE.closes);
      for (const { 0: found, index } of text.matchAll(LATE.closing)) {
        // A reply that has an opening mark in its text writes about such marks.
        if (!CLOSES.includes(found.toLowerCase())) return go(reader, plain, text);
        const rest = text.slice(index + found.length);
        // The next piece shows whether the mark stands alone.
        if (rest === "" && !isEnd) certain = index;
        addTo(line, text.slice(from, index));
        from = index;
        if (certain > index && standsAlone(line, rest)) {
          say(reader, "text", text.slice(0, index));
          reader.tell({ type: "wasThinking" });
          return leave(reader, rest);
        }
      }
    }
    addTo(line, text.slice(from, certain));
    return sayAndHold(reader, "text", text, certain);
  };
}

/** Where in Markdown a text has come to. */
interface MarkdownLine {
  /** As many characters of the line as a fence needs. */
  head: string;
  last: string;
  ticks: number;
  isBlank: boolean;
  isInFence: boolean;
}

const FENCE = /^ {0,3}(?:```|~~~)/;
const HEAD_LENGTH = 6;

function addTo(line: MarkdownLine, text: string): void {
  let from = 0;
  for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
    addPiece(line, text.slice(from, end));
    const isInFence = line.isInFence !== FENCE.test(line.head);
    Object.assign(line, { head: "", last: "\n", ticks: 0, isBlank: true, isInFence });
    from = end + 1;
  }
  addPiece(line, text.slice(from));
}

function addPiece(line: MarkdownLine, piece: string): void {
  if (piece === "") return;
  if (line.head.length < HEAD_LENGTH) line.head = (line.head + piece).slice(0, HEAD_LENGTH);
  if (piece.includes("`")) line.ticks += piece.split("`").length - 1;
  line.isBlank &&= piece.trim() === "";
  line.last = piece.slice(-1);
}

/** In code a mark is what somebody asked about. In text it follows what came last, as in `done.</think>` and not as in `the tag </think>`. */
function standsAlone({ last, ticks, isBlank, isInFence }: MarkdownLine, rest: string): boolean {
  if (isInFence || ticks % 2 > 0) return false;
  return isBlank || (!/[\s"'“«(]/.test(last) && /^(?:\r?\n|$)/.test(rest.slice(0, 2)));
}

const TOKEN = mark(
  "",
  ...["start", "channel", "message", "end", "return", "call", "constrain"].map((it) => `<|${it}|>`),
);
const MESSAGE = "<|message|>";
const HEADER_MAX = 300; // Characters from one message to the next; a name of a channel and of a tool.

/** `<|channel|>analysis<|message|>…<|end|>` is thinking, `<|channel|>final<|message|>…` the answer. */
function header(isFirst: boolean): State {
  return (reader, text, isEnd) => {
    const at = text.indexOf(MESSAGE);
    const said = text.slice(0, Math.max(0, at));
    const isAnswer = at < 0 || /final/.test(said) || (/commentary/.test(said) && !/to=/.test(said));
    const message = until(isAnswer ? "text" : "thinking", TOKEN, (_, rest) => go(reader, header(false), rest));
    if (at >= 0) return go(reader, message, text.slice(at + MESSAGE.length));
    // No such format after all: nothing of it is lost.
    if (text.length > HEADER_MAX || (isEnd && isFirst)) return go(reader, message, text.replace(TOKEN.closing, ""));
    reader.held = text;
    return null;
  };
}

/** Some gateways write a picture so: megabytes of letters, which no person can read and no later request should have. */
const PICTURE = /!\[[^\]\n]{0,100}\]\(data:image\/[\w.+-]{1,40};base64,/;
/** The end of a text that may go on so. */
const PICTURE_PART =
  /!(?:\[[^\]\n]{0,100}(?:\](?:\((?:[data:imge/]{0,11}|data:image\/[\w.+-]{0,40}(?:;[base64,]{0,7})?))?)?)?$/;
const OTHER = /[^\w+/=-]/; // What base64 does not have.
const PICTURE_MAX = 32 * 1024 * 1024; // Characters, as of one event of a stream.

function betweenPictures(reader: Reader, text: string, isEnd: boolean): string | null {
  const found = text.includes("!") ? PICTURE.exec(text) : null;
  if (found) {
    say(reader, "text", text.slice(0, found.index));
    reader.state = inPicture(found[0]);
    return text.slice(found.index + found[0].length);
  }
  const part = text.includes("!") && !isEnd ? text.search(PICTURE_PART) : -1;
  return sayAndHold(reader, "text", text, part < 0 ? text.length : part);
}

function inPicture(begin: string): State {
  const pieces = [begin];
  let size = 0;
  return (reader, text, isEnd) => {
    const end = text.search(OTHER);
    pieces.push(end < 0 ? text : text.slice(0, end));
    size += text.length;
    if (end < 0 && size <= PICTURE_MAX && !isEnd) return null;
    reader.state = betweenPictures;
    const whole = pieces.join("");
    const isWhole = text[end] === ")";
    if (isWhole) reader.tell({ type: "picture", url: whole.slice(begin.lastIndexOf("(") + 1) });
    else say(reader, "text", whole);
    return end < 0 ? "" : text.slice(isWhole ? end + 1 : end);
  };
}
