/**
 * The turn engine, `core.turns`: starts, numbers, follows, stops and recovers turns. A turn runs here and nowhere else;
 * requests only start it, ask for it, or follow it.
 */

import { requireRoom } from "../basics/allowed";
import { AppError } from "../basics/errors";
import { within } from "../basics/within";
import type { Core, LiveTurn, TurnInfo, TurnRequest, Turns, User } from "../protocols";
import { answer } from "./answer";
import { approveCall } from "./approvals";
import { type Arrival, begin, type Engine, refuseWhenClosing, startOnce } from "./begin";
import { readEvents } from "./event-log";
import { createFollowers } from "./follow";
import { createLeases, declareLeases, findLease, leasedThreads } from "./lease";
import { createOverload } from "./overload";
import { checkParameters, chooseModel, planContinuation, planTurn } from "./plan";
import { declareTurnStores, listTurns, readTurn } from "./records";
import { recoverTurn, unfinishedParts } from "./recover";
import { askToStop, unreachable } from "./remote";
import { isWaiting, liveOf } from "./run";

export interface TurnEngine extends Turns {
  /** Declares the stores and takes over what dead processes left. */
  open(): Promise<void>;
}

/** How plugins change under a running server. */
export interface PluginExchange {
  /** Resolves when a turn that starts now may start. */
  ready(): Promise<void>;
  /** The core as it is now, for one turn. */
  pin: Engine["pin"];
}

export function createTurns(core: Core, { ready, pin }: PluginExchange): TurnEngine {
  const engine: Engine = {
    core,
    pin,
    leases: createLeases(core),
    overload: createOverload(core, () => engine.running.size > 0),
    running: new Map(),
    beginning: new Map(),
    starting: new Map(),
    arriving: new Map(),
    isClosing: false,
    hasWarned: false,
  };
  const followers = createFollowers(core, (turnId) => engine.running.get(turnId)?.log.shown() ?? null);
  return {
    async open() {
      await Promise.all([declareTurnStores(core), declareLeases(core)]);
      await engine.leases.start({
        takeOver: (lease) => recoverTurn(core, lease),
        running: () => [...engine.running.values()].map(({ lease }) => lease),
        lose: (turnId) => engine.running.get(turnId)?.cut("lost"),
      });
    },

    async start(user, request) {
      engine.overload.refuse();
      await ready();
      const bytes = Buffer.byteLength(request.content ?? "");
      return withRoom(engine, user, bytes, (room) => {
        return startOnce(engine, user, request, { room, start: (arrival) => start(engine, user, request, arrival) });
      });
    },

    async continue(user, turnId) {
      engine.overload.refuse();
      await ready();
      const plan = await planContinuation(core, user, turnId);
      await takeFromLimit(core, user);
      return withRoom(engine, user, 0, async (room) => {
        await room();
        return begin(engine, user, plan);
      });
    },

    get: (user, turnId) => readTurn(core, user.username, turnId),

    list: (user, threadId, parentIds) => listTurns(core, user.username, threadId, parentIds),

    running: (user) => leasedThreads(core, user.username),

    live: (user, threadId) => findLive(engine, user, threadId),

    async follow(user, turnId, after, signal) {
      const turn = await readTurn(core, user.username, turnId);
      return turn && followers.follow(user.username, turn, after, signal);
    },

    async listen(user, turnId, after, listener) {
      const turn = await readTurn(core, user.username, turnId);
      return turn && followers.listen(user.username, turn, after, listener);
    },

    approve: (user, turnId, callId, approve) => approveCall(core, user, turnId, callId, approve),

    async stop(user, turnId) {
      const turn = await readTurn(core, user.username, turnId);
      if (turn?.status === "running") await stopTurn(core, user, turnId);
      return turn !== null;
    },

    async answer(user, request, signal) {
      refuseWhenClosing(engine);
      engine.overload.refuse();
      checkParameters(request.parameters ?? {});
      await ready();
      await takeFromLimit(core, user);
      const model = await chooseModel(core, user, request.model, null, "default");
      return answer(pin, user, { ...request, model }, signal);
    },

    async shutdown(graceMs) {
      engine.isClosing = true;
      // A turn that was beginning is in `running` after this.
      await Promise.allSettled(engine.beginning.values());
      const ended = () => Promise.all([...engine.running.values()].map((turn) => turn.ended));
      const looking = setInterval(() => cutWaiting(engine), LOOK_MS);
      await within(ended(), { ms: graceMs }, () => {});
      clearInterval(looking);
      for (const turn of engine.running.values()) turn.cut("interrupted");
      await ended();
      await engine.leases.stop();
    },
  };
}

const LOOK_MS = 50; // While the server ends.

/** Ends the turns that wait for a user's approval, who may take hours: their calls have not run, and Continue asks for the approval again. */
function cutWaiting({ running }: Engine): void {
  for (const turn of running.values()) if (isWaiting(turn)) turn.cut("interrupted");
}

async function start(engine: Engine, user: User, request: TurnRequest, arrival: Arrival): Promise<TurnInfo> {
  const { core } = engine;
  await takeFromLimit(core, user);
  const plan = await planTurn(core, user, request, arrival.thread);
  if (arrival.refusal) throw arrival.refusal;
  return begin(engine, user, plan, arrival.turnId);
}

/**
 * Messages of one user that arrive at once are stored side by side. So the room that a message needs counts the bytes of the messages that
 * arrived before it and are not stored yet. `run` is given a function that throws when there is no room.
 */
async function withRoom<T>(
  { core, arriving }: Engine,
  { username }: User,
  bytes: number,
  run: (room: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const before = arriving.get(username) ?? 0;
  arriving.set(username, before + bytes);
  try {
    return await run(() => requireRoom(core, username, before + bytes));
  } finally {
    const left = (arriving.get(username) ?? 0) - bytes;
    if (left > 0) arriving.set(username, left);
    else arriving.delete(username);
  }
}

async function takeFromLimit(core: Core, user: User): Promise<void> {
  const rate = core.config.rateLimitMessage;
  if (!rate) return;
  const taken = await core.limit.take(`message:${user.username}`, rate.max, rate.windowS);
  if (taken.allowed) return;
  const { retryAfterS } = taken;
  throw new AppError("limited", `Too many messages. Try again in ${retryAfterS} seconds.`, {
    retryAfterS,
    reason: "manyMessages",
  });
}

async function stopTurn(core: Core, user: User, turnId: string): Promise<void> {
  if (await askToStop(core, turnId)) return;
  const turn = await readTurn(core, user.username, turnId);
  if (turn?.status === "running") throw unreachable();
}

async function findLive({ core, running, beginning }: Engine, user: User, threadId: string): Promise<LiveTurn | null> {
  const lease = await findLease(core, threadId);
  if (lease?.username !== user.username) return null;
  const ours = running.get(lease.turnId);
  if (ours) return liveOf(ours);
  // A turn that is not stored yet has said nothing.
  if (beginning.has(lease.turnId)) return null;
  const turn = await readTurn(core, user.username, lease.turnId);
  if (turn?.status !== "running") return null;
  const events = await readEvents(core, user.username, turn.id);
  const parts = unfinishedParts(turn, events);
  return { ...turn, seq: events.at(-1)?.seq ?? 0, parts: parts.list(), waiting: parts.waiting() };
}
