/**
 * Begins a turn: takes the lease of its thread, stores the question and lets it run. A sender who got no answer sends again, and must
 * not be answered twice: a send that bears a key gets a turn whose id is made of it, so that the turns themselves tell, also after a
 * restart, which keys were there already.
 */

import { AppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import { share } from "../basics/once";
import type { Core, FileInfo, Thread, TurnInfo, TurnRequest, User } from "../protocols";
import { findLease, isHeld, type Lease, type Leases, releaseLease } from "./lease";
import { busy, type Plan, titleFrom } from "./plan";
import { addTurn, readTurn } from "./records";
import { recoverTurn } from "./recover";
import { stopRemotely } from "./remote";
import { type RunningTurn, runTurn } from "./run";

const CLOSING = "The server is shutting down. Try again in a moment.";

/** The turn engine of one server. */
export interface Engine {
  readonly core: Core;
  /** The core for one turn, which stays as it is until it is released. */
  readonly pin: () => { readonly core: Core; release(): void };
  readonly leases: Leases;
  /** Turns of this process, by id. */
  readonly running: Map<string, RunningTurn>;
  /** Turns that are being stored at this moment. */
  readonly beginning: Set<Promise<unknown>>;
  /** Turns that a send with a key starts at this moment, by id. */
  readonly starting: Map<string, Promise<TurnInfo>>;
  /** Bytes of the messages that are being checked and stored, by user. */
  readonly arriving: Map<string, number>;
  isClosing: boolean;
  hasWarned: boolean;
}

/** Starts the turn, or gives the one that the same request started before. `start` is given the turn's id. */
export async function startOnce(
  engine: Engine,
  user: User,
  request: TurnRequest,
  start: (turnId: string) => Promise<TurnInfo>,
): Promise<TurnInfo> {
  const { core, starting } = engine;
  if (request.key === undefined) return start(Bun.randomUUIDv7());
  // Other users may use the same keys.
  const turnId = Bun.randomUUIDv5(JSON.stringify([user.username, request.key]), "oid");
  // A start that failed left no turn.
  const before = (await starting.get(turnId)?.catch(() => null)) ?? (await readTurn(core, user.username, turnId));
  if (before) return (await isSame(core, user, before, request)) ? before : start(Bun.randomUUIDv7());
  // Another send with the key began while this one read.
  if (starting.has(turnId)) return startOnce(engine, user, request, start);
  return share(starting, turnId, () => start(turnId));
}

/** Whether the turn was started by the same request: a form that was filled in anew may still bear its earlier key. */
async function isSame(core: Core, user: User, turn: TurnInfo, request: TurnRequest): Promise<boolean> {
  const { content, threadId, parentId } = request;
  if (threadId !== undefined && threadId !== turn.threadId) return false;
  if (content === null) return parentId === turn.parentId;
  const [question] = await core.thread.messages(user.username, turn.threadId, { head: turn.parentId, limit: 1 });
  return question?.content === content && sums(question.files).join() === sums(request.files).join();
}

/** Files are compared by their bytes: a file that is uploaded again has another id. */
function sums(files: readonly FileInfo[] = []): string[] {
  return files.map(({ sha256 }) => sha256);
}

export async function begin(engine: Engine, user: User, plan: Plan, turnId = Bun.randomUUIDv7()): Promise<TurnInfo> {
  refuseWhenClosing(engine);
  const beginning = leaseAndRun(engine, user, plan, turnId);
  engine.beginning.add(beginning);
  return beginning.finally(() => engine.beginning.delete(beginning));
}

/** Throws AppError("unavailable") when the server is shutting down. */
export function refuseWhenClosing({ isClosing }: Engine): void {
  if (isClosing) throw new AppError("unavailable", CLOSING, { retryAfterS: 1, reason: "closing" });
}

/** Takes the thread's lease, stores the user's message and lets the turn run. Whatever fails before that frees the thread again. */
async function leaseAndRun(engine: Engine, user: User, plan: Plan, turnId: string): Promise<TurnInfo> {
  const { core, leases, running } = engine;
  const { username } = user;
  const fields = { title: titleFrom(plan.content ?? ""), ...plan.settings };
  const { id: threadId } = plan.thread ?? (await core.thread.create(username, fields));
  const lease: Lease = { threadId, username, turnId, epoch: 0 };
  if (!(await leaseThread(engine, lease, plan))) throw busy();
  const info = await storeTurn(core, plan, lease).catch(async (error) => {
    await releaseLease(core, lease).catch(() => leases.abandon(lease));
    throw error;
  });
  // What cannot be read now is found out by the first save.
  if (!(await isHeld(core, lease).catch(() => true))) {
    // This process stood still, and another one took the lease over before there was a turn to end.
    await recoverTurn(core, lease).catch(() => leases.abandon(lease));
    return info;
  }
  const pinned = engine.pin();
  const turn = runTurn({ core: pinned.core, user, info, lease, leases, isClosing: () => engine.isClosing });
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

const STOPPING_MS = 5000; // Longer than many sends that stop one another need; a process that does not answer is given up then.

/** False when a turn runs in the thread. Of several turns that begin by stopping what runs, each stops the one before it. */
async function leaseThread(engine: Engine, lease: Lease, { stopRunning }: Plan): Promise<boolean> {
  const { core, leases } = engine;
  const begun = performance.now();
  for (;;) {
    if (await leases.take(lease)) return true;
    if (!stopRunning || performance.now() - begun > STOPPING_MS) return false;
    // No reply is stopped for a turn that is refused then.
    refuseWhenClosing(engine);
    const running = await findLease(core, lease.threadId);
    if (running) await stopRemotely(core, running.turnId);
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

async function storeTurn(core: Core, plan: Plan, lease: Lease): Promise<TurnInfo> {
  const { username, threadId, turnId: id } = lease;
  // Read only now that the thread is taken: the turn before this one may just have moved the head.
  const thread = await core.thread.get(username, threadId);
  const parentId = await storeQuestion(core, plan, thread, lease);
  const started = new Date().toISOString();
  const info: TurnInfo = {
    id,
    threadId,
    parentId,
    status: "running",
    ...plan.settings,
    started,
    error: null,
    usage: null,
  };
  if (!thread || !isAsPlanned(thread, plan, parentId))
    await core.thread.update(username, threadId, {
      ...plan.settings,
      headId: parentId,
      // A thread in the archive is in no list and found by no search.
      ...(thread?.archived && { archived: false }),
    });
  // Last: a follower that finds the turn asks its process for what it said so far, which answers as soon as the turn runs.
  await addTurn(core, username, info);
  return info;
}

/** Id of the message that is answered: the user's, stored now, or one that is there already. */
async function storeQuestion(
  core: Core,
  { content, files, parentId: asked }: Plan,
  thread: Thread | null,
  { username, threadId, turnId }: Lease,
): Promise<string> {
  const parentId = (asked === undefined ? thread?.headId : asked) ?? null;
  if (content === null && parentId !== null) return parentId;
  const message = await core.thread.append(username, threadId, {
    parentId,
    role: "user",
    type: "text",
    content: content ?? "",
    turnId,
    step: 0,
    ...(files.length > 0 && { files }),
  });
  return message.id;
}

/** Whether the thread says all that already: in most turns nothing is changed, and a question that was stored now is the head. */
function isAsPlanned(thread: Thread, { settings, content }: Plan, parentId: string): boolean {
  const { model, systemPrompt, parameters, archived, headId } = thread;
  const isSame = Bun.deepEquals({ model, systemPrompt, parameters }, settings);
  return isSame && !archived && (headId === parentId || content !== null);
}
