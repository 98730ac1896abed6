/**
 * A reply as markup that only ever grows, for a page that is written while the reply is: text by finished blocks, and
 * everything else once it is complete. Nothing that was written is taken back, since without a script it cannot be; a text that
 * is another one as a whole, because of a footnote, a reference below its use or a formula that took long, is written again and the style hides the first.
 */

import { formulasOfText } from "../../formulas";
import type { Core, Message, NumberedEvent, TurnInfo, Words } from "../../protocols";
import { createReplyParts, type PartChange, type ReplyPart } from "../../turn/reply-parts";
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
  let open: { readonly id: string; readonly frame: Frame } | null = null;
  let text = "";
  let lookedAt = 0;
  let whole = "";
  let written = "";
  const close = (): string => {
    if (!open) return "";
    const rest = core.views.markdown(text, words, formulasOfText(core.log)).markup;
    const all = core.views.markdown(whole + text, words, formulasOfText(core.log)).markup;
    const again = isAlike(written + rest, all) ? "" : `<div class="tail whole">${all}</div>`;
    const markup = rest + again + open.frame.after;
    open = null;
    [text, lookedAt, whole, written] = ["", 0, "", ""];
    return markup;
  };
  /** Of a text: how long it was thought is not known before its end. */
  const begin = ({ durationMs: _, ...message }: Message): string => {
    const closed = close();
    const frame = frameOf(core, words, message);
    open = { id: message.id, frame };
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
    const markup = blocks && core.views.markdown(blocks, words, formulasOfText(core.log)).markup;
    written += markup;
    return markup;
  };

  const tell = (part: ReplyPart, change: PartChange, added: string): string => {
    // A text is begun when it says something. What was written as a text stays one.
    if (change === "grown") return (open?.id === part.id ? "" : begin(part.read())) + grow(added);
    if (change === "begun" || change === "over") {
      const isShown = !part.isOpen && !isMarkdown(part.read());
      return close() + (isShown ? core.views.part(storedPart(core, words, part.read()), words).markup : "");
    }
    if (change === "thought") return close();
    if (!part.isWaiting || change !== "waiting") return "";
    const data = livePart(core, words, part.read(), { isLast: true, isWaiting: true });
    return close() + core.views.part(data, words).markup;
  };
  let told = "";
  const parts = createReplyParts(turn, (part, change, added) => {
    told += tell(part, change, added);
  });

  return {
    end: close,
    add(numbered) {
      told = "";
      parts.add(numbered);
      return told;
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
