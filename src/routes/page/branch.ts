/**
 * What a page shows of a thread: a window on its branch, with the parts of a turn that still runs. `cursor` names exactly
 * that state, so that the live channel knows what a page has.
 */

import type { Core, Html, LiveTurn, Message, MessageData, MessagesData, Thread, Words } from "../../protocols";
import { withRemovedFiles } from "../api/files";
import { isMarkdown } from "../reply/part-data";
import { renderAll, whenFinished } from "../reply/rendered";
import type { Reader } from "../session/session";
import { messageData } from "./message-data";
import { chooseWindow, type WindowQuery } from "./window";

export interface Branch {
  readonly thread: Thread;
  readonly messages: MessagesData;
  readonly live: LiveTurn | null;
  /** The last message of the branch; null while there is none. */
  readonly endId: string | null;
  readonly cursor: string;
  /** Resolves when formulas that are shown as they were written may be made; null = there are none. */
  readonly later: Promise<unknown> | null;
}

/** The end of the branch, or what was asked for. Null when there is no such thread for the user. */
export async function loadBranch(
  core: Core,
  reader: Reader,
  threadId: string,
  asked: WindowQuery = {},
): Promise<Branch | null> {
  const { user, words } = reader;
  // In this order: what a step takes from the running turn to the thread meanwhile is seen twice rather than never.
  const running = await core.turns.live(user, threadId);
  const thread = await core.thread.get(user.username, threadId);
  if (!thread) return null;
  const nodes = await core.thread.tree(user.username, threadId);
  const { shown, before, next, endId, isThreadsBranch } = chooseWindow(nodes, thread.headId, asked);
  const ids = shown.map(({ id }) => id);
  const head = ids.at(-1);
  const path = head === undefined ? { limit: 0 } : { head, limit: ids.length, tree: shown };
  const read = await core.thread.messages(user.username, threadId, path);
  const stored = await withRemovedFiles(core, user.username, read);
  const bodies = await renderBodies(core, words, stored);
  const turns = await core.turns.list(user, threadId, ids);
  const isLatest = next === null && isThreadsBranch;
  const isRunning = turns.some(({ id, status }) => id === running?.id && status === "running");
  const live = isLatest && isRunning ? running : null;
  const found = { stored, nodes, turns, live, bodies, isAdmin: user.role === "admin" };
  const list = messageData(core, words, found).map((message) => withTarget(message, asked.at));
  const unfinished = [...bodies.values()].flatMap((body) => whenFinished(body) ?? []);
  const later = unfinished.length > 0 ? Promise.all(unfinished) : null;
  const messages = { threadId, messages: list, before, next, isLatest, isThreadsBranch };
  return { thread, messages, live, endId, cursor: cursorOf(thread, list, live?.id ?? null), later };
}

/** By the ids of the messages. */
async function renderBodies(core: Core, words: Words, messages: readonly Message[]): Promise<Map<string, Html>> {
  const texts = messages.filter(isMarkdown);
  const bodies = await renderAll(
    core,
    words,
    texts.map(({ content }) => content),
  );
  return new Map(texts.map(({ id }, at) => [id, bodies[at] as Html]));
}

/** Names what is shown, all but how far a reply that is being written has come. */
function cursorOf(thread: Thread, messages: readonly MessageData[], liveTurnId: string | null): string {
  const settled = liveTurnId === null ? messages : messages.slice(0, -1);
  const hash = Bun.hash([thread.title, ...settled.map(fingerprint)].join("\n")).toString(36);
  return `${hash}.${liveTurnId ?? ""}`;
}

/** Differs whenever a message that is not being written looks different. Starts with the message's id. */
export function fingerprint({ id, parts, turn, siblings }: MessageData): string {
  const place = siblings && `${siblings.position}/${siblings.count}`;
  const shown = parts.map((part) => `${part.message.id}${whenFinished(part.body) ? "~" : ""}`);
  return [id, place, turn?.id, turn?.status, ...shown].join(" ");
}

function withTarget(message: MessageData, at: string | undefined): MessageData {
  const isHere = at !== undefined && message.parts.some((part) => part.message.id === at);
  return isHere ? { ...message, targetId: at } : message;
}
