/**
 * The page of a thread while a reply is written, for a browser without script: the page up to the reply's place, then the reply as
 * it comes, then the rest. What ends it, `#ended`, tells the style to show Send in the place of Stop. Text comes by finished
 * blocks, and everything else once it is complete: nothing that was written is taken back, since without a script it cannot be. A text that
 * is another one as a whole, because of a footnote, a reference below its use or a formula that took long, is written again and the style hides the first.
 */

import type { ChatData, Core, Html, Message, MessageData, PartData, TurnInfo, Words } from "../../protocols";
import { createReplyParts, type PartChange, type ReplyPart } from "../../turn/reply-parts";
import { loadBranch, noteSeen } from "../page/branch";
import type { Reader } from "../session/session";
import { createGrowingText, type GrowingText } from "./growing-text";
import { isMarkdown, partData } from "./markup";

export interface StreamedPage {
  readonly before: string;
  readonly after: string;
  readonly reply: MessageData;
  readonly turn: TurnInfo;
}

/** Null when no reply is being written at the end of what is shown, and the page is one like any other. */
export function streamedPage(core: Core, { words }: Reader, chat: ChatData): StreamedPage | null {
  const { messages } = chat.messages;
  const reply = messages.at(-1);
  const turn = reply?.turn;
  if (!reply || turn?.status !== "running" || turn.id !== chat.composer.liveTurnId) return null;
  const earlier = reply.parts.filter(({ message }) => message.turnId !== turn.id);
  const mark = partData(core, words, { ...MARK, id: crypto.randomUUID(), content: crypto.randomUUID() });
  const shown = [...messages.slice(0, -1), { ...reply, parts: [...earlier, mark] }];
  const page = {
    ...chat,
    messages: { ...chat.messages, messages: shown },
    composer: { ...chat.composer, isStreamed: true },
  };
  const around = cut(core.views.chatPage(page, words), core.views.part(mark, words));
  // A plugin's view may show a message without its parts.
  return around && { ...around, reply, turn };
}

const MARK = {
  threadId: "",
  parentId: null,
  role: "assistant",
  type: "text",
  timestamp: "",
  turnId: "",
  step: 0,
} as const;

/** What stands before and after a piece of some markup; null when it is not in it. */
function cut({ markup }: Html, piece: Html): { before: string; after: string } | null {
  const [before, after] = markup.split(piece.markup);
  return before === undefined || after === undefined ? null : { before, after };
}

export async function* writePage(
  core: Core,
  reader: Reader,
  page: StreamedPage,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { before, after, reply, turn } = page;
  const writer = createWriter(core, reader.words);
  let written = "";
  const parts = createReplyParts(turn, (part, change, text) => {
    written += writer.write(part, change, text);
  });
  yield encoder.encode(before);
  for await (const events of (await core.turns.follow(reader.user, turn.id, 0, signal)) ?? []) {
    for (const event of events) parts.add(event);
    if (written !== "") yield encoder.encode(written);
    written = "";
    // After a reset all events would come again, below the text that is written already.
    if (events.some(({ event }) => event.type === "reset")) break;
  }
  if (signal.aborted) return;
  const foot = core.views.messageFoot(reply, reader.words).markup;
  const ended = await endOf(core, reader, reply);
  const end = ended ? core.views.messageFoot(ended, reader.words).markup : foot;
  yield encoder.encode(`${writer.close()}${ended ? ENDED : ""}${after.replace(foot, () => end)}`);
}

const encoder = new TextEncoder();
const ENDED = '<i id="ended" hidden></i>';

/** The reply as the thread keeps it; null when it is still being written. */
async function endOf(core: Core, reader: Reader, { id, threadId }: MessageData): Promise<MessageData | null> {
  const branch = await loadBranch(core, reader, threadId);
  const kept = branch?.messages.messages.find((message) => message.id === id);
  if (!branch || !kept || kept.turn?.status === "running") return null;
  await noteSeen(core, reader.user.username, branch.thread);
  return kept;
}

function createWriter(core: Core, words: Words) {
  let open: { readonly part: ReplyPart; readonly text: GrowingText; readonly after: string } | null = null;

  /** The end of the text that is open. */
  const close = (): string => {
    if (!open) return "";
    const { rest, whole } = open.text.end(open.part.read().content);
    const again = whole ? `<div class="tail whole">${whole.markup}</div>` : "";
    const markup = rest.markup + again + open.after;
    open = null;
    return markup;
  };
  const begin = (part: ReplyPart): string => {
    const closed = close();
    const { before, after } = frameOf(core, words, part.read());
    open = { part, text: createGrowingText(core, words), after };
    return closed + before;
  };
  const show = (part: ReplyPart, state: Partial<PartData> = {}): string =>
    close() + core.views.part(partData(core, words, part.read(), state), words).markup;

  return {
    close,
    /** What a change of a part adds; often nothing. */
    write(part: ReplyPart, change: PartChange, text: string): string {
      if (change === "grown") {
        // A text is begun when it says something.
        const begun = open?.part === part ? "" : begin(part);
        open?.text.push(text);
        return begun + (open?.text.takeBlocks() ?? "");
      }
      // What was written as a text stays one.
      if (change === "thought") return close();
      if (change === "waiting" && part.isWaiting)
        return show(part, { isWaiting: true, tail: core.views.markdown("", words) });
      if (change !== "begun" && change !== "over") return "";
      return part.isOpen || isMarkdown(part.read()) ? close() : show(part);
    },
  };
}

/** What stands around the text of a part, whichever view shows it: it is shown with a mark, and cut there. How long it was thought is not known before its end. */
function frameOf(core: Core, words: Words, { durationMs: _, ...message }: Message): { before: string; after: string } {
  const part = partData(core, words, { ...message, content: crypto.randomUUID() });
  return cut(core.views.part(part, words), part.body) ?? { before: "", after: "" };
}
