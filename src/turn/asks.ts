/**
 * What others ask of the process that runs a turn, over the bus because it may be another one: save what you have, stop, and
 * take the user's answer to a call. An answer comes on a topic made for the question, so that ten thousand askers do not hear each other's.
 */

import { AppError } from "../basics/errors";
import type { Core, JsonObject } from "../protocols";

// An owner answers within milliseconds. One that does not is dead or cut off, and the store is all that there is.
const ANSWER_MS = 2000;
const AGAIN_MS = 50; // A turn that was claimed a moment ago may not hear yet that it is to stop.

export interface Answering {
  save(): Promise<void>;
  /** Resolves when the turn has ended. */
  stop(): Promise<void>;
  /** False when the call does not wait; all that was published before is then saved. */
  approve(callId: string, approve: boolean): Promise<boolean>;
}

/** Answers for a running turn until the function returned is called. */
export async function answerAsks(core: Core, turnId: string, answering: Answering): Promise<() => void> {
  return core.bus.subscribe(askTopic(turnId), (message) => {
    const { replyTo, ...asked } = message as unknown as Ask & { replyTo: string };
    answer(answering, asked).then(
      (isDone) => core.bus.publish(replyTo, { isDone }),
      (error) => core.log.error(`A running turn could not ${asked.ask}`, { turn: turnId, error }),
    );
  });
}

type Ask =
  | { readonly ask: "save" | "stop" }
  | { readonly ask: "approve"; readonly callId: string; readonly approve: boolean };

async function answer(answering: Answering, asked: Ask): Promise<boolean> {
  if (asked.ask === "approve") return answering.approve(asked.callId, asked.approve);
  await answering[asked.ask]();
  return true;
}

/** Resolves when the owner has saved all that it published before; also when nobody answers. */
export async function askToSave(core: Core, turnId: string): Promise<boolean> {
  return (await ask(core, turnId, { ask: "save" })) !== null;
}

/** Resolves true when the owner has ended the turn, false when nobody answered. */
export async function askToStop(core: Core, turnId: string): Promise<boolean> {
  return (await ask(core, turnId, { ask: "stop" })) !== null;
}

/** False when the call does not wait, null when nobody answered. */
export function askToApprove(core: Core, turnId: string, callId: string, approve: boolean): Promise<boolean | null> {
  return ask(core, turnId, { ask: "approve", callId, approve });
}

/** What the owner answered, or null. */
async function ask(core: Core, turnId: string, what: Ask): Promise<boolean | null> {
  const replyTo = `answer:${Bun.randomUUIDv7()}`;
  const { promise, resolve, reject } = Promise.withResolvers<boolean | null>();
  const unsubscribe = await core.bus.subscribe(replyTo, (reply) => resolve((reply as { isDone: boolean }).isDone));
  const timer = setTimeout(() => resolve(null), ANSWER_MS);
  const publish = () => core.bus.publish(askTopic(turnId), { ...what, replyTo } satisfies JsonObject);
  // Of the questions the one that may be asked twice.
  const repeating = what.ask === "stop" ? setInterval(() => void publish().catch(reject), AGAIN_MS) : undefined;
  try {
    await publish();
    return await promise;
  } finally {
    clearInterval(repeating);
    clearTimeout(timer);
    unsubscribe();
  }
}

/** What a person is told when nobody answered. */
export function unreachable(): AppError {
  const text = "The server that writes this reply does not answer. Try again in some seconds.";
  return new AppError("unavailable", text, { retryAfterS: 5 });
}

function askTopic(turnId: string): string {
  return `turn:${turnId}:ask`;
}
