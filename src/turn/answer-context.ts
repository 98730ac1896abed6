/** `context` for a turn that is kept nowhere: the messages that it was given and what it adds, in memory. Other threads as ever. */

import { AppError } from "../basics/errors";
import type { ContextMessage, ContextProtocol, Core, Message, NewContextMessage } from "../protocols";

export interface AnswerContext extends ContextProtocol {
  /** Takes the parts of one step. */
  grow(parts: readonly Message[]): void;
}

export function createAnswerContext(
  core: Core,
  threadId: string,
  messages: readonly NewContextMessage[],
): AnswerContext {
  let list: readonly ContextMessage[] = messages.map(withId);
  let mutations = 0;
  const set = (changed: readonly ContextMessage[]): true => {
    list = changed;
    mutations++;
    return true;
  };
  const own: ContextProtocol = {
    get: async () => [...list],
    getMessage: async (_user, _thread, id) => list.find((message) => message.id === id) ?? null,
    async add(_user, _thread, message) {
      const added = withId(message);
      list = [...list, added];
      return added.id;
    },
    async updateMessage(_user, _thread, id, content) {
      if (!list.some((message) => message.id === id)) return false;
      return set(list.map((message) => (message.id === id ? { ...message, content } : message)));
    },
    async removeMessage(_user, _thread, id) {
      const at = list.findIndex((message) => message.id === id);
      if (at < 0) return false;
      if (list[at]?.role === "tool") return own.updateMessage(_user, _thread, id, "(removed)");
      return set([...list.slice(0, at), ...list.slice(endOfGroup(list, at))]);
    },
    async replace(_user, _thread, replacing, { upTo = list.at(-1)?.id, mutationCount = mutations } = {}) {
      const at = list.findIndex((message) => message.id === upTo);
      if (at < 0) throw new AppError("notFound", "There is no such message in the context.");
      if (mutationCount !== mutations) return false;
      return set([...replacing.map(withId), ...list.slice(endOfGroup(list, at))]);
    },
    async regenerate() {
      set(messages.map(withId));
    },
    mutationCount: async () => mutations,
  };
  const of = (id: string): ContextProtocol => (id === threadId ? own : core.context);
  return {
    get: (user, id, head) => of(id).get(user, id, head),
    getMessage: (user, id, message) => of(id).getMessage(user, id, message),
    add: (user, id, message) => of(id).add(user, id, message),
    updateMessage: (user, id, message, content) => of(id).updateMessage(user, id, message, content),
    removeMessage: (user, id, message) => of(id).removeMessage(user, id, message),
    replace: (user, id, replacing, options) => of(id).replace(user, id, replacing, options),
    regenerate: (user, id) => of(id).regenerate(user, id),
    mutationCount: (user, id) => of(id).mutationCount(user, id),
    grow(parts) {
      list = [...list, ...replyOf(parts)];
    },
  };
}

function withId(message: NewContextMessage): ContextMessage {
  return { ...message, id: Bun.randomUUIDv7() };
}

/** The results of tool calls go with the message that made the calls. */
function endOfGroup(list: readonly ContextMessage[], at: number): number {
  let end = at + 1;
  while (list[end]?.role === "tool") end++;
  return end;
}

function replyOf(parts: readonly Message[]): ContextMessage[] {
  const texts = parts.filter(({ type }) => type === "text");
  const tools = parts.filter(({ type }) => type === "tool");
  const id = texts[0]?.id ?? (tools[0] && `${tools[0].id}/call`);
  if (id === undefined) return [];
  const toolCalls = tools.map((tool) => ({
    callId: tool.callId ?? tool.id,
    name: tool.name ?? "",
    arguments: tool.arguments ?? "{}",
  }));
  const content = texts.map((text) => text.content).join("");
  const opaque = parts.findLast((part) => part.opaque)?.opaque;
  return [
    { id, role: "assistant", content, ...(opaque && { opaque }), ...(toolCalls.length > 0 && { toolCalls }) },
    ...tools.map((tool): ContextMessage => {
      const result = tool.error === undefined ? tool.content : `Error: ${tool.error}`;
      const brought = parts.filter(({ type, callId }) => type === "file" && callId === tool.callId);
      const files = brought.flatMap((part) => part.files ?? []);
      const answered = { id: tool.id, role: "tool" as const, callId: tool.callId ?? tool.id, content: result };
      return { ...answered, ...(files.length > 0 && { files }) };
    }),
  ];
}
