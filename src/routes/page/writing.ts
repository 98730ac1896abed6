/**
 * A reply as markup that only ever grows, for a page that is written while the reply is: text by finished blocks, and
 * everything else once it is complete. Nothing that was written is taken back, since without a script it cannot be; a text that
 * is another one as a whole, because of a footnote or a reference below its use, is written again and the style hides the first.
 */

import type { Core, Message, NumberedEvent, TurnInfo, Words } from "../../protocols";
import { startOf } from "../../turn/numbered";
import { isMarkdown, livePart, storedPart } from "./part-data";

export interface Writing {
  /** What the event adds; often nothing. */
  add(event: NumberedEvent): string;
  /** What is still to be written when no event follows. */
  end(): string;
}

/** A part around what is written into it. */
interface Frame {
  readonly before: string;
  readonly after: string;
}

const SHORT = 1000; // Characters. An open block that is longer is looked at only when it has grown by a tenth.

export function createWriting(core: Core, words: Words, turn: TurnInfo): Writing {
  let open: { readonly type: Message["type"]; readonly frame: Frame } | null = null;
  let text = "";
  let lookedAt = 0;
  let whole = "";
  let written = "";
  const calls = new Map<string, Message>();
  const messageOf = (event: NumberedEvent, fields: Partial<Message>): Message => ({
    ...EMPTY,
    id: `${turn.id}-${startOf(event)}`,
    threadId: turn.threadId,
    turnId: turn.id,
    timestamp: event.timestamp,
    ...fields,
  });
  const close = (): string => {
    if (!open) return "";
    const rest = core.views.markdown(text, words).markup;
    const all = core.views.markdown(whole + text, words).markup;
    const again = isAlike(written + rest, all) ? "" : `<div class="tail whole">${all}</div>`;
    const markup = rest + again + open.frame.after;
    open = null;
    [text, lookedAt, whole, written] = ["", 0, "", ""];
    return markup;
  };
  const begin = (message: Message): string => {
    const closed = close();
    const frame = frameOf(core, words, message);
    open = { type: message.type, frame };
    return closed + frame.before;
  };
  const grow = (more: string): string => {
    text = (text + more).replace(/\r\n?(?!$)/g, "\n");
    if (!more.includes("\n") || (text.length > SHORT && text.length < lookedAt * 1.1)) return "";
    const { finished } = core.views.openMarkdown(text, words);
    const blocks = text.slice(0, finished);
    text = text.slice(finished);
    lookedAt = text.length;
    whole += blocks;
    const markup = blocks && core.views.markdown(blocks, words).markup;
    written += markup;
    return markup;
  };
  const complete = (message: Message): string =>
    close() + core.views.part(storedPart(core, words, message), words).markup;

  return {
    end: close,
    add(numbered) {
      const { event, timestamp } = numbered;
      switch (event.type) {
        case "text":
        case "thinking": {
          const role = event.type === "text" ? "assistant" : "thinking";
          const begun = open?.type === event.type ? "" : begin(messageOf(numbered, { role, type: event.type }));
          return begun + grow(event.text);
        }
        case "toolCall":
          calls.set(event.callId, messageOf(numbered, { ...event, role: "tool", type: "tool" }));
          return close();
        case "approvalAsked": {
          const call = calls.get(event.callId);
          const state = { isLast: true, isWaiting: true };
          return call ? close() + core.views.part(livePart(core, words, call, state), words).markup : "";
        }
        case "toolResult": {
          const call = calls.get(event.callId);
          if (!call) return "";
          const durationMs = Date.parse(timestamp) - Date.parse(call.timestamp);
          const outcome = "error" in event ? { error: event.error } : { content: event.result };
          return complete({ ...call, durationMs, ...outcome });
        }
        case "file":
          return complete(messageOf(numbered, { type: "file", files: [event.file] }));
        case "notice":
          return complete(messageOf(numbered, { type: "notice", content: event.text }));
        case "step":
        case "end":
        case "error":
          return close();
        default:
          return "";
      }
    },
  };
}

/** But for white space, which may stand between blocks. */
function isAlike(one: string, other: string): boolean {
  return one.replace(/\s+/g, "") === other.replace(/\s+/g, "");
}

/** What stands around the text of a part, whichever view shows it: it is shown with a mark, and cut there. */
function frameOf(core: Core, words: Words, message: Message): Frame {
  const part = storedPart(core, words, { ...message, content: isMarkdown(message) ? crypto.randomUUID() : "" });
  const [before = "", after = ""] = core.views.part(part, words).markup.split(part.body.markup);
  return { before, after };
}

const EMPTY: Message = {
  id: "",
  threadId: "",
  parentId: null,
  role: "assistant",
  type: "text",
  content: "",
  timestamp: "",
  turnId: "",
  step: 0,
};
