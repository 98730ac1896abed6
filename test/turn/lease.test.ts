import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { PEER_LEFT } from "../../src/basics/facts";
import type { Core } from "../../src/protocols";
import { createLeases, type Lease, type LeaseKeeper, releaseLease } from "../../src/turn/lease";
import { atEnd } from "../support/at-end";
import { temporaryFolder } from "../support/temporary";
import { failingStore, startCore } from "../support/test-core";
import { until } from "../support/until";

const BEAT_MS = 20;
const LEASE: Lease = { threadId: "thread", username: "ann", turnId: "turn", epoch: 0 };

function keeper(takeOver: LeaseKeeper["takeOver"]): LeaseKeeper {
  return { takeOver, running: () => [], lose: () => {} };
}

/** A process on another machine, of which nothing is known but its heartbeat. */
async function elsewhere(core: Core): Promise<void> {
  await core.store.add(null, "processes", { host: "elsewhere", pid: 1, heartbeat: 0 }, "far");
  const { threadId, username, turnId } = LEASE;
  await core.store.add(null, "turn_claims", { username, turn_id: turnId, process_id: "far", epoch: 0 }, threadId);
}

test("a process elsewhere is dead after four of our beats without one of its own, and not before", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  await elsewhere(core);
  const leases = createLeases(core, BEAT_MS);
  const taken = Promise.withResolvers<Lease>();
  let heartbeat = 0;
  let isTaken = false;
  await leases.start(
    keeper(async (lease) => {
      isTaken = true;
      taken.resolve(lease);
    }),
  );
  // It lives through many times the silence that would be its end, whatever its clock says.
  for (; heartbeat < 12; heartbeat++) {
    await core.store.update(null, "processes", "far", { heartbeat: -heartbeat });
    await Bun.sleep(BEAT_MS);
  }
  expect(isTaken).toBe(false);
  const silentMs = performance.now();
  expect(await taken.promise).toMatchObject({ ...LEASE, epoch: 1 });
  expect(performance.now() - silentMs).toBeGreaterThan(2 * BEAT_MS);
  expect(await core.store.get(null, "processes", "far")).toBeNull();
  await leases.stop();
});

test("looking around because another process is gone makes nobody else dead", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  await elsewhere(core);
  const processes = () => core.store.find(null, "processes");
  const taken: string[] = [];
  const leases = createLeases(core, 60_000);
  await leases.start(keeper(async ({ turnId }) => void taken.push(turnId)));
  for (let n = 0; n < 8; n++) {
    const isOf = ({ id }: { id: string }) => id === `gone ${n}`;
    await core.store.add(null, "processes", { host: hostname(), pid: 2 ** 22 + 1, heartbeat: 0 }, `gone ${n}`);
    await core.bus.publish(PEER_LEFT, null);
    await until(async () => !(await processes()).some(isOf));
  }
  expect(taken).toEqual([]);
  expect((await processes()).map(({ id }) => id)).toContain("far");
  await leases.stop();
});

test("a turn of a dead process is taken over by one of two that notice", async () => {
  const dataPath = temporaryFolder();
  const cores = [await startCore({ dataPath }), await startCore({ dataPath })] as const;
  await elsewhere(cores[0]);
  const taken: number[] = [];
  const owners = cores.map((core) => createLeases(core, BEAT_MS));
  await Promise.all(owners.map((owner, n) => owner.start(keeper(async () => void taken.push(n)))));
  await until(async () => {
    return !(await cores[0].store.find(null, "processes")).some(({ id }) => id === "far");
  });
  // Beats after that find nothing more to take.
  await Bun.sleep(5 * BEAT_MS);
  expect(taken).toHaveLength(1);
  await Promise.all(owners.map((owner) => owner.stop()));
});

test("a process that others took a turn from learns so from its next beat, and keeps those that nobody took", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  const leases = createLeases(core, BEAT_MS);
  const kept: Lease = { ...LEASE, threadId: "other thread", turnId: "other turn" };
  const all: string[] = [];
  expect([await leases.take(LEASE), await leases.take(kept)]).toEqual([true, true]);
  await leases.start({
    takeOver: async () => {},
    running: () => [LEASE, kept],
    lose: (turnId) => void all.push(turnId),
  });
  expect(all).toEqual([]);
  await core.store.update(null, "turn_claims", LEASE.threadId, { process_id: "far", epoch: 1 });
  await core.store.add(null, "processes", { host: "elsewhere", pid: 1, heartbeat: 0 }, "far");
  await until(() => all.includes(LEASE.turnId));
  expect(new Set(all)).toEqual(new Set([LEASE.turnId]));
  await leases.stop();
});

test("a process that has not beaten for long is awake again after one more beat, or when nobody waits for it", async () => {
  const core = await startCore({ dataPath: temporaryFolder() });
  const leases = createLeases(core, BEAT_MS);
  expect(leases.isAwake()).toBe(true);
  await until(() => !leases.isAwake());
  await leases.wake(AbortSignal.abort());
  expect(leases.isAwake()).toBe(false);
  await leases.wake(new AbortController().signal);
  expect(leases.isAwake()).toBe(true);
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
  const leases = createLeases(core, BEAT_MS);
  const ended = new Set<string>();
  const isEnding = async ({ turnId }: Lease) => void ended.add(turnId);
  await leases.start(keeper(isEnding)).catch(() => leases.start(keeper(isEnding)));
  await until(() => ended.size === 2);
  expect(left).toBeLessThan(0);
  await leases.stop();
});

describe("a process of this machine", () => {
  /** A shell that starts a child, says its pid, and never asks how it ended. */
  const shell = Bun.spawn(["sh", "-c", "sleep 0 & echo $!; exec sleep 60"], { stdout: "pipe", stdin: "ignore" });
  atEnd(() => shell.kill("SIGKILL"));
  const started = (pid: number) => {
    const ticks = readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")[19];
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()} ${ticks}`;
  };
  const hasProc = existsSync("/proc/self/stat");
  if (!hasProc) console.log("There is no /proc here: states and start times of processes are not tested.");

  /** Whether a thread is free at once that a process of these fields left, long before its silence would tell. */
  const isFree = async (process: { pid: number; started: string | null }): Promise<boolean> => {
    const core = await startCore({ dataPath: temporaryFolder() });
    const leases = createLeases(core, 60_000);
    const ended: string[] = [];
    await leases.start(
      keeper(async (lease) => {
        ended.push(lease.turnId);
        await releaseLease(core, lease);
      }),
    );
    await core.store.add(null, "processes", { host: hostname(), heartbeat: 0, ...process }, "near");
    const { threadId, username, turnId } = LEASE;
    await core.store.add(null, "turn_claims", { username, turn_id: turnId, process_id: "near", epoch: 0 }, threadId);
    const isTaken = await leases.take({ ...LEASE, turnId: "next" });
    expect(ended).toEqual(isTaken ? [turnId] : []);
    await leases.stop();
    return isTaken;
  };

  test.skipIf(!hasProc)("is dead as a zombie, and when its pid is another's by now; it lives otherwise", async () => {
    const { value } = await shell.stdout.getReader().read();
    const zombie = Number(new TextDecoder().decode(value));
    await until(() => readFileSync(`/proc/${zombie}/stat`, "latin1").includes(") Z "));
    expect(() => process.kill(zombie, 0)).not.toThrow();
    const living = started(shell.pid);
    expect(await isFree({ pid: zombie, started: started(zombie) })).toBe(true);
    expect(await isFree({ pid: zombie, started: null })).toBe(true);
    expect(await isFree({ pid: shell.pid, started: living.replace(/\d+$/, "1") })).toBe(true);
    expect(await isFree({ pid: shell.pid, started: living.replace(/^\S+/, "another-boot") })).toBe(true);
    expect(await isFree({ pid: shell.pid, started: living })).toBe(false);
    // Of a version that kept no start time.
    expect(await isFree({ pid: shell.pid, started: null })).toBe(false);
  });

  test.skipIf(!hasProc)("is known by its start, which it says of itself", async () => {
    const core = await startCore({ dataPath: temporaryFolder() });
    const [record] = await core.store.find(null, "processes");
    expect(record).toMatchObject({ host: hostname(), pid: process.pid, started: started(process.pid) });
  });
});
