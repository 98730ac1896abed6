/**
 * The one reader of a turn's events: folds them into the messages that the thread keeps. A running turn fills its thread from it, a
 * recovery rebuilds what a crash left, and a page learns from it what changed. The same events always give the same messages with
 * the same ids, however their texts are joined, so adding a message twice is safe.
 */

import type { Message, NumberedEvent, Opaque, ToolResult, TurnEvent } from "../protocols";
import { startOf } from "./event-log";

export interface ReplyParts {
  /** Takes every event of a turn, in order. `step`, `end` and `error` end the step, and `reset` begins the reply again. */
  add(numbered: NumberedEvent): void;
  /** Messages of the step that is under way, the last one possibly still growing. */
  list(): Message[];
  /** Ids of those messages that are calls which wait for the user. */
  waiting(): string[];
  /** Results for the calls that have none, because the turn ended before. */
  missingResults(): ToolResult[];
  /** Ends the step, without an event of it: its messages, complete. `model` is the one that was called. */
  take(model: string): Message[];
}

/** One message of a reply, which grows as events come. Its identity is the same from its beginning to its end. */
export interface ReplyPart {
  readonly id: string;
  /** Whether more may come to it: to a text until another part or the step's end, to a call until its result. */
  readonly isOpen: boolean;
  /** Whether it is a call that waits for the user. */
  readonly isWaiting: boolean;
  /** The message as it is now; a copy. It costs in proportion to its length. */
  read(): Message;
}

/**
 * - `begun`: the part is there. A file or a notice is complete with it; a text is empty, and a call has its arguments.
 * - `grown`: `text` was added to its text.
 * - `progress`: `text` is what a call tells while it runs. It is not kept.
 * - `waiting`: the call waits for the user, or does no longer.
 * - `thought`: what was a text until now was thinking. No more text comes to it.
 * - `over`: it is complete: a text that ended, or a call with its result.
 */
export type PartChange = "begun" | "grown" | "progress" | "waiting" | "thought" | "over";

/** Called for each change, in order, while the event is added. It is called for each token and must be quick. */
export type PartListener = (part: ReplyPart, change: PartChange, text: string) => void;

const NO_RESULT = "The turn ended before this call came to its end.";
const NOT_RUN =
  "The turn ended before the user was asked to the end. Nothing was run; call it again if it is still wanted.";

export interface PartsOrigin {
  readonly id: string;
  readonly threadId: string;
  /** What the first part goes below. */
  readonly parentId: string;
  readonly model: string;
}

interface Draft extends ReplyPart {
  readonly message: { -readonly [K in keyof Message]: Message[K] };
  startedMs: number;
  isOpen: boolean;
  isWaiting: boolean;
}

interface Fold {
  readonly origin: PartsOrigin;
  readonly tell: PartListener;
  /** What the step's first part goes below. */
  parentId: string;
  step: number;
  /** Of the step that is under way. */
  drafts: Draft[];
}

export function createReplyParts(origin: PartsOrigin, tell: PartListener = () => {}): ReplyParts {
  const fold: Fold = { origin, tell, parentId: origin.parentId, step: 1, drafts: [] };
  return {
    add: (numbered) => add(fold, numbered),
    list: () => fold.drafts.map(readDraft),
    waiting: () => fold.drafts.filter(({ isWaiting }) => isWaiting).map(({ id }) => id),
    missingResults: () =>
      fold.drafts.filter(isUnanswered).map(({ message: { callId = "", name = "" }, isWaiting }) => {
        return { type: "toolResult", callId, name, error: isWaiting ? NOT_RUN : NO_RESULT };
      }),
    take: (model) => take(fold, model),
  };
}

function add(fold: Fold, numbered: NumberedEvent): void {
  const { event } = numbered;
  switch (event.type) {
    case "text":
    case "thinking":
      grow(fold, numbered, event.type, event.text);
      break;
    case "wasThinking":
      thinkAll(fold);
      break;
    case "toolCall": {
      const { callId, name } = event;
      begin(fold, numbered, { role: "tool", type: "tool", callId, name, arguments: event.arguments });
      break;
    }
    case "toolUpdate":
    case "toolResult":
    case "approvalAsked":
    case "approvalGiven":
      addToCall(fold, event, numbered.timestamp);
      break;
    case "file":
      begin(fold, numbered, fileFields(event));
      break;
    case "notice":
      begin(fold, numbered, { role: "assistant", type: "notice", content: event.text });
      break;
    case "opaque": {
      const last = fold.drafts.at(-1);
      if (last) last.message.opaque = opaqueOf(event);
      break;
    }
    case "step":
      take(fold, event.model);
      break;
    case "end":
    case "error":
      take(fold, fold.origin.model);
      break;
    case "reset":
      Object.assign(fold, { parentId: fold.origin.parentId, step: 1, drafts: [] });
  }
}

type Fields = Pick<Message, "role" | "type"> & Partial<Message>;

function begin(fold: Fold, numbered: NumberedEvent, fields: Fields): Draft {
  endText(fold);
  const { origin, drafts, step } = fold;
  const { threadId, model } = origin;
  const { timestamp } = numbered;
  const id = `${origin.id}-${startOf(numbered)}`;
  const place = { id, threadId, parentId: drafts.at(-1)?.id ?? fold.parentId };
  const draft: Draft = {
    id,
    message: { ...place, content: "", timestamp, turnId: origin.id, step, model, ...fields },
    startedMs: Date.parse(timestamp),
    isOpen: fields.type !== "file" && fields.type !== "notice",
    isWaiting: false,
    read: () => readDraft(draft),
  };
  drafts.push(draft);
  fold.tell(draft, "begun", "");
  return draft;
}

/** Only the last part can be a text that is still open. */
function endText({ drafts, tell }: Fold): void {
  const last = drafts.at(-1);
  if (!last?.isOpen || last.message.type === "tool") return;
  last.isOpen = false;
  tell(last, "over", "");
}

function grow(fold: Fold, numbered: NumberedEvent, type: "text" | "thinking", text: string): void {
  const last = fold.drafts.at(-1);
  const role = type === "text" ? "assistant" : "thinking";
  const draft = last?.message.type === type ? last : begin(fold, numbered, { role, type });
  draft.message.content += text;
  draft.message.timestamp = numbered.timestamp;
  fold.tell(draft, "grown", text);
}

/** All texts of the step: none may stay shown as an answer. */
function thinkAll({ drafts, tell }: Fold): void {
  for (const draft of drafts) {
    if (draft.message.type !== "text") continue;
    draft.message.role = "thinking";
    draft.message.type = "thinking";
    draft.isOpen = false;
    tell(draft, "thought", "");
  }
}

type CallEvent = ToolResult | Extract<TurnEvent, { readonly type: "toolUpdate" | "approvalAsked" | "approvalGiven" }>;

/** Whatever comes after a call's result is left out. */
function addToCall({ drafts, tell }: Fold, event: CallEvent, timestamp: string): void {
  const draft = drafts.findLast((it) => isUnanswered(it) && it.message.callId === event.callId);
  if (!draft) return;
  if (event.type === "toolUpdate") {
    tell(draft, "progress", `${event.content}\n`);
    return;
  }
  draft.isWaiting = event.type === "approvalAsked";
  if (event.type === "approvalGiven") {
    draft.message.approved = event.approve;
    // How long a person thought is not how long the tool took.
    draft.startedMs = Date.parse(timestamp);
  }
  if (event.type === "toolResult") complete(draft, event, timestamp);
  tell(draft, draft.isOpen ? "waiting" : "over", "");
}

function complete(draft: Draft, result: ToolResult, timestamp: string): void {
  const { message } = draft;
  draft.isOpen = false;
  if ("error" in result) message.error = result.error;
  else message.content = result.result;
  message.timestamp = timestamp;
  message.durationMs = Date.parse(timestamp) - draft.startedMs;
}

function take(fold: Fold, model: string): Message[] {
  endText(fold);
  const { drafts } = fold;
  for (const { message } of drafts) message.model = model;
  fold.parentId = drafts.at(-1)?.id ?? fold.parentId;
  fold.drafts = [];
  fold.step++;
  return drafts.map(readDraft);
}

/** The last one says why there is no more. */
export function markCut(messages: readonly Message[], cut: NonNullable<Message["cut"]>): Message[] {
  return messages.map((message, at) => (at === messages.length - 1 ? { ...message, cut } : message));
}

function opaqueOf({ type: _, ...opaque }: TurnEvent & { type: "opaque" }): Opaque {
  return opaque;
}

function fileFields({ file, callId }: TurnEvent & { type: "file" }): Fields {
  return { role: "assistant", type: "file", files: [file], ...(callId !== undefined && { callId }) };
}

function isUnanswered({ message, isOpen }: Draft): boolean {
  return message.type === "tool" && isOpen;
}

function readDraft({ message, startedMs }: Draft): Message {
  if (message.role !== "thinking") return { ...message };
  return { ...message, durationMs: Date.parse(message.timestamp) - startedMs };
}
