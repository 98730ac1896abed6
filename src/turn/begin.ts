/** Begins a turn: claims its thread, stores the question and lets it run. */

import { AppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import type { Core, TurnInfo, User } from "../protocols";
import { askToStop } from "./asks";
import { type Claim, findClaim, isHeld, releaseClaim } from "./claims";
import type { Ownership } from "./ownership";
import { recoverTurn } from "./recover";
import { type RunningTurn, runTurn } from "./run";
import { type Plan, titleFrom } from "./start";
import { storeTurn } from "./store-turn";

export const BUSY = "A reply is still being written in this thread. Stop it, or wait until it is complete.";
const CLOSING = "The server is shutting down. Try again in a moment.";

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
  /** Bytes of the messages that are being checked and stored, by user. */
  readonly arriving: Map<string, number>;
  isClosing: boolean;
  hasWarned: boolean;
}

export async function begin(engine: Engine, user: User, plan: Plan, turnId = Bun.randomUUIDv7()): Promise<TurnInfo> {
  refuseWhenClosing(engine);
  const beginning = claimAndRun(engine, user, plan, turnId);
  engine.beginning.add(beginning);
  return beginning.finally(() => engine.beginning.delete(beginning));
}

/** Throws AppError("unavailable") when the server is shutting down. */
export function refuseWhenClosing({ isClosing }: Engine): void {
  if (isClosing) throw new AppError("unavailable", CLOSING, { retryAfterS: 1, reason: "closing" });
}

/** Claims the thread, stores the user's message and lets the turn run. Whatever fails before that frees the thread again. */
async function claimAndRun(engine: Engine, user: User, plan: Plan, turnId: string): Promise<TurnInfo> {
  const { core, ownership, running } = engine;
  const { username } = user;
  const { model, systemPrompt, parameters } = plan;
  const fields = { title: titleFrom(plan.content ?? ""), model, systemPrompt, parameters };
  const thread = plan.thread ?? (await core.thread.create(username, fields));
  const claim: Claim = { threadId: thread.id, username, turnId, epoch: 0 };
  const { threadId } = claim;
  if (!(await claimThread(engine, claim, plan))) throw new AppError("conflict", BUSY, { reason: "busy" });
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

const STOPPING_MS = 5000; // Longer than many who stop one another need; a process that does not answer is given up then.

/** False when a turn runs in the thread. Of several that stop what runs at the same moment, each stops the one before it. */
async function claimThread(engine: Engine, claim: Claim, { stopRunning }: Plan): Promise<boolean> {
  const { core, ownership } = engine;
  const begun = performance.now();
  for (;;) {
    if (await ownership.claim(claim)) return true;
    if (!stopRunning || performance.now() - begun > STOPPING_MS) return false;
    // A reply is not stopped for one that is refused then.
    refuseWhenClosing(engine);
    const running = await findClaim(core, claim.threadId);
    if (running) await askToStop(core, running.turnId);
  }
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
