import { expect, test } from "bun:test";
import { pause, within } from "../../src/basics/within";

const late = () => {
  throw new Error("It took too long.");
};
const never = () => new Promise<never>(() => {});

test("gives what the work gives, or throws what it throws", async () => {
  expect(await within(Promise.resolve(1), { ms: 1000 }, late)).toBe(1);
  await expect(within(Promise.reject(new Error("broken")), { ms: 1000 }, late)).rejects.toThrow("broken");
});

test("ends by the clock, with what is said or given instead", async () => {
  await expect(within(never(), { ms: 5 }, late)).rejects.toThrow("It took too long.");
  expect(await within(never(), { ms: 5 }, () => null)).toBeNull();
});

test("ends by the signal, also one that has aborted before", async () => {
  const stop = new AbortController();
  const waiting = within(never(), { signal: stop.signal, ms: 60_000 }, () => "stopped");
  stop.abort();
  expect(await waiting).toBe("stopped");
  expect(await within(never(), { signal: stop.signal }, () => "stopped")).toBe("stopped");
});

test("a failure that comes too late is nobody's", async () => {
  const uncaught: unknown[] = [];
  const hear = (error: unknown) => uncaught.push(error);
  process.on("unhandledRejection", hear);
  const work = Promise.withResolvers<never>();
  expect(await within(work.promise, { ms: 1 }, () => "late")).toBe("late");
  work.reject(new Error("much later"));
  await Bun.sleep(5); // An unhandled rejection is told a tick later.
  process.off("unhandledRejection", hear);
  expect(uncaught).toEqual([]);
});

test("a pause is as long as it is told", async () => {
  const start = performance.now();
  await pause(30, new AbortController().signal);
  // Timers count whole milliseconds.
  expect(performance.now() - start).toBeGreaterThan(28);
});

test("a pause is over as soon as the signal aborts, and at once when it has", async () => {
  const stop = new AbortController();
  const start = performance.now();
  const waiting = pause(60_000, stop.signal);
  stop.abort();
  await waiting;
  await pause(60_000, stop.signal);
  expect(performance.now() - start).toBeLessThan(1000);
});
