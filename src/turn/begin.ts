/** Begins a turn: claims its thread, stores the question and lets it run. */

import { AppError } from "../errors";
import { publishFact, userTopic } from "../facts";
import type { Core, TurnInfo, User } from "../protocols";
import { type Claim, isHeld, releaseClaim } from "./claims";
import type { Ownership } from "./ownership";
import { recoverTurn } from "./recover";
import { type RunningTurn, runTurn } from "./run";
import { type Plan, titleFrom } from "./start";
import { storeTurn } from "./store-turn";

export const BUSY = "A reply is still being written in this thread. Stop it, or wait until it is complete.";
export const CLOSING = "The server is shutting down. Try again in a moment.";

/** What is running here. */
export interface Engine {
  readonly core: Core;
  /** The core for one turn, which stays as it is until it is released. */
  readonly pin: () => { readonly core: Core; release(): void };
  readonly ownership: Ownership;
  /** Turns of this process, by id. */
  readonly running: Map<string, RunningTurn>;
  /** Those that are claimed and stored at this moment. */
  readonly beginning: Set<Promise<unknown>>;
  isClosing: boolean;
  hasWarned: boolean;
}

export async function begin(engine: Engine, user: User, plan: Plan): Promise<TurnInfo> {
  if (engine.isClosing) throw new AppError("unavailable", CLOSING, { retryAfterS: 1, reason: "closing" });
  const beginning = claimAndRun(engine, user, plan);
  engine.beginning.add(beginning);
  return beginning.finally(() => engine.beginning.delete(beginning));
}

/** Claims the thread, stores the user's message and lets the turn run. Whatever fails before that frees the thread again. */
async function claimAndRun(engine: Engine, user: User, plan: Plan): Promise<TurnInfo> {
  const { core, ownership, running } = engine;
  const { username } = user;
  const { model, systemPrompt, parameters } = plan;
  const fields = { title: titleFrom(plan.content ?? ""), model, systemPrompt, parameters };
  const thread = plan.thread ?? (await core.thread.create(username, fields));
  const claim: Claim = { threadId: thread.id, username, turnId: Bun.randomUUIDv7(), epoch: 0 };
  const { threadId, turnId } = claim;
  if (!(await ownership.claim(claim))) throw new AppError("conflict", BUSY, { reason: "busy" });
  const info = await storeTurn(core, user, plan, claim).catch(async (error) => {
    await releaseClaim(core, claim).catch(() => ownership.abandon(claim));
    throw error;
  });
  // What cannot be read now is found out by the first save.
  if (!(await isHeld(core, claim).catch(() => true))) {
    // Taken from a process that stood still, by one that found no turn yet to end.
    await recoverTurn(core, claim).catch(() => ownership.abandon(claim));
    return info;
  }
  const pinned = engine.pin();
  const turn = runTurn({ core: pinned.core, user, info, claim, ownership, isClosing: () => engine.isClosing });
  running.set(turnId, turn);
  warnOfLimit(engine);
  void turn.ended.then(() => {
    running.delete(turnId);
    pinned.release();
    return publishFact(core, userTopic(username), { type: "turn-ended", threadId, turnId });
  });
  await publishFact(core, userTopic(username), { type: "turn-started", threadId, turnId });
  return info;
}

const NEAR = 0.8; // Of the requests that may be under way: tools make some too, and the owner should hear of it before.

/** Model calls beyond the limit wait without a word until others end, which looks like a slow model. */
function warnOfLimit(engine: Engine): void {
  const { core, running } = engine;
  const most = core.config.requestsMax;
  if (engine.hasWarned || running.size < NEAR * most) return;
  engine.hasWarned = true;
  const why = `${running.size} replies run at once, and Bun lets this process have ${most} requests under way; more will wait`;
  core.log.warn(`${why}. Set BUN_CONFIG_MAX_HTTP_REQUESTS=20000 before the start`);
}
