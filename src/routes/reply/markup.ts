/**
 * The parts of a reply as the views want them, with their Markdown as markup. Markup of complete texts is kept, because every page and
 * every tab shows the same texts again, and rendered in slices between which other work goes on, because a page may hold a hundred
 * replies and a reply may be long.
 */

import { type FormulasOfText, formulasOfText } from "../../formulas";
import type { Core, Html, Message, PartData, ViewsProtocol, Words } from "../../protocols";

/** Id of a part's element. */
export function partId(message: Pick<Message, "id">): string {
  return `p-${message.id}`;
}

export function isMarkdown({ type }: Pick<Message, "type">): boolean {
  return type === "text" || type === "thinking";
}

/** A part that is complete, but for what `state` says. Its Markdown, unless it is given, is rendered when it is looked at: not everybody looks. */
export function partData(core: Core, words: Words, message: Message, state: Partial<PartData> = {}): PartData {
  let body: Html | null = null;
  return {
    id: partId(message),
    message,
    get body() {
      body ??= rendered(core, words, isMarkdown(message) ? message.content : "");
      return body;
    },
    tail: null,
    progress: "",
    isWaiting: false,
    ...state,
  };
}

/** A part of a turn that runs, as far as it is: the last one may still grow. */
export function runningPart(core: Core, words: Words, message: Message, state: RunningState): PartData {
  const { views, log } = core;
  const { isLast, isWaiting } = state;
  const isUnanswered = message.error === undefined && message.durationMs === undefined;
  if (message.type === "tool" && isUnanswered)
    return partData(core, words, message, { tail: views.markdown("", words), isWaiting });
  if (!isLast || !isMarkdown(message)) return partData(core, words, message);
  const formulas = formulasOfText(log);
  const { finished, tail } = views.openMarkdown(message.content, words, formulas);
  return partData(core, words, message, {
    body: views.markdown(message.content.slice(0, finished), words, formulas),
    tail,
  });
}

interface RunningState {
  readonly isLast: boolean;
  /** For the user's yes or no. */
  readonly isWaiting: boolean;
}

const SLICE = 8000; // Characters: about 2 ms of ordinary text,
const SLICE_LINES = 400; // and lines, each of which may be a block or an item.
const SLICE_MS = 3; // Work at a time; one more slice may follow, and then others have their turn.
const WHOLE_AT_MOST = 50_000; // Characters: 10 ms of ordinary text, and up to 60 of the worst.
const JOINED_AT_MOST = 300_000; // Characters. What is longer is for the view to shorten, which it can only as a whole.
const WAIT_MS = 500; // A page waits no longer for formulas that take long, and is told of them later.
const KEPT_AT_MOST = 4_000_000; // UTF-16 units of texts and markup: some hundred pages, in 4 to 8 MB.

interface Kept {
  readonly texts: Map<string, Html>;
  size: number;
}

/** Per views, which change when a plugin does, and per language. */
const kept = new WeakMap<ViewsProtocol["markdown"], WeakMap<Words, Kept>>();

/**
 * Whether the markup of the blocks, one after the other, is that of the whole: no block defines what another one uses. In a long
 * text none may, since nothing else is served while a whole is rendered: what is called far from where it is written stays as it is.
 */
export function isSumOfBlocks(text: string): boolean {
  return text.length <= JOINED_AT_MOST && (text.length > WHOLE_AT_MOST || !text.includes("]:"));
}

/** Markup in which formulas stand as they were written, because they are still being made. */
const unfinished = new WeakMap<Html, Promise<unknown>>();

/** Resolves when it is worth rendering anew; null when the markup is as it stays. */
export function whenFinished(markup: Html): Promise<unknown> | null {
  return unfinished.get(markup) ?? null;
}

/** At once, from what is kept if it is there. */
export function rendered({ views, log }: Core, words: Words, text: string): Html {
  const known = recall(views, words, text);
  if (known) return known;
  const formulas = formulasOfText(log);
  return finish(views, words, text, joined(views, [...slicesOf(views, words, text, formulas)]), formulas);
}

/** The markup of each of the texts, in slices; with their formulas, unless those take too long. */
export async function renderAll(core: Core, words: Words, texts: readonly string[]): Promise<Html[]> {
  const all = await renderOnce(core, words, texts);
  const formulas = all.flatMap((markup) => whenFinished(markup) ?? []);
  if (formulas.length === 0) return all;
  await Promise.race([Promise.all(formulas), Bun.sleep(WAIT_MS)]);
  return renderOnce(core, words, texts);
}

async function renderOnce({ views, log }: Core, words: Words, texts: readonly string[]): Promise<Html[]> {
  const all: Html[] = [];
  let sinceMs = performance.now();
  const rest = async (): Promise<void> => {
    if (performance.now() - sinceMs < SLICE_MS) return;
    await new Promise(setImmediate);
    sinceMs = performance.now();
  };
  for (const text of texts) {
    const known = recall(views, words, text);
    const slices: (Html | null)[] = [];
    const formulas = formulasOfText(log);
    for (const slice of known ? [] : slicesOf(views, words, text, formulas)) {
      slices.push(slice);
      await rest();
    }
    all.push(known ?? finish(views, words, text, joined(views, slices), formulas));
  }
  return all;
}

/** Null = a step on the way to the next slice. */
function* slicesOf(views: ViewsProtocol, words: Words, text: string, formulas: FormulasOfText): Generator<Html | null> {
  let [start, length] = [0, isSumOfBlocks(text) ? lengthOfSlice(text, 0) : text.length];
  while (start + length < text.length) {
    const { finished } = views.openMarkdown(text.slice(start, start + length), words);
    yield finished > 0 ? views.markdown(text.slice(start, start + finished), words, formulas) : null;
    start += finished;
    // A block that is longer than a slice.
    length = finished > 0 ? lengthOfSlice(text, start) : length * 2;
  }
  yield views.markdown(text.slice(start), words, formulas);
}

/** What is not finished is not kept. */
function finish(views: ViewsProtocol, words: Words, text: string, markup: Html, { made }: FormulasOfText): Html {
  const later = made();
  if (!later) return keepRendered(views, words, text, markup);
  unfinished.set(markup, later);
  return markup;
}

function joined(views: ViewsProtocol, slices: readonly (Html | null)[]): Html {
  const [first, ...others] = slices.filter((slice) => slice !== null);
  return first && others.length === 0 ? first : views.join(first ? [first, ...others] : []);
}

function lengthOfSlice(text: string, start: number): number {
  const end = Math.min(text.length, start + SLICE);
  let at = start;
  for (let lines = 0; lines < SLICE_LINES; lines++) {
    at = text.indexOf("\n", at) + 1;
    if (at === 0 || at > end) return end - start;
  }
  return at - start;
}

function recall(views: ViewsProtocol, words: Words, text: string): Html | null {
  const texts = kept.get(views.markdown)?.get(words)?.texts;
  const markup = texts?.get(text);
  if (!texts || !markup) return null;
  // The map begins with the text that nobody has asked for the longest.
  texts.delete(text);
  texts.set(text, markup);
  return markup;
}

/** Keeps what is the markup of the text. */
export function keepRendered(views: ViewsProtocol, words: Words, text: string, markup: Html): Html {
  const languages = kept.get(views.markdown) ?? new WeakMap<Words, Kept>();
  kept.set(views.markdown, languages);
  const here = languages.get(words) ?? { texts: new Map(), size: 0 };
  languages.set(words, here);
  forget(here, text);
  here.texts.set(text, markup);
  here.size += text.length + markup.markup.length;
  for (const oldest of here.texts.keys()) {
    if (here.size <= KEPT_AT_MOST) break;
    forget(here, oldest);
  }
  return markup;
}

function forget(here: Kept, text: string): void {
  const markup = here.texts.get(text);
  if (!markup) return;
  here.texts.delete(text);
  here.size -= text.length + markup.markup.length;
}
