/**
 * The page of a thread while a reply is written, for a browser without script: the page up to the reply's place, then the
 * reply as it comes, then the rest. What ends it, `#ended`, tells the style to show Send in the place of Stop.
 */

import type { ChatData, Core, MessageData, TurnInfo } from "../../protocols";
import { loadChat } from "../page/chat-data";
import { noteSeen } from "../page/seen";
import type { Reader } from "../session/session";
import { storedPart } from "./part-data";
import { createWriting } from "./writing";

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
  const mark = storedPart(core, words, { ...MARK, id: crypto.randomUUID(), content: crypto.randomUUID() });
  const shown = [...messages.slice(0, -1), { ...reply, parts: [...earlier, mark] }];
  const page = {
    ...chat,
    messages: { ...chat.messages, messages: shown },
    composer: { ...chat.composer, isStreamed: true },
  };
  const { markup } = core.views.chatPage(page, words);
  const [before, after] = markup.split(core.views.part(mark, words).markup);
  // A plugin's view may show a message without its parts.
  return before === undefined || after === undefined ? null : { before, after, reply, turn };
}

export async function* writePage(
  core: Core,
  reader: Reader,
  page: StreamedPage,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { before, after, reply, turn } = page;
  const writing = createWriting(core, reader.words, turn);
  yield encoder.encode(before);
  for await (const events of (await core.turns.follow(reader.user, turn.id, 0, signal)) ?? []) {
    const markup = events.map((event) => writing.add(event)).join("");
    if (markup !== "") yield encoder.encode(markup);
    // All would come again from the start, below what is written already.
    if (events.some(({ event }) => event.type === "reset")) break;
  }
  if (signal.aborted) return;
  const foot = core.views.messageFoot(reply, reader.words).markup;
  const ended = await endOf(core, reader, reply);
  const end = ended ? core.views.messageFoot(ended, reader.words).markup : foot;
  yield encoder.encode(`${writing.end()}${ended ? ENDED : ""}${after.replace(foot, () => end)}`);
}

const encoder = new TextEncoder();
const ENDED = '<i id="ended" hidden></i>';

/** The reply as the thread keeps it; null when it is still being written. */
async function endOf(core: Core, reader: Reader, { id, threadId }: MessageData): Promise<MessageData | null> {
  const chat = await loadChat(core, reader, { threadId });
  const kept = chat?.messages.messages.find((message) => message.id === id);
  if (!chat?.thread || !kept || kept.turn?.status === "running") return null;
  await noteSeen(core, reader.user.username, chat.thread);
  return kept;
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
