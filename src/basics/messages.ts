/**
 * The tree of a thread's messages as pure functions: the path to a message, the newest end of a branch, what a model gets of
 * a path, and edits laid over that. Thinking, notices and files that no tool's result brought are not sent back to a model.
 */

import type { ContextMessage, Message, MessageNode } from "../protocols";

/** From the root to the message, oldest first; empty when it is not among the nodes. */
export function pathTo<T extends Pick<MessageNode, "id" | "parentId">>(nodes: readonly T[], messageId: string): T[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const path: T[] = [];
  for (let node = byId.get(messageId); node; node = node.parentId === null ? undefined : byId.get(node.parentId)) {
    path.push(node);
  }
  return path.reverse();
}

export function newestEnd(nodes: readonly MessageNode[], messageId: string): string {
  // Nodes come in the order they were added, so the last child is the newest.
  const newestChild = new Map(nodes.map(({ id, parentId }) => [parentId, id]));
  let end = messageId;
  for (let child = newestChild.get(end); child !== undefined; child = newestChild.get(end)) end = child;
  return end;
}

const STOPPED_NOTE = "[The reply above was stopped by the user before it was complete.]";

/** A path as a model reads it. */
export function toContext(path: readonly Message[]): ContextMessage[] {
  const list: ContextMessage[] = [];
  let wasStopped = false;
  for (const step of stepsOf(path)) {
    const [first] = step;
    if (first?.role === "user") {
      list.push(fromUser(first, wasStopped));
      wasStopped = false;
      continue;
    }
    wasStopped = step.at(-1)?.cut === "stopped";
    addReply(list, fromStep(step));
  }
  return list;
}

/** Runs of messages that one model call made; a user's message is a run of its own. */
function stepsOf(path: readonly Message[]): Message[][] {
  const runs: Message[][] = [];
  for (const message of path) {
    const run = runs.at(-1);
    const previous = run?.[0];
    const isSame = previous?.role !== "user" && previous?.turnId === message.turnId && previous.step === message.step;
    if (run && isSame && message.role !== "user") run.push(message);
    else runs.push([message]);
  }
  return runs;
}

function fromUser({ id, content, files }: Message, followsStopped: boolean): ContextMessage {
  const text = followsStopped ? `${STOPPED_NOTE}\n\n${content}` : content;
  return { id, role: "user", content: text, ...(files && { files }) };
}

/** What one model call made, as a model reads it: its text and calls in one message, then the result of each call. */
export function fromStep(step: readonly Message[]): ContextMessage[] {
  const texts = step.filter(({ role, type }) => role === "assistant" && type === "text");
  const tools = step.filter(({ type }) => type === "tool");
  const id = texts[0]?.id ?? (tools[0] && `${tools[0].id}/call`); // The tool's own id is that of its result.
  if (id === undefined) return [];
  const content = texts.map((text) => text.content).join("");
  const toolCalls = tools.map(({ id, callId = id, name = "", arguments: args = "{}" }) => {
    return { callId, name, arguments: args };
  });
  const opaque = step.findLast((message) => message.opaque)?.opaque;
  const reply = { id, role: "assistant" as const, content };
  return [
    { ...reply, ...(opaque && { opaque }), ...(toolCalls.length > 0 && { toolCalls }) },
    ...tools.map((tool) => resultOf(tool, step)),
  ];
}

function resultOf(tool: Message, step: readonly Message[]): ContextMessage {
  const brought = step.filter(({ type, callId }) => type === "file" && callId === tool.callId);
  const files = brought.flatMap((message) => message.files ?? []);
  return {
    id: tool.id,
    role: "tool",
    callId: tool.callId ?? tool.id,
    content: tool.error === undefined ? tool.content : `Error: ${tool.error}`,
    ...(files.length > 0 && { files }),
  };
}

/** A turn that goes on from an interrupted one makes one message with it, to the model. */
function addReply(list: ContextMessage[], [reply, ...results]: readonly ContextMessage[]): void {
  const previous = list.at(-1);
  if (!reply) return;
  if (previous?.role === "assistant" && !previous.toolCalls) {
    const { opaque: _, ...before } = previous; // Of the half before alone: with the whole it would not fit.
    list[list.length - 1] = { ...reply, ...before, content: previous.content + reply.content };
  } else {
    list.push(reply);
  }
  list.push(...results);
}

/** One change of what a model gets. */
export interface ContextEdit {
  /** Id of the message that is changed, left out, followed, or the last one replaced; empty = the beginning. */
  readonly target: string;
  readonly kind: "text" | "remove" | "add" | "replace";
  readonly messages: readonly ContextMessage[];
}

/** An edit whose target is not in the list belongs to another branch, or to what a later edit replaced: it has no effect. */
export function applyEdit(list: ContextMessage[], edit: ContextEdit): ContextMessage[] {
  if (edit.target === "") return [...edit.messages, ...list];
  const at = list.findIndex(({ id }) => id === edit.target);
  const target = list[at];
  if (!target) return list;
  const after = afterResults(list, at);
  switch (edit.kind) {
    case "text":
      return list.with(at, { ...target, content: edit.messages[0]?.content ?? "" });
    case "remove":
      // A model refuses calls without results and results without calls, so they go together.
      if (target.role === "tool") return list.with(at, { ...target, content: "(removed)" });
      return list.toSpliced(at, after - at);
    case "add":
      return list.toSpliced(after, 0, ...edit.messages);
    case "replace":
      return [...edit.messages, ...list.slice(after)];
  }
}

/** The index behind the message and the tool results that belong to it. */
function afterResults(list: readonly ContextMessage[], at: number): number {
  let end = at + 1;
  while (list[end]?.role === "tool") end++;
  return end;
}
