/**
 * Runs one turn to its end, whoever listens: takes the processor's events, numbers and publishes them, adds complete parts
 * to the thread, and leaves the thread well-formed however the turn ends. The only catcher of a turn's errors.
 */

import { isAppError } from "../errors";
import type { Core, FinishReason, Message, NumberedEvent, Turn, TurnEvent, TurnInfo, Usage, User } from "../protocols";
import { answerAsks } from "./asks";
import { createEventLog, type EventLog } from "./event-log";
import { createParts, type Parts } from "./parts";
import { endTurn, type TurnEnd } from "./records";

export interface RunningTurn {
  readonly info: TurnInfo;
  /** Resolves when the turn has ended and its thread is free; never rejects. */
  readonly ended: Promise<void>;
  cut(cause: CutCause): void;
}

/** Why a turn ends before its processor is done: a person stopped it, or the server ends. */
export type CutCause = "stopped" | "interrupted";

export interface RunOptions {
  readonly core: Core;
  readonly user: User;
  readonly info: TurnInfo;
  /** Frees the thread for the next turn. */
  readonly release: () => Promise<void>;
}

const INTERRUPTED = "The server was stopped while it wrote this reply. Continue goes on from here.";

export function runTurn(options: RunOptions): RunningTurn {
  const { core, user, info } = options;
  const controller = new AbortController();
  const log = createEventLog(core, user.username, info.id);
  const state: RunState = {
    ...options,
    log,
    parts: createParts(info),
    messages: [],
    usage: null,
    cutCause: null,
    signal: controller.signal,
  };
  const cut = (cause: CutCause): void => {
    state.cutCause ??= cause;
    controller.abort();
  };
  const ended = run(state, cut).catch((error) => core.log.error("A turn could not be ended", { turn: info.id, error }));
  return { info, ended, cut };
}

interface RunState extends RunOptions {
  readonly log: EventLog;
  readonly parts: Parts;
  /** What the turn has added to the thread. */
  readonly messages: Message[];
  readonly signal: AbortSignal;
  usage: Usage | null;
  cutCause: CutCause | null;
}

async function run(state: RunState, cut: (cause: CutCause) => void): Promise<void> {
  const ending = Promise.withResolvers<void>();
  const stop = () => {
    cut("stopped");
    return ending.promise;
  };
  const stopAnswering = await answerAsks(state.core, state.info.id, { save: state.log.save, stop });
  try {
    push(state, { type: "start", threadId: state.info.threadId, turnId: state.info.id });
    const outcome = await Promise.race([produce(state), aborted(state.signal)]).catch((error) => ({ error }));
    await finish(state, outcome);
  } finally {
    ending.resolve();
    stopAnswering();
  }
}

type Outcome = FinishReason | { readonly error: unknown } | "cut";

/** A processor that does not look at the signal must not keep the turn from ending. */
function aborted(signal: AbortSignal): Promise<"cut"> {
  const { promise, resolve } = Promise.withResolvers<"cut">();
  if (signal.aborted) resolve("cut");
  signal.addEventListener("abort", () => resolve("cut"), { once: true });
  return promise;
}

async function produce(state: RunState): Promise<FinishReason | "cut"> {
  const events = state.core.messageProcessor.run(createTurn(state));
  for (;;) {
    const next = await events.next();
    if (state.signal.aborted) return "cut";
    if (next.done) return next.value;
    if (next.value.type === "step") await endStep(state, next.value);
    else push(state, next.value);
  }
}

function createTurn(state: RunState): Turn {
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
      if (!signal.aborted) push(state, { type: "notice", text });
    },
  };
}

function push(state: RunState, event: TurnEvent): NumberedEvent | null {
  // An empty text has no position of its own.
  if ((event.type === "text" || event.type === "thinking") && event.text === "") return null;
  const numbered = state.log.push(event);
  state.parts.add(numbered);
  return numbered;
}

/** The thread first, then the log: after a crash between them the parts are added again, with the same ids. */
async function endStep(state: RunState, step: TurnEvent & { type: "step" }): Promise<void> {
  await addToThread(state, state.parts.take(step.model));
  state.usage = sum(state.usage, step.usage);
  state.log.push(step);
}

async function addToThread({ core, user, info, messages }: RunState, parts: readonly Message[]): Promise<void> {
  for (const part of parts) messages.push(await core.thread.append(user.username, info.threadId, part));
}

/** Order: text, then the turn's record, then the thread is free, and only then do followers hear of the end. */
async function finish(state: RunState, outcome: Outcome): Promise<void> {
  const { core, user, info, log } = state;
  const end = endOf(state, outcome);
  await addToThread(state, state.parts.take(info.model, end.status === "done" ? undefined : end.status));
  await log.saveLast(lastEvent(outcome, end));
  await endTurn(core, user.username, info.id, end);
  await state.release();
  await log.publishLast();
}

function endOf(state: RunState, outcome: Outcome): TurnEnd {
  const { usage, cutCause } = state;
  if (cutCause === "stopped") return { status: "stopped", error: null, usage };
  if (cutCause === "interrupted") return { status: "interrupted", error: INTERRUPTED, usage };
  if (typeof outcome === "string") return { status: "done", error: null, usage };
  return { status: "failed", error: describeFailure(state, outcome), usage };
}

function describeFailure({ core, info }: RunState, outcome: Outcome): string {
  const error = typeof outcome === "string" ? null : outcome.error;
  if (isAppError(error)) {
    core.log.warn("A turn failed", { turn: info.id, model: info.model, code: error.code });
    return error.message;
  }
  core.log.error("A turn failed by an error in the server", { turn: info.id, error: error as Error });
  return "Something went wrong in the server; its log says what. Try again.";
}

function lastEvent(outcome: Outcome, { status, error, usage }: TurnEnd): TurnEvent {
  if (error !== null) return { type: "error", message: error };
  const reason = status === "stopped" || typeof outcome !== "string" || outcome === "cut" ? "stopped" : outcome;
  return { type: "end", reason, usage };
}

function sum(a: Usage | null, b: Usage | null): Usage | null {
  if (!a || !b) return a ?? b;
  return { inputTokens: a.inputTokens + b.inputTokens, outputTokens: a.outputTokens + b.outputTokens };
}
