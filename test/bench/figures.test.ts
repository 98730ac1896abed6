/** The benchmark's own arithmetic: what it says of a run is no better than this. */

import { expect, test } from "bun:test";
import { median, percentile, written } from "./figures";
import { parseCpuMs, readProcess } from "./process-figures";
import { createStampReader } from "./stamps";
import { isMet, type Row, ratioOf, toTable } from "./table";

test("the median is the middle of the values in order, or the mean of the middle two", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 9, 1, 2])).toBe(5.5);
  expect(median([])).toBeNull();
});

test("a percentile is the smallest value that so many are not above", () => {
  const values = Array.from({ length: 200 }, (_, n) => 200 - n);
  expect(percentile(values, 0.5)).toBe(100);
  expect(percentile(values, 0.99)).toBe(198);
  expect(percentile(values, 1)).toBe(200);
  expect(percentile([7], 0.01)).toBe(7);
  expect(percentile([], 0.5)).toBeNull();
});

test("figures are written with three digits that count", () => {
  expect([0, 0.12345, 12.345, 12_345, 99.96, 1].map(written)).toEqual(["0", "0.123", "12.3", "12,300", "100", "1"]);
});

const STREAM =
  'data: {"content":"1@1763841600000.5 2@1763841600001 "}\n\n17\r\ndata: {"content":"3@17638416\r\n00002 "}';

test("stamps are read alike wherever the bytes are cut; one that HTTP has cut counts as a token without a time", () => {
  const bytes = Buffer.from(STREAM);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const stamps = createStampReader();
    const times: number[] = [];
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) stamps.push(piece, (time) => times.push(time));
    expect(times).toEqual([1763841600000.5, 1763841600001, Number.NaN]);
  }
});

test("the CPU time of a process is found behind a name with brackets and spaces in it", () => {
  const stat = `42 (a) b (c) S 1 1 1 0 -1 0 10 11 12 13 250 75 6 7 20 0`;
  expect(parseCpuMs(stat)).toBe(3250);
});

test.skipIf(process.platform !== "linux")("a process that works and writes is seen to", async () => {
  const before = readProcess(process.pid);
  const used = process.cpuUsage();
  // By time of the CPU and not of the clock: on a busy machine the process may not get any for a while.
  for (let ms = 0; ms < 50; ms = process.cpuUsage(used).user / 1000) Math.sqrt(ms);
  await Bun.write("/dev/null", "x".repeat(5000));
  const after = readProcess(process.pid);
  expect(after.cpuMs - before.cpuMs).toBeGreaterThan(20);
  expect(after.writtenBytes - before.writtenBytes).toBeGreaterThanOrEqual(5000);
  expect(after.residentBytes).toBeGreaterThan(1e6);
});

test("a target is held against the figure or its ratio, and a figure that could not be had misses it", () => {
  const row: Row = { what: "a", unit: "ms", limit: 10, ours: 8 };
  expect(ratioOf(row)).toBe(0.8);
  expect(isMet(row)).toBeNull();
  expect(isMet({ ...row, target: { of: "ours", is: "at most", value: 8 } })).toBe(true);
  expect(isMet({ ...row, target: { of: "ratio", is: "at least", value: 0.9 } })).toBe(false);
  expect(isMet({ ...row, ours: null, target: { of: "ours", is: "at most", value: 8 } })).toBe(false);
  expect(toTable([row]).split("\n")[2]).toMatch(/^\| a +\| ms +\| +10 \| +8 \| +0\.80 \|/);
});
