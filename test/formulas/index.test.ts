import { expect, test } from "bun:test";
import { createLog } from "../../src/basics/log";
import { formulasOfText } from "../../src/routes/reply/markup";
import { cpuMs } from "../support/cpu";

const aligned = (lines: number) =>
  `\\begin{aligned}${Array.from({ length: lines }, (_, n) => `a_{${n}} &= b_{${n}} + \\frac{1}{${n}}`).join(" \\\\ ")}\\end{aligned}`;

const logged: string[] = [];
const log = createLog("warn", (_level, line) => void logged.push(line));

/** Asks until it is there, as whoever renders does. */
async function drawn(source: string, isDisplay = true): Promise<string | null> {
  for (;;) {
    const formulas = formulasOfText(log);
    const found = formulas.find(source, isDisplay);
    if (found) return found.markup;
    await formulas.made();
  }
}

test("a Worker that cannot start leaves formulas as they were written, and is told of once until one can", async () => {
  const { Worker } = globalThis;
  globalThis.Worker = class extends Worker {
    constructor() {
      super("file:///there/is/no/worker.ts");
    }
  };
  try {
    expect(await Promise.all([drawn(aligned(30)), drawn(aligned(31))])).toEqual([null, null]);
  } finally {
    globalThis.Worker = Worker;
  }
  expect(logged).toEqual([expect.stringMatching(/ERROR Long formulas stay .*reason=.*ModuleNotFound/)]);
  expect(await drawn(aligned(32))).toContain("<math");
  expect(logged).toHaveLength(1);
});

test("a long formula is made elsewhere, and is there at the next look", async () => {
  const formulas = formulasOfText(log);
  const source = aligned(240);
  expect(source.length).toBeGreaterThan(7000);
  expect(cpuMs(() => formulas.find(source, true))).toBeLessThan(100);
  expect(formulas.find(source, true)).toBeNull();
  await formulas.made();
  expect(formulas.find(source, true)?.markup).toMatch(/^<math display="block"><semantics>.*<mtable/);
  expect(formulas.find(source, false)).toBeNull();
});

test("the loop goes on while it is made", async () => {
  let longestMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  }, 1);
  const begun = performance.now();
  for (let round = 0; round < 5; round++) await drawn(`${aligned(250)} + ${round}`);
  clearInterval(timer);
  expect(longestMs).toBeLessThan((performance.now() - begun) / 2);
});

test("what cannot be drawn is told, and what takes too long ends without harm to those behind it", async () => {
  // The square of its length: the whole of 10,000 characters takes many seconds.
  const endless = `\\ce{${"->[".repeat(3000)}}`;
  const [slow, broken, good] = [drawn(endless), drawn(`\\frac{${"1".repeat(600)}}`), drawn(`y${"+x".repeat(400)}`)];
  expect([await slow, await broken]).toEqual([null, null]);
  expect(await good).toContain("<math");
  // It is not begun again.
  expect(formulasOfText(log).find(endless, true)).toEqual({ markup: null });
}, 15_000);

test("whatever is asked for, nobody else waits for long", async () => {
  const nested = (open: string, close: string) =>
    open.repeat(9000 / (open.length + close.length)) + close.repeat(9000 / (open.length + close.length));
  const hostile = [
    nested("{", "}"),
    nested("\\sqrt{", "}"),
    nested("\\left(", "\\right)"),
    nested("\\begin{matrix}", "\\end{matrix}"),
    nested("\\text{$", "$}"),
    `\\begin{matrix}${"&".repeat(9000)}\\end{matrix}`,
    "x'''".repeat(2400),
    "\\sqrt".repeat(1900),
    `\\def\\a{\\a\\a}\\a${" ".repeat(600)}`,
    `\\ce{${"(".repeat(9000)}}`,
  ];
  const all = await Promise.all(hostile.map((source) => drawn(source)));
  expect(all.every((markup) => markup === null || markup.length <= 250_000)).toBe(true);
  expect(await drawn(`z${"+x".repeat(400)}`)).toContain("<math");
}, 30_000);
