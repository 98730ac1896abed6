/**
 * The parts of a reply as the views want them, with their Markdown as markup. Markup of complete texts is kept, because every page and
 * every tab shows the same texts again, and rendered in slices between which other work goes on, because a page may hold a hundred
 * replies and a reply may be long.
 */

import { perServer } from "../../basics/once";
import { pageIds } from "../../basics/page-ids";
import { createRecent, type Recent } from "../../basics/recent";
import { within } from "../../basics/within";
import { findFormula } from "../../formulas";
import type { Core, Html, Log, Message, PartData, ViewsProtocol, Words } from "../../protocols";

export function isMarkdown({ type }: Pick<Message, "type">): boolean {
  return type === "text" || type === "thinking";
}

/** A part that is complete, but for what `state` says. Its Markdown, unless it is given, is rendered when it is looked at: not everybody looks. */
export function partData(core: Core, words: Words, message: Message, state: Partial<PartData> = {}): PartData {
  let body: Html | null = null;
  return {
    id: pageIds.part(message.id),
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

/** A part of a turn that runs, as far as it is: a call without result, or the last one, when it is a text. */
export function runningPart(
  core: Core,
  words: Words,
  message: Message,
  { isLast, isWaiting }: { readonly isLast: boolean; readonly isWaiting: boolean },
): PartData {
  const isText = isMarkdown(message);
  const isUnanswered = message.type === "tool" && message.error === undefined && message.durationMs === undefined;
  if (!isUnanswered && !(isText && isLast)) return partData(core, words, message);
  const text = isText ? message.content : "";
  const { finished, tail } = core.views.openMarkdown(text, words, formulasOfText(core.log));
  return partData(core, words, message, { body: renderBlocks(core, words, text.slice(0, finished)), tail, isWaiting });
}

const SLICE = 8000; // Characters: about 2 ms of ordinary text,
const SLICE_LINES = 400; // and lines, each of which may be a block or an item.
const SLICE_MS = 3; // Work at a time; one more slice may follow, and then others have their turn.
const WHOLE_AT_MOST = 50_000; // Characters: 10 ms of ordinary text, and up to 60 of the worst.
const JOINED_AT_MOST = 300_000; // Characters. What is longer is for the view to shorten, which it can only as a whole.
const WAIT_MS = 500; // A page waits no longer for formulas that take long, and is told of them later.
const KEPT_AT_MOST = 4_000_000; // UTF-16 units of texts and markup: some hundred pages, in 4 to 8 MB.

/** By views, which change when a plugin does, and by language. */
const keptOfServer = perServer(() => new WeakMap<ViewsProtocol["markdown"], Map<Words, Recent<Html>>>());

function keptTexts(core: Core, words: Words): Recent<Html> {
  const { markdown } = core.views;
  const languages = keptOfServer(core).getOrInsertComputed(markdown, () => new Map<Words, Recent<Html>>());
  const begin = () => createRecent<Html>(KEPT_AT_MOST, (text, { markup }) => text.length + markup.length);
  return languages.getOrInsertComputed(words, begin);
}

/** Keeps what is known already to be the markup of the text. */
export function keepRendered(core: Core, words: Words, text: string, markup: Html): void {
  keptTexts(core, words).set(text, markup);
}

/**
 * Whether the markup of the blocks, one after the other, is that of the whole: no block defines what another one uses. In a long
 * text none may, since nothing else is served while a whole is rendered: what is called far from where it is written stays as it is.
 */
export function isSumOfBlocks(text: string): boolean {
  return text.length <= JOINED_AT_MOST && (text.length > WHOLE_AT_MOST || !text.includes("]:"));
}

/** What one text needs of formulas that take long. `made` is null when all were there; else it resolves when it is worth another look. */
export function formulasOfText(log: Log) {
  const waiting = new Set<Promise<unknown>>();
  return {
    find: (source: string, isDisplay: boolean) => findFormula(log, source, isDisplay, (made) => waiting.add(made)),
    made: () => (waiting.size === 0 ? null : Promise.all(waiting)),
  };
}

/** Markup in which formulas stand as they were written, because they are still being made. */
const unfinished = new WeakMap<Html, Promise<unknown>>();

/** Resolves when it is worth rendering anew; null when the markup is as it stays. */
export function whenFinished(markup: Html): Promise<unknown> | null {
  return unfinished.get(markup) ?? null;
}

/** At once, from what is kept if it is there. */
export function rendered(core: Core, words: Words, text: string): Html {
  const work = rendering(core, words, text);
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** The markup of each of the texts, in slices; with their formulas, unless those take too long. */
export async function renderAll(core: Core, words: Words, texts: readonly string[]): Promise<Html[]> {
  const all = await renderOnce(core, words, texts);
  const formulas = all.flatMap((markup) => whenFinished(markup) ?? []);
  if (formulas.length === 0) return all;
  await within(Promise.all(formulas), { ms: WAIT_MS }, () => null);
  return renderOnce(core, words, texts);
}

async function renderOnce(core: Core, words: Words, texts: readonly string[]): Promise<Html[]> {
  const all: Html[] = [];
  let sinceMs = performance.now();
  for (const text of texts) {
    const work = rendering(core, words, text);
    for (let isDone = false; !isDone; ) {
      const { done, value } = work.next();
      if (done) all.push(value);
      isDone = done === true;
      if (performance.now() - sinceMs < SLICE_MS) continue;
      await new Promise(setImmediate);
      sinceMs = performance.now();
    }
  }
  return all;
}

/** Renders a slice at each step, and gives the whole. What is not finished is not kept. */
function* rendering(core: Core, words: Words, text: string): Generator<undefined, Html> {
  const { views, log } = core;
  // Of these views, which may be others when the last slice is made.
  const texts = keptTexts(core, words);
  const known = texts.get(text);
  if (known) return known;
  const formulas = formulasOfText(log);
  const slices: Html[] = [];
  let [start, length] = [0, isSumOfBlocks(text) ? lengthOfSlice(text, 0) : text.length];
  while (start + length < text.length) {
    const { finished } = views.openMarkdown(text.slice(start, start + length), words);
    if (finished > 0) slices.push(views.markdown(text.slice(start, start + finished), words, formulas));
    yield;
    start += finished;
    // A block that is longer than a slice.
    length = finished > 0 ? lengthOfSlice(text, start) : length * 2;
  }
  const last = views.markdown(text.slice(start), words, formulas);
  const markup = marked(slices.length === 0 ? last : views.join([...slices, last]), formulas);
  if (!whenFinished(markup)) texts.set(text, markup);
  return markup;
}

/** Blocks of a text that is being written, at once. */
export function renderBlocks({ views, log }: Core, words: Words, blocks: string): Html {
  const formulas = formulasOfText(log);
  return marked(views.markdown(blocks, words, formulas), formulas);
}

function marked(markup: Html, { made }: ReturnType<typeof formulasOfText>): Html {
  const later = made();
  if (later) unfinished.set(markup, later);
  return markup;
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
