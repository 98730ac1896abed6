/**
 * Runs one turn to its end, whoever listens: takes the processor's events, has them saved and shown, adds the parts of each step to
 * the thread, and leaves the thread well-formed however the turn went. The only catcher of a turn's errors. A store that fails for a
 * moment holds the turn up and does not end it, nor does it keep the turn from ending.
 */

import { AppError, errorOf, isAppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import { pause, within } from "../basics/within";
import type {
  Core,
  FinishReason,
  LiveTurn,
  Message,
  NumberedEvent,
  Thread,
  Turn,
  TurnEvent,
  TurnInfo,
  Usage,
  User,
} from "../protocols";
import { type AskingTurn, answerApproval, askApproval } from "./approvals";
import { endOfFailure, endOfReason, INTERRUPTED, lastEventOf, silenceOf, type TurnEnd } from "./ending";
import { createEventLog, type EventLog, isLast } from "./event-log";
import { type Lease, type Leases, releaseLease, takenOver } from "./lease";
import { endTurn, isOwned } from "./records";
import { awaitOtherEnd } from "./recover";
import { answerQuestions } from "./remote";
import { createReplyParts, markCut, type ReplyParts } from "./reply-parts";

// UTF-16 units and events, some million tokens: more than any model writes, and less than what a broken endpoint that
// never ends would fill memory and disk with.
export const LENGTH_MAX = 10_000_000;
export const TOO_LONG = "The reply grew longer than any reply should and was ended.";

export interface RunOptions {
  readonly core: Core;
  readonly user: User;
  readonly info: TurnInfo;
  /** As it was read when the turn began, with what the turn did to it since. */
  thread: Thread | null;
  readonly lease: Lease;
  readonly leases: Pick<Leases, "isAwake" | "wake">;
  /** Whether the server is about to end. */
  readonly isClosing: () => boolean;
}

/**
 * Why a turn ends before its processor is done: a person stopped it, the server ends, or another process has taken the turn
 * over, and then nothing more of it may be said or saved here.
 */
type CutCause = "stopped" | "interrupted" | "lost";

/** How the processor ended; `cut`: it was not waited for. */
type ProcessorEnd = FinishReason | "cut" | { readonly error: unknown };

/** All that is known of a turn while it runs. */
export interface RunningTurn extends RunOptions, AskingTurn {
  readonly log: EventLog;
  readonly parts: ReplyParts;
  /** Complete parts that are not in the thread yet. */
  unstored: Message[];
  /** What the turn has added to the thread. */
  readonly messages: Message[];
  /** The end of a step, while it is under way. */
  stepping: Promise<void> | null;
  isEnding: boolean;
  /** How it ended, once that is known. */
  end: TurnEnd | null;
  /** How many model calls have ended. */
  steps: number;
  /** The turn's record says so. */
  hasEnded: boolean;
  usage: Usage | null;
  cutCause: CutCause | null;
  readonly cut: (cause: CutCause) => void;
  /** Resolves when the turn has ended and its thread is free; never rejects. */
  ended: Promise<void>;
}

export function runTurn(options: RunOptions): RunningTurn {
  const { core, info, lease } = options;
  const controller = new AbortController();
  const cut = (cause: CutCause): void => {
    // A turn whose record says that it has ended cannot be lost any more, and its last event is still to be told.
    const isLost = cause === "lost" && !turn.hasEnded;
    if (isLost) turn.log.leave();
    turn.cutCause = isLost ? cause : (turn.cutCause ?? cause);
    controller.abort();
  };
  const turn: RunningTurn = {
    ...options,
    log: createEventLog(core, lease, { take: (events) => takeEvents(turn, events), lose: () => cut("lost") }),
    parts: createReplyParts(info),
    push: (event) => push(turn, event),
    unstored: [],
    messages: [],
    approvals: new Map(),
    stepping: null,
    isEnding: false,
    end: null,
    steps: 0,
    hasEnded: false,
    usage: null,
    cutCause: null,
    signal: controller.signal,
    cut,
    ended: Promise.resolve(),
  };
  core.counts.add("turns_running");
  turn.ended = run(turn)
    .catch((error) => core.log.error("A turn could not be ended", { turn: info.id, error }))
    .finally(() => core.counts.add("turns_running", -1));
  return turn;
}

/**
 * The turn as it is shown at this moment; null once its record says that it has ended. Parts on their way into the thread are told
 * too: they are there, or here, or for a moment in both.
 */
export function liveOf({ info, log, parts, unstored, hasEnded, cutCause }: RunningTurn): LiveTurn | null {
  if (hasEnded || cutCause === "lost") return null;
  return { ...info, seq: log.shownSeq(), parts: [...unstored, ...parts.list()], waiting: parts.waiting() };
}

/** Whether only the user's answers can bring the turn on: calls wait, and nothing else runs. */
export function isWaiting({ parts }: RunningTurn): boolean {
  const count = parts.waiting().length;
  return count > 0 && count === parts.missingResults().length;
}

async function run(turn: RunningTurn): Promise<void> {
  const { core, info, signal } = turn;
  let stopAnswering = () => {};
  const work = async (): Promise<ProcessorEnd> => {
    turn.push({ type: "start", threadId: info.threadId, turnId: info.id });
    stopAnswering = await answerQuestions(core, info.id, {
      stop() {
        turn.cut("stopped");
        return turn.ended;
      },
      approve: (callId, approve) => answerApproval(turn, callId, approve),
    });
    // A processor that does not look at the signal must not keep the turn from ending.
    return within(produce(turn), { signal }, () => "cut" as const);
  };
  try {
    await finish(turn, await work().catch((error) => ({ error })));
  } finally {
    stopAnswering();
  }
}

async function produce(turn: RunningTurn): Promise<FinishReason | "cut"> {
  const { leases, signal, log } = turn;
  const events = turn.core.messageProcessor.run(turnOf(turn));
  try {
    for (;;) {
      const next = await events.next();
      // The process may have stood still so long that another one has the turn: nothing more may be shown, nor a tool begun.
      if (!leases.isAwake()) await leases.wake(signal);
      if (signal.aborted) return "cut";
      if (next.done) return next.value;
      if (log.isFull()) await roomIn(turn);
      if (log.seq() > LENGTH_MAX) throw new AppError("upstream", TOO_LONG);
      if (next.value.type === "step") {
        turn.stepping = endStep(turn, next.value);
        await turn.stepping;
        turn.stepping = null;
      } else push(turn, next.value);
    }
  } finally {
    // The processor closes what it left open. Not waited for: one that hangs must not hold up the end.
    events.return("stop").catch(() => {});
  }
}

function turnOf(turn: RunningTurn): Turn {
  const { core, user, info, signal, messages } = turn;
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
      const say = () => {
        if (!signal.aborted && !turn.isEnding) push(turn, { type: "notice", text });
      };
      // After the mark of a step that is being stored: a recovery takes what comes before the mark for stored.
      if (turn.stepping) turn.stepping.then(say, say);
      else say();
    },
    approval: (call) => askApproval(turn, call),
  };
}

function push({ log }: RunningTurn, event: TurnEvent): void {
  // An empty text has no position of its own.
  if ((event.type === "text" || event.type === "thinking") && event.text === "") return;
  log.push(event);
}

/** What ends a step or the turn is done where it is pushed, once all before it is saved. */
function takeEvents({ parts }: RunningTurn, events: readonly NumberedEvent[]): void {
  for (const numbered of events) if (numbered.event.type !== "step" && !isLast(numbered)) parts.add(numbered);
}

/** A store that is slow, or fails for a while, holds up the model and not the server's memory. */
async function roomIn({ log, signal }: RunningTurn): Promise<void> {
  while (log.isFull() && !signal.aborted) {
    const saving = log.save().catch(() => pause(AGAIN_MS, signal));
    await within(saving, { signal }, () => {});
  }
}

/** The mark that the step has ended comes after its parts: without it a recovery adds them again, with the same ids. */
async function endStep(turn: RunningTurn, step: TurnEvent & { type: "step" }): Promise<void> {
  turn.steps++;
  await patiently(turn, () => completeParts(turn));
  turn.unstored.push(...turn.parts.take(step.model));
  await patiently(turn, () => addToThread(turn));
  turn.usage = sumUsage(turn.usage, step.usage);
  turn.log.push(step);
}

/** Every call has a result by then: on the wire as in the thread. May be called again. */
async function completeParts(turn: RunningTurn): Promise<void> {
  await turn.log.save();
  const missing = turn.parts.missingResults();
  for (const result of missing) push(turn, result);
  if (missing.length > 0) await turn.log.save();
}

const AGAIN_MS = 100;
// What passes by itself does so in this time; the end of the turn tries again for longer before a person is told.
const STEP_PAUSES_MS = [100, 300, 1000];

async function patiently(turn: RunningTurn, work: () => Promise<void>): Promise<void> {
  for (const pauseMs of STEP_PAUSES_MS) {
    try {
      return await work();
    } catch (error) {
      // The end of the turn saves it then, and tries again by itself.
      if (turn.signal.aborted) throw error;
      const fields = { turn: turn.info.id, error: errorOf(error) };
      turn.core.log.error("A step of a turn could not be saved; trying again", fields);
    }
    await pause(pauseMs, turn.signal);
  }
  await work();
}

/** Adds the unstored parts, whose events are saved already: after a crash in between a recovery adds them again, with the same ids. May be called again. */
async function addToThread(turn: RunningTurn): Promise<void> {
  const { core, user, info, lease, messages, unstored } = turn;
  if (!(await isOwned(core, lease))) {
    turn.cut("lost");
    throw takenOver();
  }
  for (let part = unstored[0]; part; part = unstored[0]) {
    const message = await core.thread.append(user.username, info.threadId, part, turn.thread ?? undefined);
    turn.thread &&= { ...turn.thread, headId: message.id, updated: message.timestamp };
    messages.push(message);
    unstored.shift();
  }
}

/** What two model calls used. Null when nothing is known of either; what only one of them tells counts as all. */
export function sumUsage(a: Usage | null, b: Usage | null): Usage | null {
  if (!a || !b) return a ?? b;
  const counted = COUNTED.filter((name) => (a[name] ?? b[name]) !== undefined);
  return Object.fromEntries(counted.map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)])) as unknown as Usage;
}

const COUNTED = ["inputTokens", "outputTokens", "cachedTokens", "reasoningTokens"] as const;

const UNSAVED = "The server could not save the end of this reply yet, and goes on trying. Its log says why.";

// A lock or a full disk that somebody is clearing passes in seconds. A person should not wait longer to be told.
const END_PAUSES_MS = [0, 100, 300, 1000, 3000];
const LATER_MS = 5000;

/** The end is tried again, followers are told, and the text is kept here until it is saved. */
async function finish(turn: RunningTurn, outcome: ProcessorEnd): Promise<void> {
  // A stop does not wait for the processor, but what goes into the thread goes there in order.
  await turn.stepping?.catch(() => {});
  turn.isEnding = true;
  if (turn.cutCause === "lost") return leave(turn);
  for (const pauseMs of END_PAUSES_MS) {
    await Bun.sleep(pauseMs);
    const kept = await keep(turn, outcome);
    if (kept === "lost") return leave(turn);
    if (kept) return turn.log.publishLast();
  }
  await turn.log.publishLast({ type: "error", message: UNSAVED });
  void keepLater(turn, outcome);
}

/** Order: text, then the turn's record, then the thread is free; followers hear of the end after that. */
async function keep(turn: RunningTurn, outcome: ProcessorEnd): Promise<boolean | "lost"> {
  const { core, info, lease } = turn;
  try {
    turn.end ??= await conclude(turn, outcome);
    if (turn.unstored.length > 0) await addToThread(turn);
    await turn.log.saveLast(lastEventOf(turn.end));
    if (!(await endTurn(core, lease, turn.end))) return "lost";
    turn.hasEnded = true;
    await releaseLease(core, lease);
    return true;
  } catch (error) {
    if (turn.cutCause === "lost") return "lost";
    core.log.error("The end of a turn could not be saved", { turn: info.id, error: errorOf(error) });
    return false;
  }
}

/** How the turn ended. All that it said is saved then, and its last parts wait for the thread. */
async function conclude(turn: RunningTurn, outcome: ProcessorEnd): Promise<TurnEnd> {
  await completeParts(turn);
  const end = endOf(turn, outcome);
  turn.core.counts.add(`turns_${end.status}`);
  const parts = [...turn.unstored, ...turn.parts.take(turn.info.model)];
  turn.unstored = end.status === "done" ? parts : markCut(parts, end.status);
  return end;
}

/** Followers have been told; the text is still here, and the thread is taken until it is saved. */
async function keepLater(turn: RunningTurn, outcome: ProcessorEnd): Promise<void> {
  const { core, user, info, isClosing } = turn;
  let kept: boolean | "lost";
  do {
    await Bun.sleep(LATER_MS);
    // A turn that is not saved by then is recovered at the next start, as after a crash.
    if (isClosing()) return;
    kept = await keep(turn, outcome);
  } while (!kept);
  await (kept === "lost" ? leave(turn) : turn.log.publishLast());
  await publishFact(core, userTopic(user.username), { type: "turn-ended", threadId: info.threadId, turnId: info.id });
}

/** Another process has taken the turn over: nothing more of it is written here. */
function leave({ core, lease, log, isClosing }: RunningTurn): Promise<void> {
  log.leave();
  return awaitOtherEnd(core, lease, isClosing);
}

function endOf(turn: RunningTurn, outcome: ProcessorEnd): TurnEnd {
  const { usage, cutCause } = turn;
  if (cutCause === "interrupted") return endOfFailure(INTERRUPTED.shutdown, usage);
  if (cutCause === "stopped" || outcome === "cut") return endOfReason("stopped", usage);
  if (typeof outcome !== "string") return endOfError(turn, outcome.error);
  const silence = silenceIn(turn, outcome);
  return silence ? endOfError(turn, silence) : endOfReason(outcome, usage);
}

/** A model that was asked and said nothing has failed, however well it ended. */
function silenceIn({ steps, messages, unstored, parts }: RunningTurn, reason: FinishReason): AppError | null {
  return steps === 0 ? null : silenceOf(reason, [...messages, ...unstored, ...parts.list()]);
}

function endOfError({ core, info, usage }: RunningTurn, error: unknown): TurnEnd {
  if (isAppError(error)) {
    core.log.warn("A turn failed", { turn: info.id, model: info.model, code: error.code });
    return endOfFailure(error.message, usage, error);
  }
  core.log.error("A turn failed by an error in the server", { turn: info.id, error: error as Error });
  return endOfFailure("Something went wrong in the server; its log says what. Try again.", usage, error);
}
