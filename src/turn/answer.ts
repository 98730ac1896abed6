/**
 * Turns that are kept nowhere: for callers that hold the conversation themselves, such as clients of other APIs. The same
 * processor, hooks and tools as in any turn, on a context that is the caller's messages and ends with the turn.
 */

import { AppError } from "../basics/errors";
import type {
  AnswerRequest,
  Core,
  FinishReason,
  Message,
  SystemPromptProtocol,
  Tools,
  Turn,
  TurnEvent,
  Usage,
  User,
} from "../protocols";
import { createAnswerContext } from "./answer-context";
import { lengthOf } from "./numbered";
import { createReplyParts } from "./reply-parts";
import { LENGTH_MAX, TOO_LONG } from "./run";
import { sumUsage } from "./step";

export async function* answer(
  core: Core,
  user: User,
  request: AnswerRequest & { readonly model: string },
  signal: AbortSignal,
): AsyncGenerator<TurnEvent> {
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
  const events = core.messageProcessor.run(turn);
  let ending = "stopped";
  core.counts.add("turns_running");
  try {
    for (;;) {
      const next = await nextOf(events, turn.signal);
      if (next === "aborted") return;
      yield* waiting.splice(0);
      if (next.done) {
        ending = "done";
        yield { type: "end", reason: next.value, usage };
        return;
      }
      const event = next.value;
      seq += lengthOf(event);
      if (seq > LENGTH_MAX) throw new AppError("upstream", TOO_LONG);
      if (event.type !== "step") parts.add({ seq, timestamp: new Date().toISOString(), event });
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
    // Not waited for: a processor that does not look at the signal would hold the reader.
    events.return("stop").catch(() => {});
  }
}

type Next = IteratorResult<TurnEvent, FinishReason>;

async function nextOf(events: AsyncGenerator<TurnEvent, FinishReason>, signal: AbortSignal): Promise<Next | "aborted"> {
  const aborted = Promise.withResolvers<"aborted">();
  const abort = () => aborted.resolve("aborted");
  if (signal.aborted) return "aborted";
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([events.next(), aborted.promise]);
  } catch (error) {
    if (signal.aborted) return "aborted";
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
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
