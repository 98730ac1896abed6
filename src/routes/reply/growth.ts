/** The parts of a turn as its events come, and what changed in them since it was last asked, as partials. */

import type { Core, Message, NumberedEvent, PartData, TurnInfo, Words } from "../../protocols";
import { createParts, type PartChange } from "../../turn/parts";
import { partial } from "../partial";
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

/** One part, and how the pages show it. */
interface ShownPart {
  /** Of its element. */
  readonly id: string;
  /** As it is; it costs in proportion to its length. */
  readonly read: () => Message;
  /** Of a text or thinking that may still grow. */
  text: GrowingText | null;
  isOpen: boolean;
  isWaiting: boolean;
  progress: string;
  change: "new" | "grown" | "replaced" | null;
}

/** `onMade` is called when there is something to take without an event. */
export function createGrowth(core: Core, words: Words, turn: TurnInfo, onMade = () => {}): Growth {
  let parts = createParts(turn);
  const shown = new Map<string, ShownPart>();

  const note = ({ id, read, text, progress, isWaiting, isOver, isOther }: PartChange): void => {
    const isNew = !shown.has(id);
    if (isNew) for (const other of shown.values()) closeText(other);
    const part = shown.get(id) ?? newShown(core, words, read, onMade);
    shown.set(id, part);
    part.text?.push(text ?? "");
    part.progress += progress ?? "";
    part.isWaiting = isWaiting;
    if (isOver) part.isOpen = false;
    if (isOther) {
      part.text = null;
      if (part.change === "grown") part.change = "replaced";
    }
    part.change ??= part.text ? "grown" : "replaced";
  };

  return {
    add(numbered) {
      const { type } = numbered.event;
      if (type === "reset") {
        parts = createParts(turn);
        shown.clear();
      }
      const change = parts.add(numbered);
      if (change) note(change);
      if (type !== "step" && type !== "end" && type !== "error") return;
      // What comes next begins parts of its own.
      for (const part of shown.values()) closeText(part);
      parts.take(numbered.event.type === "step" ? numbered.event.model : turn.model);
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

function newShown(core: Core, words: Words, read: () => Message, onMade: () => void): ShownPart {
  const message = read();
  const made = () => {
    part.change ??= "grown";
    onMade();
  };
  const text = isMarkdown(message) ? createGrowingText(core, words, made) : null;
  const part: ShownPart = {
    id: partId(message),
    read,
    text,
    isOpen: text !== null || message.type === "tool",
    isWaiting: false,
    progress: "",
    change: "new",
  };
  return part;
}

function closeText(part: ShownPart): void {
  if (!part.text || !part.isOpen) return;
  part.isOpen = false;
  part.change ??= "grown";
}

function tellNew(core: Core, words: Words, part: ShownPart): string {
  part.text?.takeChanges("");
  return core.views.part(toData(core, words, part), words).markup;
}

/** A text that grows is told bit by bit; anything else as a whole. */
function tellChange(core: Core, words: Words, part: ShownPart): string {
  const { views } = core;
  const { id } = part;
  if (!part.text) return partial(id, "outerMorph", views.part(toData(core, words, part), words));
  if (part.isOpen) {
    return (
      part.text.takeChanges(`${id}-tail`) ?? partial(id, "outerMorph", views.part(toData(core, words, part), words))
    );
  }
  const end = part.text.takeEnd(`${id}-tail`, part.read().content);
  const data = toData(core, words, part);
  if (end === null) return partial(id, "outerMorph", views.part(data, words));
  const summary = views.partSummary(data, words);
  return summary.markup === "" ? end : end + partial(`${id}-summary`, "outerHTML", summary);
}

function toData(core: Core, words: Words, { id, read, text, isOpen, isWaiting, progress }: ShownPart): PartData {
  const message = read();
  const { markdown } = core.views;
  const common = { id, message, progress, isWaiting };
  if (text && isOpen) return { ...common, ...text.shown() };
  return {
    ...common,
    body: rendered(core, words, isMarkdown(message) ? message.content : ""),
    tail: isOpen ? markdown("", words) : null,
  };
}
