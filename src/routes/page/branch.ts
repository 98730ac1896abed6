/**
 * What a page shows of a thread: the messages of its branch, grouped into a user's messages and the replies to them, with
 * the parts of a turn that still runs. `cursor` names exactly that state, so that the live channel knows what a page has.
 */

import type {
  Core,
  LiveTurn,
  Message,
  MessageData,
  MessagesData,
  PartData,
  Thread,
  TurnInfo,
  Words,
} from "../../protocols";
import type { Reader } from "../reader";
import { livePart, storedPart } from "./part-data";

const MESSAGES_PER_PAGE = 100;

export interface Branch {
  readonly thread: Thread;
  readonly messages: MessagesData;
  readonly live: LiveTurn | null;
  readonly cursor: string;
}

/** The end of the branch, or what comes before a message. Null when there is no such thread for the user. */
export async function loadBranch(
  core: Core,
  { user, words }: Reader,
  threadId: string,
  before?: string,
): Promise<Branch | null> {
  const thread = await core.thread.get(user.username, threadId);
  if (!thread) return null;
  // In this order: what a step takes from the running turn to the thread meanwhile is seen twice rather than never.
  const found = before === undefined ? await core.turns.live(user, threadId) : null;
  const path = { limit: MESSAGES_PER_PAGE, ...(before !== undefined && { before }) };
  const stored = await core.thread.messages(user.username, threadId, path);
  const turns = await core.turns.list(user, threadId);
  const live = turns.some(({ id, status }) => id === found?.id && status === "running") ? found : null;
  const list = groupMessages(core, words, stored, turns, live);
  const first = stored.length === MESSAGES_PER_PAGE && stored[0]?.parentId ? stored[0].id : null;
  const messages = { threadId, messages: list, before: first, isLatest: before === undefined };
  return { thread, messages, live, cursor: cursorOf(thread, list, live?.id ?? null) };
}

/** Names what is shown, all but how far a reply that is being written has come. */
function cursorOf(thread: Thread, messages: readonly MessageData[], liveTurnId: string | null): string {
  const settled = liveTurnId === null ? messages : messages.slice(0, -1);
  const hash = Bun.hash([thread.title, ...settled.map(fingerprint)].join("\n")).toString(36);
  return `${hash}.${liveTurnId ?? ""}`;
}

/** Differs whenever a message that is not being written looks different. Starts with the message's id. */
export function fingerprint({ id, parts, turn }: MessageData): string {
  return [id, turn?.id, turn?.status, ...parts.map(({ message }) => message.id)].join(" ");
}

function groupMessages(
  core: Core,
  words: Words,
  stored: readonly Message[],
  turns: readonly TurnInfo[],
  live: LiveTurn | null,
): MessageData[] {
  const known = new Set(stored.map(({ id }) => id));
  const running = live?.parts.filter(({ id }) => !known.has(id)) ?? [];
  const toPart = (message: Message) =>
    known.has(message.id)
      ? storedPart(core, words, message)
      : livePart(core, words, message, message === running.at(-1));
  const groups = groupByAuthor([...stored, ...running]);
  return groups.flatMap((group, index) => {
    const first = group[0] as Message;
    if (first.role !== "user") return replyOf(first.parentId ?? "", first.threadId, group.map(toPart), turns);
    const message = { id: `m-${first.id}`, threadId: first.threadId, role: "user" as const, parts: [toPart(first)] };
    const question = { ...message, turn: null };
    // A turn that failed or has only begun has nothing in the thread, and is shown all the same.
    const hasReply = groups[index + 1]?.[0]?.role !== "user" && index + 1 < groups.length;
    const isAnswered = turns.some(({ parentId }) => parentId === first.id);
    return hasReply || !isAnswered ? question : [question, replyOf(first.id, first.threadId, [], turns)];
  });
}

/** Each message of the user alone, and all that stands between two of them together. */
function groupByAuthor(messages: readonly Message[]): Message[][] {
  const groups: Message[][] = [];
  for (const message of messages) {
    const group = groups.at(-1);
    if (group && message.role !== "user" && group[0]?.role !== "user") group.push(message);
    else groups.push([message]);
  }
  return groups;
}

function replyOf(questionId: string, threadId: string, parts: PartData[], turns: readonly TurnInfo[]): MessageData {
  const last = parts.at(-1)?.message;
  // The turn that wrote the last part, or a later one that goes on below it.
  const turn = turns.findLast((it) => it.id === last?.turnId || it.parentId === (last?.id ?? questionId));
  return { id: `r-${questionId}`, threadId, role: "assistant", parts, turn: turn ?? null };
}
