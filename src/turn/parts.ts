/**
 * Folds a turn's events into the messages that the thread keeps. Used while a turn runs, to show what is under way, there and
 * on the page, and to rebuild what a crash left: the same events always give the same messages with the same ids, so adding
 * them twice is safe.
 */

import type { Message, NumberedEvent, Opaque, ToolResult, TurnEvent } from "../protocols";
import { startOf } from "./numbered";

export interface ReplyParts {
  /** Which message the event changed, if any. */
  add(numbered: NumberedEvent): PartChange | null;
  /** Messages since the last `take`, the last one possibly still growing. */
  list(): Message[];
  /** Ids of the messages that are calls which wait for the user. */
  waiting(): string[];
  /** Results for the calls that have none, because the turn ended before. */
  missingResults(): ToolResult[];
  /** The same as complete messages; what follows goes below them. `model` is the one that was called. */
  take(model: string): Message[];
}

/** What an event did to a message. */
export interface PartChange {
  readonly id: string;
  /** The message as it is when asked, after `take` too. */
  readonly read: () => Message;
  /** Added to its text. */
  readonly text?: string;
  /** What a tool tells while it runs; it is not kept. */
  readonly progress?: string;
  /** Whether it is a call that waits for the user. */
  readonly isWaiting: boolean;
  /** Whether nothing more can come to it: all but a text, which ends when another message begins, and a call without result. */
  readonly isOver: boolean;
  /** True when it is of another kind than before: a text that was thinking. */
  readonly isOther?: true;
}

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

/** A message that may still grow. */
type Draft = { -readonly [K in keyof Message]: Message[K] } & {
  texts: string[];
  startedMs: number;
  isWaiting: boolean;
};

export function createParts(origin: PartsOrigin): ReplyParts {
  let parentId = origin.parentId;
  let step = 1;
  let drafts: Draft[] = [];

  const begin = (numbered: NumberedEvent, fields: Pick<Message, "role" | "type"> & Partial<Message>): Draft => {
    const draft: Draft = {
      id: `${origin.id}-${startOf(numbered)}`,
      threadId: origin.threadId,
      parentId: drafts.at(-1)?.id ?? parentId,
      content: "",
      timestamp: numbered.timestamp,
      turnId: origin.id,
      step,
      model: origin.model,
      texts: [],
      startedMs: Date.parse(numbered.timestamp),
      isWaiting: false,
      ...fields,
    };
    drafts.push(draft);
    return draft;
  };

  const grow = (numbered: NumberedEvent, role: "assistant" | "thinking", text: string): PartChange => {
    const last = drafts.at(-1);
    const type = role === "assistant" ? "text" : "thinking";
    const draft = last?.role === role && last.type === type ? last : begin(numbered, { role, type });
    draft.texts.push(text);
    draft.timestamp = numbered.timestamp;
    return changeOf(draft, { text });
  };

  return {
    add(numbered) {
      const { event } = numbered;
      switch (event.type) {
        case "text":
          return grow(numbered, "assistant", event.text);
        case "thinking":
          return grow(numbered, "thinking", event.text);
        case "wasThinking":
          return thoughtAll(drafts);
        case "toolCall": {
          const { callId, name } = event;
          return changeOf(begin(numbered, { role: "tool", type: "tool", callId, name, arguments: event.arguments }));
        }
        case "toolUpdate": {
          const draft = findCall(drafts, event.callId);
          return draft ? changeOf(draft, { progress: `${event.content}\n` }) : null;
        }
        case "toolResult":
          return complete(drafts, event, numbered.timestamp);
        case "approvalAsked":
        case "approvalGiven":
          return waitOrGoOn(drafts, numbered);
        case "file":
          return changeOf(begin(numbered, fileFields(event)));
        case "opaque": {
          const last = drafts.at(-1);
          if (last) last.opaque = opaqueOf(event);
          return null;
        }
        case "notice":
          return changeOf(begin(numbered, { role: "assistant", type: "notice", content: event.text }));
        default:
          return null;
      }
    },
    list: () => drafts.map(toMessage),
    waiting: () => drafts.filter(({ isWaiting }) => isWaiting).map(({ id }) => id),
    missingResults: () =>
      drafts.filter(isUnanswered).map(({ callId = "", name = "", isWaiting }) => {
        return { type: "toolResult", callId, name, error: isWaiting ? NOT_RUN : NO_RESULT };
      }),
    take(model) {
      for (const draft of drafts) draft.model = model;
      const messages = drafts.map(toMessage);
      parentId = drafts.at(-1)?.id ?? parentId;
      drafts = [];
      step++;
      return messages;
    },
  };
}

/** The last one says why there is no more. */
export function markCut(messages: readonly Message[], cut: NonNullable<Message["cut"]>): Message[] {
  return messages.map((message, at) => (at === messages.length - 1 ? { ...message, cut } : message));
}

function changeOf(draft: Draft, added: Pick<PartChange, "text" | "progress"> = {}): PartChange {
  const isOver = draft.role !== "thinking" && draft.type !== "text" && !isUnanswered(draft);
  return { id: draft.id, read: () => toMessage(draft), isWaiting: draft.isWaiting, isOver, ...added };
}

function complete(drafts: readonly Draft[], result: ToolResult, timestamp: string): PartChange | null {
  const draft = findCall(drafts, result.callId);
  if (!draft) return null;
  draft.isWaiting = false;
  if ("error" in result) draft.error = result.error;
  else draft.texts.push(result.result);
  draft.timestamp = timestamp;
  draft.durationMs = Date.parse(timestamp) - draft.startedMs;
  return changeOf(draft);
}

function waitOrGoOn(drafts: readonly Draft[], { event, timestamp }: NumberedEvent): PartChange | null {
  if (event.type !== "approvalAsked" && event.type !== "approvalGiven") return null;
  const draft = findCall(drafts, event.callId);
  if (!draft) return null;
  draft.isWaiting = event.type === "approvalAsked";
  if (event.type === "approvalGiven") {
    draft.approved = event.approve;
    // How long a person thought is not how long the tool took.
    draft.startedMs = Date.parse(timestamp);
  }
  return changeOf(draft);
}

/** The last one is told: it is the one that may still be growing on a page. */
function thoughtAll(drafts: readonly Draft[]): PartChange | null {
  const texts = drafts.filter(({ role, type }) => role === "assistant" && type === "text");
  for (const draft of texts) {
    draft.role = "thinking";
    draft.type = "thinking";
  }
  const last = texts.at(-1);
  return last ? { ...changeOf(last), isOver: true, isOther: true } : null;
}

function opaqueOf({ type: _, ...opaque }: TurnEvent & { type: "opaque" }): Opaque {
  return opaque;
}

function fileFields({
  file,
  callId,
}: TurnEvent & { type: "file" }): Pick<Message, "role" | "type" | "files" | "callId"> {
  return { role: "assistant", type: "file", files: [file], ...(callId !== undefined && { callId }) };
}

function findCall(drafts: readonly Draft[], callId: string): Draft | undefined {
  return drafts.findLast((candidate) => candidate.callId === callId && isUnanswered(candidate));
}

function isUnanswered(draft: Draft): boolean {
  return draft.type === "tool" && draft.durationMs === undefined;
}

function toMessage({ texts, startedMs, isWaiting: _, ...message }: Draft): Message {
  const content = texts.length > 0 ? texts.join("") : message.content;
  if (message.role !== "thinking") return { ...message, content };
  return { ...message, content, durationMs: Date.parse(message.timestamp) - startedMs };
}
