/** Needs the machine alone: it starts a server a round, and a busy machine takes its time. */

import { expect, test } from "bun:test";
import { runCrashes } from "./support/crash";

const ROUNDS = 25;
const LIMIT_MS = 240_000; // It takes about 40 s, and longer on a busy machine.

test(
  `a server killed ${ROUNDS} times at any moment loses no acknowledged message and nothing that was shown`,
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const outcome = await runCrashes({ rounds: ROUNDS, seed, print: () => {} });
    console.log(outcome.summary);
    expect(outcome.failures).toEqual([]);
  },
  LIMIT_MS,
);
