/**
 * Messages as the views want them: each of the user's alone, and all that stands between two of them as one reply, with its
 * turn and with how many others stand in its place.
 */

import type {
  Core,
  Html,
  LiveTurn,
  Message,
  MessageData,
  MessageNode,
  PartData,
  Siblings,
  TurnInfo,
  Words,
} from "../../protocols";
import { livePart, storedPart } from "../reply/part-data";

export interface MessageWindow {
  /** Those of the thread, oldest first. */
  readonly stored: readonly Message[];
  /** Of the whole thread. */
  readonly nodes: readonly MessageNode[];
  /** All that are below one of `stored`, oldest first. */
  readonly turns: readonly TurnInfo[];
  /** What goes on below the last of `stored`. */
  readonly live: LiveTurn | null;
  /** Whether the reader is told at which endpoint a turn failed. */
  readonly isAdmin: boolean;
  /** Markdown of those of `stored` that have some, by their ids. */
  readonly bodies: ReadonlyMap<string, Html>;
}

export function messageData(
  core: Core,
  words: Words,
  { stored, nodes, turns: all, live, bodies, isAdmin }: MessageWindow,
): MessageData[] {
  const turns = isAdmin ? all : all.map(({ fault: _, ...turn }) => turn);
  const known = new Set(stored.map(({ id }) => id));
  const running = live?.parts.filter(({ id }) => !known.has(id)) ?? [];
  const waiting = new Set(live?.waiting);
  const toPart = (message: Message) => {
    if (known.has(message.id)) return storedPart(core, words, message, bodies.get(message.id));
    const state = { isLast: message === running.at(-1), isWaiting: waiting.has(message.id) };
    return livePart(core, words, message, state);
  };
  const children = Map.groupBy(nodes, ({ parentId }) => parentId);
  const siblingsOf = (parentId: string | null, id: string | null) => findSiblings(children.get(parentId) ?? [], id);
  const turnOf = findTurns(turns);
  const replyTo = (questionId: string, threadId: string, messages: readonly Message[]): MessageData => {
    // Where a reply was continued twice, the place is below one of its parts.
    const siblings = messages.map(({ parentId, id }) => siblingsOf(parentId, id)).findLast((found) => found !== null);
    return {
      id: `r-${questionId}`,
      threadId,
      role: "assistant",
      parts: messages.map(toPart),
      turn: turnOf(questionId, messages.at(-1)),
      siblings: (messages.length === 0 ? siblingsOf(questionId, null) : siblings) ?? null,
    };
  };
  const groups = groupByAuthor([...stored, ...running]);
  return groups.flatMap((group, index) => {
    const first = group[0] as Message;
    const { id, threadId, parentId } = first;
    if (first.role !== "user") return replyTo(parentId ?? "", threadId, group);
    const parts: PartData[] = [toPart(first)];
    const siblings = siblingsOf(parentId, id);
    const question = { id: `m-${id}`, threadId, role: "user" as const, parts, turn: null, siblings };
    // A turn that failed or has only begun has nothing in the thread, and is shown all the same.
    const hasReply = groups[index + 1]?.[0]?.role !== "user" && index + 1 < groups.length;
    return hasReply || !turnOf(id, undefined) ? question : [question, replyTo(id, threadId, [])];
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
