/** The parts of a turn as its events come, and what changed in them since it was last asked, as partials. */

import type { Core, NumberedEvent, PartData, TurnInfo, Words } from "../../protocols";
import { createReplyParts, type ReplyPart } from "../../turn/reply-parts";
import { partial } from "../http/respond";
import { createGrowingText, type GrowingText } from "./growing-text";
import { isMarkdown, partId } from "./part-data";
import { rendered } from "./rendered";

export interface Growth {
  add(event: NumberedEvent): void;
  /** All parts, as of the last `takeChanges`. */
  parts(): PartData[];
  /** What to change in a page that shows the parts as of the last call; new parts go to the end of the element `list`. */
  takeChanges(list: string): string;
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

/** `onMade` is called when there is something to take without an event. */
export function createGrowth(core: Core, words: Words, turn: TurnInfo, onMade = () => {}): Growth {
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
    add(numbered) {
      if (numbered.event.type === "reset") shown.clear();
      parts.add(numbered);
    },
    parts: () => [...shown.values()].map((part) => toData(core, words, part)),
    takeChanges(list) {
      let [appended, changed] = ["", ""];
      for (const part of shown.values()) {
        if (part.change === "new") appended += tellNew(core, words, part);
        else if (part.change !== null) changed += tellChange(core, words, part);
        part.change = null;
      }
      return changed + (appended && partial(list, "beforeend", { markup: appended }));
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
  const shown: ShownPart = { part, id: partId(message), text, progress: "", change: "new" };
  return shown;
}

function tellNew(core: Core, words: Words, shown: ShownPart): string {
  shown.text?.takeChanges("");
  return core.views.part(toData(core, words, shown), words).markup;
}

/** A text that grows is told bit by bit; anything else as a whole. */
function tellChange(core: Core, words: Words, shown: ShownPart): string {
  const { views } = core;
  const { id } = shown;
  if (!shown.text) return partial(id, "outerMorph", views.part(toData(core, words, shown), words));
  if (shown.part.isOpen) {
    return (
      shown.text.takeChanges(`${id}-tail`) ?? partial(id, "outerMorph", views.part(toData(core, words, shown), words))
    );
  }
  const end = shown.text.takeEnd(`${id}-tail`, shown.part.read().content);
  const data = toData(core, words, shown);
  if (end === null) return partial(id, "outerMorph", views.part(data, words));
  const summary = views.partSummary(data, words);
  return summary.markup === "" ? end : end + partial(`${id}-summary`, "outerHTML", summary);
}

function toData(core: Core, words: Words, { id, part, text, progress }: ShownPart): PartData {
  const { isOpen, isWaiting } = part;
  const message = part.read();
  const { markdown } = core.views;
  const common = { id, message, progress, isWaiting };
  if (text && isOpen) return { ...common, ...text.shown() };
  return {
    ...common,
    body: rendered(core, words, isMarkdown(message) ? message.content : ""),
    tail: isOpen ? markdown("", words) : null,
  };
}
