/**
 * Default of `messageProcessor`: call the model, run the tools that it calls, and again, until it is done or the step limit
 * is reached.
 */

import { allowedParameters, requireAllowed } from "../basics/allowed";
import { AppError, isAppError } from "../basics/errors";
import type {
  Core,
  FinishReason,
  MessageProcessorProtocol,
  ModelCall,
  ModelEvent,
  ModelReply,
  ToolCall,
  Turn,
  TurnEvent,
  Usage,
} from "../protocols";

export function createMessageProcessor(core: Core): MessageProcessorProtocol {
  return {
    async *run(turn) {
      const limit = core.config.toolStepLimit;
      for (let step = 1; step <= limit; step++) {
        const call = await prepareCall(turn, step === 1);
        const outcome = yield* callModel(call, turn);
        yield* runTools(outcome.toolCalls, call, turn);
        yield { type: "step", model: call.model, usage: outcome.usage };
        await afterStep(outcome, call, turn, step);
        if (outcome.toolCalls.length === 0) return outcome.reason;
      }
      throw new AppError(
        "upstream",
        `The model called tools in each of ${limit} steps, the most that one turn may take.`,
      );
    },
  };
}

async function prepareCall(turn: Turn, isFirst: boolean): Promise<ModelCall> {
  const { core, user, toolChoice } = turn;
  const [prompt, context, tools, info] = await Promise.all([
    core.systemPrompt.get(turn.systemPrompt),
    core.context.get(user.username, turn.threadId),
    core.tools.list(turn),
    core.model.describe?.(turn.model) ?? null,
  ]);
  const canCallTools = info?.capabilities?.includes("tools") ?? true;
  const system = prompt?.content ? [{ role: "system" as const, content: prompt.content }] : [];
  const { parameters, leftOut } = allowedParameters(user, { ...prompt?.parameters, ...turn.parameters }, info);
  if (isFirst && leftOut.length > 0) turn.notify(noticeOf(leftOut));
  const call: ModelCall = {
    model: turn.model,
    messages: [...system, ...context],
    tools: canCallTools ? tools : [],
    parameters,
    username: user.username,
    ...(toolChoice && { toolChoice }),
  };
  const changed = await core.hooks.preCall(call, turn);
  await requireAllowed(core, user, changed.model);
  return changed;
}

const NAMES_MAX = 10; // In a notice; a request may have thousands.
const NAME_MAX = 64;

function noticeOf(leftOut: readonly string[]): string {
  const names = leftOut.slice(0, NAMES_MAX).map((name) => JSON.stringify(name.slice(0, NAME_MAX)));
  const more = leftOut.length > NAMES_MAX ? ` and ${leftOut.length - NAMES_MAX} more` : "";
  return `Parameters that are not yours to set were not sent to the model: ${names.join(", ")}${more}.`;
}

interface CallOutcome {
  readonly reason: FinishReason;
  readonly toolCalls: readonly ToolCall[];
  readonly usage: Usage | null;
  /** The text before any filterStream hook; null when no hook could have changed it. */
  readonly original: string | null;
}

async function* callModel(call: ModelCall, turn: Turn): AsyncGenerator<TurnEvent, CallOutcome> {
  const { core, signal } = turn;
  const original: string[] | null = core.hooks.filtersStream ? [] : null;
  const source = core.model.stream(call, signal);
  const events = original ? core.hooks.filterStream(keepText(source, original), turn) : source;
  let reason: FinishReason = "stop";
  let usage: Usage | null = null;
  const toolCalls: ToolCall[] = [];
  for await (const event of events) {
    if (event.type === "finish") reason = event.reason;
    else if (event.type === "usage") usage = usageOf(event);
    else if (event.type === "opaque") yield* keepOpaque(event, turn);
    else if (event.type === "file") yield* keepFile(event, turn);
    else if (event.type === "notice") await notifyOnce(event.text, turn);
    else {
      const own = event.type === "toolCall" ? withOwnId(event, turn) : event;
      if (own.type === "toolCall") toolCalls.push(own);
      yield own;
    }
  }
  signal.throwIfAborted();
  return { reason, toolCalls, usage, original: original?.join("") ?? null };
}

/** What a model does not take is the same in each step and each turn: the notice is given once in a thread. */
async function notifyOnce(text: string, { core, user, threadId, messages, notify }: Turn): Promise<void> {
  const said = [...(await core.thread.messages(user.username, threadId)), ...messages];
  if (!said.some(({ type, content }) => type === "notice" && content === text)) notify(text);
}

function usageOf({ type: _, ...usage }: ModelEvent & { type: "usage" }): Usage {
  return usage;
}

const OPAQUE_MAX = 1024 * 1024; // Characters of JSON. The longest seen, of a whole evening's thinking, has a fifth of it.

function* keepOpaque(event: ModelEvent & { type: "opaque" }, { core, id }: Turn): Generator<TurnEvent> {
  const { length } = JSON.stringify(event);
  if (length <= OPAQUE_MAX) yield event;
  else core.log.warn("What came with a reply for the next request is too long and was not kept", { turn: id, length });
}

/** A file that cannot be kept, for want of room or by its size, is said and ends nothing. */
async function* keepFile(
  { name, data }: ModelEvent & { type: "file" },
  { core, user, notify }: Turn,
): AsyncGenerator<TurnEvent> {
  try {
    yield { type: "file", file: await core.file.put(user.username, { name, type: data.type, data }) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    notify(`The model made ${JSON.stringify(name)}, which could not be kept: ${error.message}`);
  }
}

/** Some endpoints count calls anew in each step, but a user's answer and the followers know a call by its id. */
function withOwnId<Call extends ToolCall>(call: Call, turn: Turn): Call {
  const isTaken = turn.messages.some(({ callId }) => callId === call.callId);
  return isTaken ? { ...call, callId: `call_${crypto.randomUUID()}` } : call;
}

async function* keepText(events: AsyncIterable<ModelEvent>, kept: string[]): AsyncGenerator<ModelEvent> {
  for await (const event of events) {
    if (event.type === "text") kept.push(event.text);
    if (event.type === "wasThinking") kept.length = 0;
    yield event;
  }
}

async function* runTools(calls: readonly ToolCall[], { tools }: ModelCall, turn: Turn): AsyncGenerator<TurnEvent> {
  yield* merge(calls.map((call) => turn.core.tools.run(call, tools, turn)));
  turn.signal.throwIfAborted();
}

async function afterStep(outcome: CallOutcome, call: ModelCall, turn: Turn, step: number): Promise<void> {
  const { core, user, threadId } = turn;
  // By number and not by the last message: a step in which the model said nothing has none.
  const messages = turn.messages.filter((message) => message.step === step);
  const texts = messages.filter(({ role, type }) => role === "assistant" && type === "text");
  const content = texts.map((message) => message.content).join("");
  const first = texts[0];
  if (outcome.original !== null && outcome.original !== content) {
    if (first) await core.context.updateMessage(user.username, threadId, first.id, outcome.original);
    else await core.context.add(user.username, threadId, { role: "assistant", content: outcome.original });
  }
  const reply: ModelReply = {
    model: call.model,
    step,
    content,
    thinking: messages
      .filter(({ role }) => role === "thinking")
      .map((message) => message.content)
      .join(""),
    toolCalls: outcome.toolCalls,
    usage: outcome.usage,
    messageId: first?.id ?? null,
  };
  await core.hooks.postCall(reply, turn);
}

/** Several async iterables as one, each item as soon as its source has it. */
export async function* merge<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const pending = new Map<AsyncIterator<T>, Promise<Arrival<T>>>();
  const ask = (iterator: AsyncIterator<T>) => {
    pending.set(
      iterator,
      iterator.next().then((result) => ({ iterator, result })),
    );
  };
  for (const source of sources) ask(source[Symbol.asyncIterator]());
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      if (result.done) pending.delete(iterator);
      else {
        yield result.value;
        ask(iterator);
      }
    }
  } finally {
    // The reader left early, or a source threw: let the others clean up, without waiting for one that is stuck.
    for (const [iterator, next] of pending) {
      next.catch(() => {});
      iterator.return?.().then(undefined, () => {});
    }
  }
}

interface Arrival<T> {
  readonly iterator: AsyncIterator<T>;
  readonly result: IteratorResult<T>;
}
