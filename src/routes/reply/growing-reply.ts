/**
 * A reply that is being written, rendered once for all pages that look at it: follows a turn, learns from its events which parts
 * changed, and tells that as HTML at a pace that a reader can see. What was told and `snapshot` always agree, so a page that
 * joins takes the snapshot and then what is told, in one go.
 */

import { pageIds } from "../../basics/page-ids";
import { encodeSse } from "../../basics/sse";
import type { Core, MessageData, NumberedEvent, PartData, TurnInfo, Words } from "../../protocols";
import { createReplyParts, type ReplyPart } from "../../turn/reply-parts";
import { fragment } from "../http/respond";
import type { Reader } from "../session/session";
import { createGrowingText, type GrowingText } from "./growing-text";
import { isMarkdown, partData } from "./markup";

export interface LiveReply {
  /** Of the message, and of the turn that writes it. */
  readonly id: string;
  readonly turnId: string;
  /** As it is now. Whatever led here is told before this returns, and nothing of it afterwards. */
  snapshot(): MessageData;
  /** Resolves when the last change was told. */
  readonly ended: Promise<void>;
  /** What leads a page that shows the snapshot to the reply as the thread keeps it. */
  endAs(kept: MessageData): string;
  close(): void;
}

export interface ReplyOptions {
  readonly core: Core;
  readonly reader: Reader;
  readonly turn: TurnInfo;
  /** The reply as a page knows it now; its parts of earlier turns are those that this turn goes on from. */
  readonly base: MessageData;
  /** Gets each change, encoded. */
  readonly tell: (message: Uint8Array) => void;
}

const PACE_MS = 50; // A reader cannot tell 20 updates a second from more.
const BYTES_PER_MS = 48; // For a long open block, such as a table, which is sent again as it grows.
const WORK_SHARE = 10; // Rendering takes at most a tenth of the time.

/** Parts that were there before are in the first snapshot and are not told. */
export async function openReply({ core, reader, turn, base, tell }: ReplyOptions): Promise<LiveReply> {
  const controller = new AbortController();
  const growth = createGrowth(core, reader.words, turn, () => wake());
  const before = base.parts.filter(({ message }) => message.turnId !== turn.id);
  let timer: Timer | null = null;
  let restMs = PACE_MS;

  const flush = (): void => {
    timer = null;
    const startedMs = performance.now();
    const markup = growth.takeChanges(pageIds.parts(base.id));
    if (markup !== "") tell(encodeSse({ data: markup }));
    restMs = Math.max(PACE_MS, markup.length / BYTES_PER_MS, WORK_SHARE * (performance.now() - startedMs));
  };
  const wake = (): void => {
    timer ??= setTimeout(flush, restMs);
  };
  const flushNow = (): void => {
    if (timer) clearTimeout(timer);
    if (timer) flush();
  };
  const snapshot = (): MessageData => {
    flushNow();
    return { ...base, turn, parts: [...before, ...growth.parts()] };
  };
  const first = Promise.withResolvers<void>();
  const follow = async (): Promise<void> => {
    for await (const events of (await core.turns.follow(reader.user, turn.id, 0, controller.signal)) ?? []) {
      for (const event of events) growth.add(event);
      first.resolve();
      wake();
    }
    flushNow();
  };
  const ended = follow()
    .catch((error) => core.log.error("A reply could not be followed", { turn: turn.id, error }))
    .finally(first.resolve);
  await first.promise;
  growth.takeChanges("");

  return {
    id: base.id,
    turnId: turn.id,
    snapshot,
    ended,
    endAs: (kept) => endOf(core, reader.words, kept, snapshot()),
    close: () => controller.abort(),
  };
}

/** The foot, and whatever was told differently from how it is kept (a link defined later in the text, a time). */
function endOf({ views }: Core, words: Words, kept: MessageData, told: MessageData): string {
  const isSame = kept.parts.map(({ id }) => id).join() === told.parts.map(({ id }) => id).join();
  if (!isSame) return fragment(kept.id, "outerMorph", views.message(kept, words));
  const others = kept.parts.flatMap((part, index) => {
    const [was, now] = [told.parts[index], views.part(part, words)];
    return was && views.part(was, words).markup !== now.markup ? fragment(part.id, "outerMorph", now) : [];
  });
  return fragment(pageIds.foot(kept.id), "outerHTML", views.messageFoot(kept, words)) + others.join("");
}

/** How the pages show a part. */
interface ShownPart {
  readonly part: ReplyPart;
  /** Of its element. */
  readonly id: string;
  /** Of a text or thinking that may still grow. */
  text: GrowingText | null;
  progress: string;
  change: "new" | "grown" | "replaced" | null;
}

/** The parts of a turn as its events come, and what changed in them. `onMade` is called when there is something to take without an event. */
export function createGrowth(core: Core, words: Words, turn: TurnInfo, onMade = () => {}) {
  const shown = new Map<ReplyPart, ShownPart>();
  const parts = createReplyParts(turn, (part, change, text) => {
    const known = shown.get(part);
    if (!known) return void shown.set(part, newShown(core, words, part, onMade));
    if (change === "grown") known.text?.push(text);
    if (change === "progress") known.progress += text;
    if (change === "thought") {
      known.text = null;
      if (known.change === "grown") known.change = "replaced";
    }
    known.change ??= known.text ? "grown" : "replaced";
  });

  return {
    add(numbered: NumberedEvent): void {
      if (numbered.event.type === "reset") shown.clear();
      parts.add(numbered);
    },
    /** All parts, as of the last `takeChanges`. */
    parts: (): PartData[] => [...shown.values()].map((part) => toData(core, words, part)),
    /** What to change in a page that shows the parts as of the last call; new parts go to the end of the element `list`. */
    takeChanges(list: string): string {
      let [appended, changed] = ["", ""];
      for (const part of shown.values()) {
        if (part.change === "new") appended += tellNew(core, words, part);
        else if (part.change !== null) changed += tellChange(core, words, part);
        part.change = null;
      }
      return changed + (appended && fragment(list, "beforeend", { markup: appended }));
    },
  };
}

function newShown(core: Core, words: Words, part: ReplyPart, onMade: () => void): ShownPart {
  const message = part.read();
  const made = () => {
    shown.change ??= "grown";
    onMade();
  };
  const text = isMarkdown(message) ? createGrowingText(core, words, made) : null;
  const shown: ShownPart = { part, id: pageIds.part(message.id), text, progress: "", change: "new" };
  return shown;
}

function tellNew(core: Core, words: Words, shown: ShownPart): string {
  shown.text?.takeChanges("");
  return core.views.part(toData(core, words, shown), words).markup;
}

/** A text that grows is told bit by bit; anything else as a whole. */
function tellChange(core: Core, words: Words, shown: ShownPart): string {
  const { id, part, text } = shown;
  const end = text && !part.isOpen ? text.end(part.read().content) : null;
  const changes = text && part.isOpen ? text.takeChanges(pageIds.tail(id)) : null;
  if (changes !== null) return changes;
  const data = toData(core, words, shown);
  if (!end || end.whole) return fragment(id, "outerMorph", core.views.part(data, words));
  const summary = core.views.partSummary(data, words);
  const rest = fragment(pageIds.tail(id), "outerHTML", end.rest);
  return summary.markup === "" ? rest : rest + fragment(pageIds.summary(id), "outerHTML", summary);
}

function toData(core: Core, words: Words, { part, text, progress }: ShownPart): PartData {
  const { isOpen, isWaiting } = part;
  const state = { progress, isWaiting, tail: isOpen ? core.views.markdown("", words) : null };
  return partData(core, words, part.read(), text && isOpen ? { ...state, ...text.shown() } : state);
}
