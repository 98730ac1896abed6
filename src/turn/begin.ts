/**
 * Begins a turn: takes the lease of its thread, stores the question and lets it run. A sender who got no answer sends again, and must
 * not be answered twice: a send that bears a key gets a turn whose id is made of it, so that the turns themselves tell, also after a
 * restart, which keys were there already.
 */

import { AppError } from "../basics/errors";
import { publishFact, userTopic } from "../basics/facts";
import { share } from "../basics/once";
import type { Core, FileInfo, NewMessage, Thread, TurnInfo, TurnRequest, User } from "../protocols";
import { findLease, isHeld, type Lease, type Leases, releaseLease } from "./lease";
import type { Overload } from "./overload";
import { busy, type Plan, titleFrom } from "./plan";
import { addTurn, readTurn, removeTurn } from "./records";
import { recoverTurn } from "./recover";
import { askToStop } from "./remote";
import { type RunningTurn, runTurn } from "./run";

const CLOSING = "The server is shutting down. Try again in a moment.";

/** The turn engine of one server. */
export interface Engine {
  readonly core: Core;
  /** The core for one turn, which stays as it is until it is released. */
  readonly pin: () => { readonly core: Core; release(): void };
  readonly leases: Leases;
  readonly overload: Overload;
  /** Turns of this process, by id. */
  readonly running: Map<string, RunningTurn>;
  /** Turns that are being stored at this moment, by id: they have said nothing, and nobody answers for them yet. */
  readonly beginning: Map<string, Promise<TurnInfo>>;
  /** Turns that a send with a key starts at this moment, by id. */
  readonly starting: Map<string, Promise<TurnInfo>>;
  /** Bytes of the messages that are being checked and stored, by user. */
  readonly arriving: Map<string, number>;
  isClosing: boolean;
  hasWarned: boolean;
}

/** What is known when a request comes: all of it is asked of the store at once. */
export interface Arrival {
  readonly turnId: string;
  /** Null = the request names none, or one that the user does not have. */
  readonly thread: Thread | null;
  /** Why there is no room for the message; null = there is. */
  readonly refusal: unknown;
}

/** Starts the turn, or gives the one that the same request started before. */
export async function startOnce(
  engine: Engine,
  user: User,
  request: TurnRequest,
  { room, start }: { room: () => Promise<void>; start: (arrival: Arrival) => Promise<TurnInfo> },
): Promise<TurnInfo> {
  const { core, starting } = engine;
  const { key, threadId } = request;
  // Other users may use the same keys.
  const turnId = key === undefined ? Bun.randomUUIDv7() : Bun.randomUUIDv5(JSON.stringify([user.username, key]), "oid");
  // A start that failed left no turn.
  const begun = await starting.get(turnId)?.catch(() => null);
  const [before, thread, refusal] = await Promise.all([
    begun ?? (key === undefined ? null : readTurn(core, user.username, turnId)),
    threadId === undefined ? null : core.thread.get(user.username, threadId),
    room().then(
      () => null,
      (error: unknown) => error,
    ),
  ]);
  const arrival = { turnId, thread, refusal };
  if (before)
    return (await isSame(core, user, before, request)) ? before : start({ ...arrival, turnId: Bun.randomUUIDv7() });
  // Another send with the key began while this one read.
  if (starting.has(turnId)) return startOnce(engine, user, request, { room, start });
  return share(starting, turnId, () => start(arrival));
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
  return share(engine.beginning, turnId, () => leaseAndRun(engine, user, plan, turnId));
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
  const made = plan.thread ? null : await core.thread.create(username, fields);
  const threadId = plan.thread?.id ?? made?.id ?? "";
  const lease: Lease = { threadId, username, turnId, epoch: 0 };
  if (!(await leaseThread(engine, lease, plan))) throw busy();
  const { info, thread, isOurs } = await storeTurn(core, plan, lease, made).catch(async (error) => {
    await removeTurn(core, lease)
      .then(() => releaseLease(core, lease))
      .catch(() => leases.abandon(lease));
    throw error;
  });
  if (!isOurs) {
    // This process stood still, and another one took the lease over before there was a turn to end.
    await recoverTurn(core, lease).catch(() => leases.abandon(lease));
    return info;
  }
  const pinned = engine.pin();
  const turn = runTurn({ core: pinned.core, user, info, thread, lease, leases, isClosing: () => engine.isClosing });
  running.set(turnId, turn);
  engine.overload.watch();
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

/**
 * Stores the question and the turn, side by side: a recovery that finds a turn without its question forgets it. `made` is the thread
 * when it was made for this turn. `isOurs`: no other process had taken the lease over when the turn was there.
 */
async function storeTurn(core: Core, plan: Plan, lease: Lease, made: Thread | null) {
  const { username, threadId, turnId: id } = lease;
  // Read only now that the thread is taken: the turn before this one may just have moved the head.
  const thread = made ?? (await core.thread.get(username, threadId));
  const asked = (plan.parentId === undefined ? thread?.headId : plan.parentId) ?? null;
  const isAnsweredAgain = plan.content === null && asked !== null;
  const parentId = isAnsweredAgain ? asked : Bun.randomUUIDv7();
  const info: TurnInfo = {
    id,
    threadId,
    parentId,
    status: "running",
    ...plan.settings,
    started: new Date().toISOString(),
    error: null,
    usage: null,
  };
  const question = isAnsweredAgain ? null : questionOf(plan, info, asked);
  const [stored, added] = await Promise.allSettled([
    showQuestion(core, plan, lease, { thread, parentId, question }),
    // What cannot be read now is found out by the first save.
    addTurn(core, username, info).then(() => isHeld(core, lease).catch(() => true)),
  ]);
  if (stored.status === "rejected") throw stored.reason;
  if (added.status === "rejected") throw added.reason;
  return { info, thread: stored.value, isOurs: added.value };
}

function questionOf(
  { content, files }: Plan,
  { id: turnId, parentId: id }: TurnInfo,
  parentId: string | null,
): NewMessage {
  const text = { role: "user", type: "text", content: content ?? "" } as const;
  return { id, parentId, ...text, turnId, step: 0, ...(files.length > 0 && { files }) };
}

interface Question {
  readonly thread: Thread | null;
  /** Of the message that is answered. */
  readonly parentId: string;
  /** That message when it is to be stored; null = it is there. */
  readonly question: NewMessage | null;
}

/** Stores it, and makes the thread show it with what the turn is called with. Gives the thread as it is then; null = there is none. */
async function showQuestion(
  core: Core,
  plan: Plan,
  { username, threadId }: Lease,
  { thread, parentId, question }: Question,
): Promise<Thread | null> {
  const { timestamp } = question ? await core.thread.append(username, threadId, question, thread ?? undefined) : {};
  if (thread && isAsPlanned(thread, plan, parentId))
    return { ...thread, headId: parentId, updated: timestamp ?? thread.updated };
  return core.thread.update(username, threadId, {
    ...plan.settings,
    headId: parentId,
    // A thread in the archive is in no list and found by no search.
    ...(thread?.archived && { archived: false }),
  });
}

/** Whether the thread's settings and head need no update for this plan, as in most turns: storing the user's message has moved the head. */
function isAsPlanned(thread: Thread, { settings, content }: Plan, parentId: string): boolean {
  const { model, systemPrompt, parameters, archived, headId } = thread;
  const isSame = Bun.deepEquals({ model, systemPrompt, parameters }, settings);
  return isSame && !archived && (headId === parentId || content !== null);
}
