/**
 * What others ask of the process that runs a turn, over the bus because it may be another one: save what you have, and
 * stop. An answer comes on a topic made for the question, so that ten thousand askers do not hear each other's.
 */

import type { Core, JsonObject } from "../protocols";

// An owner answers within milliseconds. One that does not is dead or cut off, and the store is all that there is.
const ANSWER_MS = 2000;

export interface Answering {
  save(): Promise<void>;
  /** Resolves when the turn has ended. */
  stop(): Promise<void>;
}

/** Answers for a running turn until the function returned is called. */
export async function answerAsks(core: Core, turnId: string, answering: Answering): Promise<() => void> {
  return core.bus.subscribe(askTopic(turnId), (message) => {
    const { ask, replyTo } = message as { ask: "save" | "stop"; replyTo: string };
    answering[ask]().then(
      () => core.bus.publish(replyTo, {}),
      (error) => core.log.error(`A running turn could not ${ask}`, { turn: turnId, error }),
    );
  });
}

/** Resolves when the owner has saved all that it published before; also when nobody answers. */
export function askToSave(core: Core, turnId: string): Promise<boolean> {
  return ask(core, turnId, "save");
}

/** Resolves true when the owner has ended the turn, false when nobody answered. */
export function askToStop(core: Core, turnId: string): Promise<boolean> {
  return ask(core, turnId, "stop");
}

async function ask(core: Core, turnId: string, what: keyof Answering): Promise<boolean> {
  const replyTo = `answer:${Bun.randomUUIDv7()}`;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const unsubscribe = await core.bus.subscribe(replyTo, () => resolve(true));
  const timer = setTimeout(() => resolve(false), ANSWER_MS);
  try {
    await core.bus.publish(askTopic(turnId), { ask: what, replyTo } satisfies JsonObject);
    return await promise;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

function askTopic(turnId: string): string {
  return `turn:${turnId}:ask`;
}
