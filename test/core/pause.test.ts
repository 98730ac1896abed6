import { expect, test } from "bun:test";
import { pause } from "../../src/basics/pause";

test("waits as long as it is told", async () => {
  const start = performance.now();
  await pause(30, new AbortController().signal);
  // Timers count whole milliseconds.
  expect(performance.now() - start).toBeGreaterThan(28);
});

test("is over as soon as the signal aborts, and at once when it has", async () => {
  const stop = new AbortController();
  const start = performance.now();
  const waiting = pause(60_000, stop.signal);
  stop.abort();
  await waiting;
  await pause(60_000, stop.signal);
  expect(performance.now() - start).toBeLessThan(1000);
});
