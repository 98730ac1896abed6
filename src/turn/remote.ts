/**
 * Questions over the bus to the process that runs a turn, another one or this: stop, and take the user's answer to a call.
 * A reply comes on a topic made for the question, so that ten thousand askers do not hear each other's.
 */

import { AppError } from "../basics/errors";
import { within } from "../basics/within";
import type { Core, JsonObject } from "../protocols";

// The owner of a turn answers within milliseconds. One that does not is dead or cut off, and the store is all that there is.
const ANSWER_MS = 2000;
const AGAIN_MS = 50; // A turn that began a moment ago may not hear yet what it is asked.

export interface RemoteAnswers {
  /** Resolves when the turn has ended. */
  stop(): Promise<void>;
  /** False when the call does not wait. */
  approve(callId: string, approve: boolean): Promise<boolean>;
}

type RemoteQuestion =
  | { readonly ask: "stop" }
  | { readonly ask: "approve"; readonly callId: string; readonly approve: boolean };

/** Answers for a running turn until the function returned is called. */
export async function answerQuestions(core: Core, turnId: string, answers: RemoteAnswers): Promise<() => void> {
  return core.bus.subscribe(topicOf(turnId), (message) => {
    const { replyTo, ...question } = message as unknown as RemoteQuestion & { replyTo: string };
    answer(answers, question).then(
      (isDone) => core.bus.publish(replyTo, { isDone }),
      (error) => core.log.error(`A running turn could not ${question.ask}`, { turn: turnId, error }),
    );
  });
}

async function answer(answers: RemoteAnswers, question: RemoteQuestion): Promise<boolean> {
  if (question.ask === "approve") return answers.approve(question.callId, question.approve);
  await answers.stop();
  return true;
}

/** Resolves true when the owner has ended the turn, false when nobody answered. */
export async function askToStop(core: Core, turnId: string): Promise<boolean> {
  return (await ask(core, turnId, { ask: "stop" })) !== null;
}

/** False when the call does not wait, null when nobody answered. */
export function askToApprove(core: Core, turnId: string, callId: string, approve: boolean): Promise<boolean | null> {
  return ask(core, turnId, { ask: "approve", callId, approve });
}

/** The owner's answer; null when nobody answered. */
async function ask(core: Core, turnId: string, question: RemoteQuestion): Promise<boolean | null> {
  const replyTo = `answer:${Bun.randomUUIDv7()}`;
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const unsubscribe = await core.bus.subscribe(replyTo, (reply) => resolve((reply as { isDone: boolean }).isDone));
  const publish = () => core.bus.publish(topicOf(turnId), { ...question, replyTo } satisfies JsonObject);
  // An answer of the user's is given once.
  const repeating = question.ask === "approve" ? undefined : setInterval(() => void publish().catch(reject), AGAIN_MS);
  try {
    await publish();
    return await within(promise, { ms: ANSWER_MS }, () => null);
  } finally {
    clearInterval(repeating);
    unsubscribe();
  }
}

/** What a person is told when nobody answered. */
export function unreachable(): AppError {
  const text = "The server that writes this reply does not answer. Try again in some seconds.";
  return new AppError("unavailable", text, { retryAfterS: 5 });
}

function topicOf(turnId: string): string {
  return `turn:${turnId}:ask`;
}
