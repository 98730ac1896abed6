/** A branch of a thread as a model reads it. Thinking, notices and files that are of no tool's result are not sent back. */

import type { ContextMessage, Message } from "../../protocols";

const STOPPED_NOTE = "[The reply above was stopped by the user before it was complete.]";

export function toContext(path: readonly Message[]): ContextMessage[] {
  const list: ContextMessage[] = [];
  let wasStopped = false;
  for (const step of steps(path)) {
    const first = step[0];
    if (first?.role === "user") {
      list.push(fromUser(first, wasStopped));
      wasStopped = false;
      continue;
    }
    wasStopped = step.at(-1)?.cut === "stopped";
    addReply(list, step);
  }
  return list;
}

/** Runs of messages that one model call made; a user's message is a run of its own. */
function steps(path: readonly Message[]): Message[][] {
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

function fromUser(message: Message, followsStopped: boolean): ContextMessage {
  return {
    id: message.id,
    role: "user",
    content: followsStopped ? `${STOPPED_NOTE}\n\n${message.content}` : message.content,
    ...(message.files && { files: message.files }),
  };
}

function addReply(list: ContextMessage[], step: readonly Message[]): void {
  const texts = step.filter(({ role }) => role === "assistant").filter(({ type }) => type === "text");
  const tools = step.filter(({ type }) => type === "tool");
  const id = texts[0]?.id ?? tools[0]?.id;
  if (id === undefined) return;
  const content = texts.map((message) => message.content).join("");
  const toolCalls = tools.map((tool) => ({
    callId: tool.callId ?? tool.id,
    name: tool.name ?? "",
    arguments: tool.arguments ?? "{}",
  }));
  const opaque = step.findLast((message) => message.opaque)?.opaque;
  const added = { ...(opaque && { opaque }), ...(toolCalls.length > 0 && { toolCalls }) };
  const previous = list.at(-1);
  if (previous?.role === "assistant" && !previous.toolCalls) {
    // A turn that went on from an interrupted one: to the model it is one message.
    const { opaque: _, ...before } = previous; // Of the half before alone: with the whole it would not fit.
    list[list.length - 1] = { ...before, content: previous.content + content, ...added };
  } else {
    const ownId = texts[0] ? id : `${id}/call`; // The tool's own id is that of its result.
    list.push({ id: ownId, role: "assistant", content, ...added });
  }
  for (const tool of tools) {
    const result = tool.error === undefined ? tool.content : `Error: ${tool.error}`;
    const brought = step.filter(({ type, callId }) => type === "file" && callId === tool.callId);
    const files = brought.flatMap((message) => message.files ?? []);
    const answered = { id: tool.id, role: "tool" as const, callId: tool.callId ?? tool.id, content: result };
    list.push({ ...answered, ...(files.length > 0 && { files }) });
  }
}
