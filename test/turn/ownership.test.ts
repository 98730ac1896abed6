import { expect, test } from "bun:test";
import type { Core } from "../../src/protocols";
import type { Claim } from "../../src/turn/claims";
import { createOwnership, type TurnKeeper } from "../../src/turn/ownership";
import { temporaryFolder } from "../support/temporary";
import { failingStore, startCore } from "../support/test-core";

const BEAT_MS = 20;
const CLAIM: Claim = { threadId: "thread", username: "ann", turnId: "turn", epoch: 0 };

function keeper(takeOver: TurnKeeper["takeOver"]): TurnKeeper {
  return { takeOver, running: () => [], lose: () => {} };
}

/** A process on another machine, of which nothing is known but its heartbeat. */
async function elsewhere(core: Core): Promise<void> {
  await core.store.add(null, "processes", { host: "elsewhere", pid: 1, heartbeat: 0 }, "far");
  const { threadId, username, turnId } = CLAIM;
  await core.store.add(null, "turn_claims", { username, turn_id: turnId, process_id: "far", epoch: 0 }, threadId);
}

test("a process elsewhere is dead after four of our beats without one of its own, and not before", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  await elsewhere(core);
  const ownership = createOwnership(core, BEAT_MS);
  const taken = Promise.withResolvers<Claim>();
  let heartbeat = 0;
  let isTaken = false;
  await ownership.start(
    keeper(async (claim) => {
      isTaken = true;
      taken.resolve(claim);
    }),
  );
  // It lives through many times the silence that would be its end, whatever its clock says.
  for (; heartbeat < 12; heartbeat++) {
    await core.store.update(null, "processes", "far", { heartbeat: -heartbeat });
    await Bun.sleep(BEAT_MS);
  }
  expect(isTaken).toBe(false);
  const silentMs = performance.now();
  expect(await taken.promise).toMatchObject({ ...CLAIM, epoch: 1 });
  expect(performance.now() - silentMs).toBeGreaterThan(2 * BEAT_MS);
  expect(await core.store.get(null, "processes", "far")).toBeNull();
  await ownership.stop();
});

test("a turn of a dead process is taken over by one of two that notice", async () => {
  const dataPath = temporaryFolder();
  const cores = [await startCore({ dataPath }), await startCore({ dataPath })] as const;
  await elsewhere(cores[0]);
  const taken: number[] = [];
  const owners = cores.map((core) => createOwnership(core, BEAT_MS));
  await Promise.all(owners.map((owner, n) => owner.start(keeper(async () => void taken.push(n)))));
  while ((await cores[0].store.find(null, "processes")).some(({ id }) => id === "far")) await Bun.sleep(BEAT_MS);
  // Beats after that find nothing more to take.
  await Bun.sleep(5 * BEAT_MS);
  expect(taken).toHaveLength(1);
  await Promise.all(owners.map((owner) => owner.stop()));
});

test("a process that others took a turn from learns so from its next beat, and keeps those that nobody took", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  const ownership = createOwnership(core, BEAT_MS);
  const kept: Claim = { ...CLAIM, threadId: "other thread", turnId: "other turn" };
  const all: string[] = [];
  expect([await ownership.claim(CLAIM), await ownership.claim(kept)]).toEqual([true, true]);
  await ownership.start({
    takeOver: async () => {},
    running: () => [CLAIM, kept],
    lose: (turnId) => void all.push(turnId),
  });
  expect(all).toEqual([]);
  await core.store.update(null, "turn_claims", CLAIM.threadId, { process_id: "far", epoch: 1 });
  await core.store.add(null, "processes", { host: "elsewhere", pid: 1, heartbeat: 0 }, "far");
  while (!all.includes(CLAIM.turnId)) await Bun.sleep(BEAT_MS);
  expect(new Set(all)).toEqual(new Set([CLAIM.turnId]));
  await ownership.stop();
});

test("a process that has not beaten for long is awake again after one more beat, or when nobody waits for it", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  const ownership = createOwnership(core, BEAT_MS);
  expect(ownership.isAwake()).toBe(true);
  while (ownership.isAwake()) await Bun.sleep(BEAT_MS);
  await ownership.wake(AbortSignal.abort());
  expect(ownership.isAwake()).toBe(false);
  await ownership.wake(new AbortController().signal);
  expect(ownership.isAwake()).toBe(true);
});

test("turns of a dead process are all ended, also when the store fails between two of them", async () => {
  let left = Number.POSITIVE_INFINITY;
  const failing = failingStore((store) => store === "turn_claims" && --left === 0);
  const core = await startCore({ dataPath: temporaryFolder(), plugins: [failing] });
  await elsewhere(core);
  const second = { username: "ann", turn_id: "second turn", process_id: "far", epoch: 0 };
  await core.store.add(null, "turn_claims", second, "second thread");
  await core.store.delete(null, "processes", "far");
  left = 2;
  const ownership = createOwnership(core, BEAT_MS);
  const ended = new Set<string>();
  const isEnding = async ({ turnId }: Claim) => void ended.add(turnId);
  await ownership.start(keeper(isEnding)).catch(() => ownership.start(keeper(isEnding)));
  while (ended.size < 2) await Bun.sleep(BEAT_MS);
  expect(left).toBeLessThan(0);
  await ownership.stop();
});
