/**
 * Turns that are kept nowhere: for callers that hold the messages themselves, such as clients of other APIs. The same
 * processor, hooks and tools as in any turn, on a context that is the caller's messages and ends with the turn.
 */

import { AppError } from "../basics/errors";
import { applyEdit, fromStep } from "../basics/messages";
import { within } from "../basics/within";
import type {
  AnswerRequest,
  ContextMessage,
  ContextProtocol,
  Core,
  FinishReason,
  Message,
  NewContextMessage,
  SystemPromptProtocol,
  Tools,
  Turn,
  TurnEvent,
  Usage,
  User,
} from "../protocols";
import type { Engine } from "./begin";
import { lengthOf, timestamp } from "./event-log";
import { createReplyParts } from "./reply-parts";
import { LENGTH_MAX, sumUsage, TOO_LONG } from "./run";

export async function* answer(
  pin: Engine["pin"],
  user: User,
  request: AnswerRequest & { readonly model: string },
  signal: AbortSignal,
): AsyncGenerator<TurnEvent> {
  const { core, release } = pin();
  const left = new AbortController();
  const id = Bun.randomUUIDv7();
  const context = createAnswerContext(core, id, request.messages);
  const messages: Message[] = [];
  const waiting: TurnEvent[] = [];
  const turn: Turn = {
    id,
    threadId: id,
    user,
    model: request.model,
    systemPrompt: "default",
    parameters: request.parameters ?? {},
    ...(request.toolChoice && { toolChoice: request.toolChoice }),
    signal: AbortSignal.any([signal, left.signal]),
    core: { ...core, context, systemPrompt: systemPromptOf(core, request), tools: toolsOf(core, request) },
    messages,
    notify: (text) => void waiting.push({ type: "notice", text }),
    approval: async () => false,
  };
  const parts = createReplyParts({ id, threadId: id, parentId: id, model: request.model });
  let seq = 0;
  let usage: Usage | null = null;
  let events: AsyncGenerator<TurnEvent, FinishReason> | null = null;
  let ending = "stopped";
  core.counts.add("turns_running");
  try {
    events = core.messageProcessor.run(turn);
    for (;;) {
      const next = turn.signal.aborted ? null : await within(events.next(), { signal: turn.signal }, () => null);
      if (!next) return;
      yield* waiting.splice(0);
      if (next.done) {
        ending = "done";
        yield { type: "end", reason: next.value, usage };
        return;
      }
      const event = next.value;
      seq += lengthOf(event);
      if (seq > LENGTH_MAX) throw new AppError("upstream", TOO_LONG);
      if (event.type !== "step") parts.add({ seq, timestamp: timestamp(), event });
      else {
        const added = parts.take(event.model);
        messages.push(...added);
        context.grow(added);
        usage = sumUsage(usage, event.usage);
      }
      yield event;
    }
  } catch (error) {
    ending = "failed";
    throw error;
  } finally {
    core.counts.add("turns_running", -1);
    core.counts.add(`turns_${ending}`);
    left.abort();
    release();
    // Not waited for: a processor that does not look at the signal would hold the reader.
    events?.return("stop").catch(() => {});
  }
}

function systemPromptOf(core: Core, { system }: AnswerRequest): SystemPromptProtocol {
  if (system === undefined) return core.systemPrompt;
  const prompt = { name: "default", description: "", content: system };
  return { list: async () => [prompt], get: async (name) => (name === prompt.name ? prompt : null) };
}

/** There is nobody who could be asked for a yes. */
function toolsOf(core: Core, { tools = (installed) => installed }: AnswerRequest): Tools {
  return {
    list: async (turn) => tools((await core.tools.list(turn)).filter(({ approval }) => !approval)),
    run: (call, offered, turn) => core.tools.run(call, offered, turn),
  };
}

interface AnswerContext extends ContextProtocol {
  /** Takes the parts of one step. */
  grow(parts: readonly Message[]): void;
}

function createAnswerContext(core: Core, threadId: string, messages: readonly NewContextMessage[]): AnswerContext {
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
