/**
 * Runs one turn to its end, whoever listens: takes the processor's events, numbers and publishes them, and adds complete
 * parts to the thread. The only catcher of a turn's errors.
 */

import { AppError } from "../basics/errors";
import type { FinishReason, LiveTurn, Turn, TurnInfo } from "../protocols";
import { type Approvals, createApprovals } from "./approvals";
import { answerAsks } from "./asks";
import type { Claim } from "./claims";
import { createEventLog } from "./event-log";
import { finish, type Outcome } from "./finish";
import { createReplyParts } from "./reply-parts";
import { type CutCause, push, type RunOptions, type RunState } from "./state";
import { aborted, endStep } from "./step";

// UTF-16 units and events, some million tokens: more than any model writes, and less than what a broken endpoint that
// never ends would fill memory and disk with.
export const LENGTH_MAX = 10_000_000;
export const TOO_LONG = "The reply grew longer than any reply should and was ended.";

export interface RunningTurn {
  readonly info: TurnInfo;
  readonly claim: Claim;
  /** As it is at this moment, saved or not; null once its record says that it has ended. */
  live(): LiveTurn | null;
  /** Resolves when the turn has ended and its thread is free; never rejects. */
  readonly ended: Promise<void>;
  cut(cause: CutCause): void;
  /** Whether only the user's answers can bring it on: calls wait, and nothing else runs. */
  isWaiting(): boolean;
}

export function runTurn(options: RunOptions): RunningTurn {
  const { core, info } = options;
  const controller = new AbortController();
  const cut = (cause: CutCause): void => {
    // A turn whose record says that it has ended cannot be lost any more, and its last event is still to be told.
    const isLost = cause === "lost" && !state.hasEnded;
    if (isLost) log.leave();
    state.cutCause = isLost ? cause : (state.cutCause ?? cause);
    controller.abort();
  };
  const log = createEventLog(core, options.claim, () => cut("lost"));
  const state: RunState = {
    ...options,
    log,
    parts: createReplyParts(info),
    waiting: [],
    messages: [],
    stepping: Promise.resolve(),
    isEnding: false,
    steps: 0,
    hasEnded: false,
    usage: null,
    cutCause: null,
    signal: controller.signal,
    cut,
  };
  core.counts.add("turns_running");
  const ended = run(state)
    .catch((error) => core.log.error("A turn could not be ended", { turn: info.id, error }))
    .finally(() => core.counts.add("turns_running", -1));
  return { info, claim: options.claim, live: () => liveOf(state), ended, cut, isWaiting: () => isWaiting(state) };
}

function isWaiting({ parts }: RunState): boolean {
  const count = parts.waiting().length;
  return count > 0 && count === parts.missingResults().length;
}

/** What is on its way into the thread is told too: it is there, or here, or for a moment in both. */
function liveOf({ info, log, parts, waiting, hasEnded, cutCause }: RunState): LiveTurn | null {
  if (hasEnded || cutCause === "lost") return null;
  return { ...info, seq: log.seq(), parts: [...waiting, ...parts.list()], waiting: parts.waiting() };
}

async function run(state: RunState): Promise<void> {
  const ending = Promise.withResolvers<void>();
  const stop = () => {
    state.cut("stopped");
    return ending.promise;
  };
  let stopAnswering = () => {};
  const approvals = createApprovals(state);
  const work = async (): Promise<Outcome> => {
    push(state, { type: "start", threadId: state.info.threadId, turnId: state.info.id });
    const answering = { save: state.log.save, stop, approve: approvals.answer };
    stopAnswering = await answerAsks(state.core, state.info.id, answering);
    // A processor that does not look at the signal must not keep the turn from ending.
    return Promise.race([produce(state, approvals), aborted(state.signal)]);
  };
  try {
    await finish(state, await work().catch((error) => ({ error })));
  } finally {
    ending.resolve();
    stopAnswering();
  }
}

async function produce(state: RunState, approvals: Approvals): Promise<FinishReason | "cut"> {
  const events = state.core.messageProcessor.run(createTurn(state, approvals));
  try {
    for (;;) {
      const next = await events.next();
      // It may have stood still so long that the turn is another's by now: nothing more may be shown, nor a tool begun.
      if (!state.ownership.isAwake()) await state.ownership.wake(state.signal);
      if (state.signal.aborted) return "cut";
      if (next.done) return next.value;
      if (state.log.seq() > LENGTH_MAX) throw new AppError("upstream", TOO_LONG);
      if (next.value.type === "step") {
        const ended = endStep(state, next.value);
        state.stepping = ended.catch(() => {});
        await ended;
      } else push(state, next.value);
    }
  } finally {
    // What it left open is closed. Not waited for: one that hangs must not hold up the end.
    events.return("stop").catch(() => {});
  }
}

function createTurn(state: RunState, approvals: Approvals): Turn {
  const { core, user, info, signal, messages } = state;
  return {
    id: info.id,
    threadId: info.threadId,
    user,
    model: info.model,
    systemPrompt: info.systemPrompt,
    parameters: info.parameters,
    signal,
    core,
    messages,
    notify: (text) => {
      if (!signal.aborted && !state.isEnding) push(state, { type: "notice", text });
    },
    approval: approvals.ask,
  };
}
