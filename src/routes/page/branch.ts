/**
 * What a page shows of a thread: a window on its branch, with the parts of a turn that still runs, as messages that the views want.
 * `cursor` names exactly that state, so that the live channel knows what a page has.
 */

import { newestEnd, pathTo } from "../../basics/messages";
import { pageIds } from "../../basics/page-ids";
import type {
  Core,
  Html,
  LiveTurn,
  Message,
  MessageData,
  MessageNode,
  MessagesData,
  PartData,
  Siblings,
  Thread,
  TurnInfo,
  User,
  Words,
} from "../../protocols";
import { withRemovedFiles } from "../api/files";
import { isMarkdown, partData, renderAll, runningPart, whenFinished } from "../reply/markup";
import type { Reader } from "../session/session";

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
  const read = await readBranch(core, reader, threadId, asked, (shown) => renderParts(core, reader.words, shown));
  if (!read) return null;
  const { stored, ...branch } = read;
  const unfinished = stored.flatMap(({ body }) => whenFinished(body) ?? []);
  const later = unfinished.length > 0 ? Promise.all(unfinished) : null;
  const { thread, messages, live } = branch;
  return { ...branch, cursor: cursorOf(thread, messages.messages, live?.id ?? null), later };
}

/** The messages that `loadBranch` gives, for whoever wants few of them: their Markdown is rendered when it is looked at. */
export async function loadMessages(core: Core, reader: Reader, threadId: string, asked: WindowQuery) {
  const unrendered = (shown: readonly Message[]) => shown.map((message) => partData(core, reader.words, message));
  return (await readBranch(core, reader, threadId, asked, unrendered))?.messages.messages ?? [];
}

async function readBranch(
  core: Core,
  { user, words }: Reader,
  threadId: string,
  asked: WindowQuery,
  toParts: (shown: readonly Message[]) => PartData[] | Promise<PartData[]>,
): Promise<(Omit<Branch, "cursor" | "later"> & { readonly stored: readonly PartData[] }) | null> {
  // The running turn is read before the thread: parts that a step moves from one to the other meanwhile are then seen twice, and not missed.
  const running = await core.turns.live(user, threadId);
  const thread = await core.thread.get(user.username, threadId);
  if (!thread) return null;
  const nodes = await core.thread.tree(user.username, threadId);
  const { shown, before, next, endId, isThreadsBranch } = chooseWindow(nodes, thread.headId, asked);
  const ids = shown.map(({ id }) => id);
  const stored = await toParts(await readShown(core, user, threadId, shown));
  const turns = await core.turns.list(user, threadId, ids);
  const isLatest = next === null && isThreadsBranch;
  const isRunning = turns.some(({ id, status }) => id === running?.id && status === "running");
  const live = isLatest && isRunning ? running : null;
  // Administrators alone are told at which endpoint a turn failed.
  const told = user.role === "admin" ? turns : turns.map(({ fault: _, ...turn }) => turn);
  const all = [...stored, ...runningParts(core, words, live, ids)];
  const list = toMessages(all, nodes, told).map((message) => withTarget(message, asked.at));
  const messages = { threadId, messages: list, before, next, isLatest, isThreadsBranch };
  return { thread, messages, live, endId, stored };
}

async function readShown(
  core: Core,
  { username }: User,
  threadId: string,
  shown: readonly MessageNode[],
): Promise<Message[]> {
  const head = shown.at(-1)?.id;
  const path = head === undefined ? { limit: 0 } : { head, limit: shown.length, tree: shown };
  return withRemovedFiles(core, username, await core.thread.messages(username, threadId, path));
}

/**
 * Notes in the thread's metadata, as `seen`, that its user has seen its end: to be called by all that shows them that. A thread that
 * no page ever showed counts as seen, since programs have threads, too.
 */
export async function noteSeen(core: Core, username: string, { id, headId, metadata }: Thread): Promise<void> {
  if (headId === null || metadata.seen === headId) return;
  try {
    await core.thread.update(username, id, { metadata: { seen: headId } });
  } catch (error) {
    // The page is shown all the same.
    core.log.error("What was seen could not be noted", { thread: id, error: error as Error });
  }
}

async function renderParts(core: Core, words: Words, messages: readonly Message[]): Promise<PartData[]> {
  const texts = messages.map((message) => (isMarkdown(message) ? message.content : ""));
  const bodies = await renderAll(core, words, texts);
  return messages.map((message, at) => partData(core, words, message, { body: bodies[at] as Html }));
}

/** The running turn's parts that are not in the thread yet. */
function runningParts(core: Core, words: Words, live: LiveTurn | null, stored: readonly string[]): PartData[] {
  const running = live?.parts.filter(({ id }) => !stored.includes(id)) ?? [];
  return running.map((message) => {
    const state = { isLast: message === running.at(-1), isWaiting: live?.waiting.includes(message.id) ?? false };
    return runningPart(core, words, message, state);
  });
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

const PER_PAGE = 100; // Messages at least, where there are as many.
const ABOVE = 20; // Messages shown before the one that was asked for.

/** At most one of them. */
export interface WindowQuery {
  /** The window ends before this message. */
  readonly before?: string | undefined;
  /** The window is around this message, on whichever branch it is. */
  readonly at?: string | undefined;
  /** The window is around this message, which is about to be edited. */
  readonly edit?: string | undefined;
}

interface BranchWindow {
  /** Oldest first. */
  readonly shown: readonly MessageNode[];
  /** The oldest one shown; null when none is before it. */
  readonly before: string | null;
  /** The first one after those shown; null when there is none. */
  readonly next: string | null;
  /** The last one of the branch. */
  readonly endId: string | null;
  /** False when the branch is another one than the thread's. */
  readonly isThreadsBranch: boolean;
}

/**
 * The end of the branch, what comes before a message, or what is around one. It begins with a message of the user, so that no reply is cut
 * in two, and holds as many whole replies as it takes. A message that is not in the thread is as one that was not asked for.
 */
export function chooseWindow(
  nodes: readonly MessageNode[],
  headId: string | null,
  { before, at, edit }: WindowQuery,
): BranchWindow {
  const around = at ?? edit;
  const asked = around ?? before;
  const threads = headId === null ? [] : pathTo(nodes, headId);
  const other = asked === undefined || isOn(threads, asked) ? [] : pathTo(nodes, newestEnd(nodes, asked));
  const isThreadsBranch = !isOn(other, asked);
  const path = isThreadsBranch ? threads : other;
  const position = path.findIndex(({ id }) => id === asked);
  const [start, end] = rangeOf(path, position, position >= 0 && around === undefined);
  return {
    shown: path.slice(start, end),
    before: start > 0 ? (path[start]?.id ?? null) : null,
    next: path[end]?.id ?? null,
    endId: path.at(-1)?.id ?? null,
    isThreadsBranch,
  };
}

function rangeOf(path: readonly MessageNode[], position: number, isBefore: boolean): [start: number, end: number] {
  if (isBefore) return [questionAt(path, position - PER_PAGE), position];
  const last = questionAt(path, path.length - PER_PAGE);
  if (position < 0 || position >= last) return [last, path.length];
  const start = questionAt(path, position - ABOVE);
  const next = path.findIndex(({ role }, index) => role === "user" && index > position && index >= start + PER_PAGE);
  return [start, next < 0 ? path.length : next];
}

/** Where the message of the user stands that is at the position or above it. */
function questionAt(path: readonly MessageNode[], position: number): number {
  let at = Math.max(0, position);
  while (at > 0 && path[at]?.role !== "user") at--;
  return at;
}

function isOn(path: readonly MessageNode[], id: string | undefined): boolean {
  return path.some((node) => node.id === id);
}

/**
 * Each message of the user's alone, and all that stands between two of them as one reply, with its turn and with how many others stand
 * in its place. `nodes` are those of the whole thread, `turns` all that are below one of the parts, oldest first.
 */
function toMessages(
  parts: readonly PartData[],
  nodes: readonly MessageNode[],
  turns: readonly TurnInfo[],
): MessageData[] {
  const children = Map.groupBy(nodes, ({ parentId }) => parentId);
  const siblingsOf = (parentId: string | null, id: string | null) => findSiblings(children.get(parentId) ?? [], id);
  const turnOf = findTurns(turns);
  const replyTo = (questionId: string, threadId: string, parts: readonly PartData[]): MessageData => {
    const messages = parts.map(({ message }) => message);
    // Where a reply was continued twice, the place is below one of its parts.
    const siblings = messages.map(({ parentId, id }) => siblingsOf(parentId, id)).findLast((found) => found !== null);
    return {
      id: pageIds.reply(questionId),
      threadId,
      role: "assistant",
      parts,
      turn: turnOf(questionId, messages.at(-1)),
      siblings: (messages.length === 0 ? siblingsOf(questionId, null) : siblings) ?? null,
    };
  };
  const groups = groupByAuthor(parts);
  return groups.flatMap((group, index) => {
    const { id, threadId, parentId, role } = (group[0] as PartData).message;
    if (role !== "user") return replyTo(parentId ?? "", threadId, group);
    const siblings = siblingsOf(parentId, id);
    const question = { id: pageIds.message(id), threadId, role, parts: group, turn: null, siblings };
    // A turn that failed or has only begun has nothing in the thread, and is shown all the same.
    const hasReply = groups[index + 1]?.[0]?.message.role !== "user" && index + 1 < groups.length;
    return hasReply || !turnOf(id, undefined) ? question : [question, replyTo(id, threadId, [])];
  });
}

/** Each message of the user alone, and all that stands between two of them together. */
function groupByAuthor(parts: readonly PartData[]): PartData[][] {
  const groups: PartData[][] = [];
  for (const part of parts) {
    const group = groups.at(-1);
    const isReply = part.message.role !== "user" && group?.[0]?.message.role !== "user";
    if (group && isReply) group.push(part);
    else groups.push([part]);
  }
  return groups;
}

/** Gives the turn of a reply: the one that wrote its last part, or a later one that goes on below it. */
function findTurns(turns: readonly TurnInfo[]) {
  const byId = new Map(turns.map((turn) => [turn.id, turn]));
  const byParent = new Map(turns.map((turn) => [turn.parentId, turn]));
  return (questionId: string, last: Message | undefined): TurnInfo | null =>
    byParent.get(last?.id ?? questionId) ?? byId.get(last?.turnId ?? "") ?? null;
}

/** The messages in one place; null when there is only this one. One that is not in the thread yet is its last. */
function findSiblings(inPlace: readonly MessageNode[], id: string | null): Siblings | null {
  const found = inPlace.findIndex((node) => node.id === id);
  const position = found < 0 ? inPlace.length : found;
  const count = Math.max(inPlace.length, position + 1);
  if (count < 2) return null;
  const [previousId, nextId] = [inPlace[position - 1]?.id ?? null, inPlace[position + 1]?.id ?? null];
  return { parentId: inPlace[0]?.parentId ?? null, position: position + 1, count, previousId, nextId };
}
