/** The parts of a turn as its events come, and what changed in them since it was last asked, as partials. */

import type { Core, Message, NumberedEvent, PartData, TurnEvent, TurnInfo, Words } from "../../protocols";
import { startOf } from "../../turn/numbered";
import { isMarkdown, partId } from "../page/part-data";
import { partial } from "../partial";
import { type Blocks, createBlocks } from "./blocks";

export interface Growth {
  add(event: NumberedEvent): void;
  /** All parts, as of the last `takeChanges`. */
  parts(): PartData[];
  /** What to change in a page that shows the parts as of the last call; new parts go to the end of the element `list`. */
  takeChanges(list: string): string;
}

interface Growing {
  message: { -readonly [K in keyof Message]: Message[K] };
  readonly blocks: Blocks;
  /** Source of the blocks told so far. */
  finished: string;
  /** Markup of those and of the tail, as told. */
  readonly told: string[];
  tail: string;
  progress: string;
  isWaiting: boolean;
  isOpen: boolean;
  change: "new" | "grown" | "replaced" | null;
}

export function createGrowth(core: Core, words: Words, turn: TurnInfo): Growth {
  let parts: Growing[] = [];
  let isStepOver = false;

  const close = (part: Growing | undefined): void => {
    if (!part?.isOpen || !isMarkdown(part.message)) return;
    part.isOpen = false;
    part.change ??= "grown";
  };
  const begin = (event: NumberedEvent, fields: Pick<Message, "role" | "type"> & Partial<Message>): Growing => {
    close(parts.at(-1));
    isStepOver = false;
    const part = newPart(turn, event, fields);
    parts.push(part);
    return part;
  };
  const grow = (numbered: NumberedEvent, type: "text" | "thinking", text: string): void => {
    const last = parts.at(-1);
    const role = type === "text" ? "assistant" : "thinking";
    const part = !isStepOver && last?.isOpen && last.message.type === type ? last : begin(numbered, { role, type });
    part.blocks.push(text);
    part.message.content += text;
    if (type === "thinking")
      part.message.durationMs = Date.parse(numbered.timestamp) - Date.parse(part.message.timestamp);
    part.change ??= "grown";
  };

  return {
    add(numbered) {
      const { event } = numbered;
      switch (event.type) {
        case "text":
        case "thinking":
          return grow(numbered, event.type, event.text);
        case "toolCall":
          begin(numbered, { role: "tool", type: "tool", ...callOf(event) });
          return;
        case "approvalAsked":
        case "approvalGiven":
        case "toolUpdate":
        case "toolResult":
          return tellOfTool(parts, numbered);
        case "file":
          begin(numbered, { role: "assistant", type: "file", files: [event.file] });
          return;
        case "notice":
          begin(numbered, { role: "assistant", type: "notice", content: event.text });
          return;
        case "reset":
          parts = [];
          return;
        case "step":
        case "end":
        case "error":
          close(parts.at(-1));
          isStepOver = true;
      }
    },
    parts: () => parts.map((part) => toData(core, words, part)),
    takeChanges(list) {
      let [appended, changed] = ["", ""];
      for (const part of parts) {
        if (part.change === null) continue;
        const isNew = part.change === "new";
        const markup = tellChange(core, words, part);
        if (isNew) appended += markup;
        else changed += markup;
        part.change = null;
      }
      return changed + (appended && partial(list, "beforeend", { markup: appended }));
    },
  };
}

function newPart(
  turn: TurnInfo,
  event: NumberedEvent,
  fields: Pick<Message, "role" | "type"> & Partial<Message>,
): Growing {
  const message: Message = {
    id: `${turn.id}-${startOf(event)}`,
    threadId: turn.threadId,
    parentId: null,
    content: "",
    timestamp: event.timestamp,
    turnId: turn.id,
    step: 0,
    ...fields,
  };
  const isOpen = isMarkdown(message) || message.type === "tool";
  const empty = { finished: "", told: [], tail: "", progress: "", isWaiting: false };
  return { message, blocks: createBlocks(), ...empty, isOpen, change: "new" };
}

function callOf(event: TurnEvent & { type: "toolCall" }): Pick<Message, "callId" | "name" | "arguments"> {
  return { callId: event.callId, name: event.name, arguments: event.arguments };
}

function tellOfTool(parts: readonly Growing[], { event, timestamp }: NumberedEvent): void {
  if (!("callId" in event)) return;
  const part = parts.findLast(({ message, isOpen }) => isOpen && message.callId === event.callId);
  if (!part) return;
  if (event.type === "toolUpdate") part.progress += `${event.content}\n`;
  else if (event.type === "approvalAsked") part.isWaiting = true;
  else if (event.type === "approvalGiven") {
    part.isWaiting = false;
    part.message.approved = event.approve;
    part.message.timestamp = timestamp;
  } else if (event.type === "toolResult") {
    part.isOpen = false;
    part.isWaiting = false;
    part.message.durationMs = Date.parse(timestamp) - Date.parse(part.message.timestamp);
    if ("error" in event) part.message.error = event.error;
    else part.message.content = event.result;
  }
  part.change ??= "replaced";
}

/** What a page is to do about a part. A growing text is told block by block; anything else is told as a whole. */
function tellChange(core: Core, words: Words, part: Growing): string {
  const { views } = core;
  if (part.change === "new" || !isMarkdown(part.message)) {
    advance(core, words, part);
    const whole = views.part(toData(core, words, part), words);
    return part.change === "new" ? whole.markup : partial(partId(part.message), "outerMorph", whole);
  }
  const id = partId(part.message);
  const { blocks, hasTailChanged } = advance(core, words, part);
  let markup = blocks && partial(`${id}-tail`, "beforebegin", { markup: blocks });
  if (part.isOpen) return hasTailChanged ? markup + partial(`${id}-tail`, "innerMorph", { markup: part.tail }) : markup;
  const whole = views.markdown(part.message.content, words).markup;
  if (part.told.join("") + part.tail !== whole)
    return partial(id, "outerMorph", views.part(toData(core, words, part), words));
  markup += partial(`${id}-tail`, "outerHTML", { markup: part.tail });
  const summary = views.partSummary(toData(core, words, part), words);
  return summary.markup === "" ? markup : markup + partial(`${id}-summary`, "outerHTML", summary);
}

/** Moves the blocks finished since then from the tail to what was told. */
function advance(
  core: Core,
  words: Words,
  part: Growing,
): { readonly blocks: string; readonly hasTailChanged: boolean } {
  if (!isMarkdown(part.message)) return { blocks: "", hasTailChanged: false };
  const finished = part.blocks.takeFinished();
  const blocks = finished && core.views.markdown(finished, words).markup;
  if (blocks) part.told.push(blocks);
  part.finished += finished;
  const tail = core.views.markdown(part.blocks.tail(), words).markup;
  const hasTailChanged = tail !== part.tail;
  part.tail = tail;
  return { blocks, hasTailChanged };
}

function toData(core: Core, words: Words, part: Growing): PartData {
  const { message, isOpen, progress, isWaiting } = part;
  const { markdown } = core.views;
  const isText = isMarkdown(message);
  const source = isOpen ? part.finished : message.content;
  const tail = isOpen ? markdown(isText ? part.blocks.tail() : "", words) : null;
  const body = markdown(isText ? source : "", words);
  return { id: partId(message), message: { ...message }, body, tail, progress, isWaiting };
}
