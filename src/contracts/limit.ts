/** What every `limit` promises. Refusals are asked for within a minute, so that a slow machine changes no answer. */

import assert from "node:assert/strict";
import type { LimitProtocol } from "../protocols";
import { type ContractCase, holds, rejected } from "./contract";

const MINUTE = 60;
const DAY_MS = 86_400_000;

export const limitContract: readonly ContractCase[] = [
  {
    name: "takes are allowed up to the maximum, telling what remains, and then refused",
    async run({ limit }) {
      for (const remaining of [2, 1, 0]) {
        assert.deepEqual(await limit.take("key", 3, MINUTE), { allowed: true, remaining });
      }
      refuses(await limit.take("key", 3, MINUTE));
    },
  },
  {
    name: "each key has a limit of its own",
    async run({ limit }) {
      await limit.take("one", 1, MINUTE);
      refuses(await limit.take("one", 1, MINUTE));
      assert.deepEqual(await limit.take("two", 1, MINUTE), { allowed: true, remaining: 0 });
    },
  },
  {
    name: "a take may cost more than one, and a refused take costs nothing",
    async run({ limit }) {
      assert.deepEqual(await limit.take("key", 10, MINUTE, 7), { allowed: true, remaining: 3 });
      refuses(await limit.take("key", 10, MINUTE, 4));
      assert.deepEqual(await limit.take("key", 10, MINUTE, 3), { allowed: true, remaining: 0 });
    },
  },
  {
    name: "a cost over the maximum is always refused",
    async run({ limit }) {
      refuses(await limit.take("key", 3, MINUTE, 4));
      assert.deepEqual(await limit.take("key", 3, MINUTE, 3), { allowed: true, remaining: 0 });
      refuses(await limit.take("other", 0, MINUTE));
    },
  },
  {
    name: "a cost of 0 only looks whether a take would be allowed",
    async run({ limit }) {
      for (let look = 0; look < 3; look += 1) {
        assert.deepEqual(await limit.take("key", 1, MINUTE, 0), { allowed: true, remaining: 1 });
      }
      await limit.take("key", 1, MINUTE);
      refuses(await limit.take("key", 1, MINUTE, 0));
    },
  },
  {
    name: "of many takes at once no more than the maximum are allowed",
    async run({ limit }) {
      const results = await Promise.all(Array.from({ length: 50 }, () => limit.take("key", 5, MINUTE)));
      assert.equal(results.filter((result) => result.allowed).length, 5);
    },
  },
  {
    name: "when the window is over everything may be taken again",
    async run({ limit }) {
      await limit.take("key", 2, 0.05, 2);
      await Bun.sleep(60);
      assert.deepEqual(await limit.take("key", 2, 0.05, 2), { allowed: true, remaining: 0 });
    },
  },
  {
    name: "within one window no more than twice the maximum are allowed",
    async run({ limit }) {
      const [max, windowS, begun] = [4, 0.2, performance.now()];
      let allowed = 0;
      while (performance.now() - begun < windowS * 1000) {
        const taken = await limit.take("key", max, windowS);
        if (taken.allowed && performance.now() - begun < windowS * 1000) allowed += 1;
        await Bun.sleep(5);
      }
      holds(allowed, `1 to ${2 * max} takes`, (count) => count >= 1 && count <= 2 * max);
    },
  },
  {
    name: "after the seconds that a refusal names, a take of the same cost is allowed",
    async run({ limit }) {
      const [max, windowS] = [4, 1.2];
      await limit.take("key", max, windowS, max);
      const refused = await limit.take("key", max, windowS, max);
      refuses(refused);
      if (!refused.allowed) await Bun.sleep(refused.retryAfterS * 1000);
      assert.deepEqual(await limit.take("key", max, windowS, max), { allowed: true, remaining: 0 });
    },
  },
  {
    name: "a clock that is set back or forward makes no wait longer than the window",
    async run({ limit }) {
      const now = Date.now;
      try {
        for (const days of [-1, 1, -400]) {
          Date.now = () => now() + days * DAY_MS;
          const key = `key ${days}`;
          await limit.take(key, 1, MINUTE);
          Date.now = now;
          const refused = await limit.take(key, 1, MINUTE);
          // Set forward and back again, the take may count as long past, and never as one to come.
          if (!refused.allowed) refuses(refused);
        }
        await limit.take("short", 1, 0.05);
        Date.now = () => now() - DAY_MS;
        await Bun.sleep(60);
        assert.deepEqual(await limit.take("short", 1, 0.05), { allowed: true, remaining: 0 });
      } finally {
        Date.now = now;
      }
    },
  },
  {
    name: "a limit that makes no sense is refused",
    async run({ limit }) {
      await rejected(limit.take("key", -1, MINUTE), "invalid");
      await rejected(limit.take("key", 1, 0), "invalid");
      await rejected(limit.take("key", 1, MINUTE, -1), "invalid");
      await rejected(limit.take("key", Number.NaN, MINUTE), "invalid");
    },
  },
];

function refuses(taken: Awaited<ReturnType<LimitProtocol["take"]>>): void {
  holds(taken, `a refusal for 1 to ${MINUTE} seconds`, (it) => {
    return !it.allowed && it.retryAfterS >= 1 && it.retryAfterS <= MINUTE;
  });
}
