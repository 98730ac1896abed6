/** `context` for a turn that is kept nowhere: the messages that it was given and what it adds, in memory. Other threads as ever. */

import { AppError } from "../basics/errors";
import { applyEdit, fromStep } from "../basics/messages";
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
  let list: ContextMessage[] = messages.map(withId);
  let mutations = 0;
  const find = (id: string | undefined) => list.find((message) => message.id === id) ?? null;
  const change = (changed: ContextMessage[]): true => {
    list = changed;
    mutations++;
    return true;
  };
  const own: ContextProtocol = {
    get: async () => [...list],
    getMessage: async (_user, _thread, id) => find(id),
    async add(_user, _thread, message) {
      const added = withId(message);
      list = [...list, added];
      return added.id;
    },
    async updateMessage(_user, _thread, target, content) {
      const message = find(target);
      return message !== null && change(applyEdit(list, { target, kind: "text", messages: [{ ...message, content }] }));
    },
    async removeMessage(_user, _thread, target) {
      return find(target) !== null && change(applyEdit(list, { target, kind: "remove", messages: [] }));
    },
    async replace(_user, _thread, replacing, { upTo = list.at(-1)?.id, mutationCount = mutations } = {}) {
      const last = find(upTo);
      if (!last) throw new AppError("notFound", "There is no such message in the context.");
      if (mutationCount !== mutations) return false;
      return change(applyEdit(list, { target: last.id, kind: "replace", messages: replacing.map(withId) }));
    },
    async regenerate() {
      change(messages.map(withId));
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
      list.push(...fromStep(parts));
    },
  };
}

function withId(message: NewContextMessage): ContextMessage {
  return { ...message, id: Bun.randomUUIDv7() };
}
