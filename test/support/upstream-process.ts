/**
 * The upstream as a process: streams a number of tokens at a steady rate, each beginning with its number. A request may
 * say `x_tokens` and `x_rate` among its parameters (rate 0 = as fast as the socket takes it), `x_stamp: true` puts the time
 * of sending (ms since 1970, with decimals) into each token, and a last message `fault:NAME` gets that fault.
 */

import { parseArgs } from "node:util";
import { startUpstream, type UpstreamBody } from "./upstream";
import { type Answer, FAULTS, type Part } from "./upstream-answers";

const OPTIONS = {
  port: { type: "string", default: "0" },
  rate: { type: "string", default: "50" },
  tokens: { type: "string", default: "200" },
  models: { type: "string", default: "test-model" },
  /** Without the relay that resets need: for benchmarks, so that its CPU is not taken for the upstream's. */
  "no-reset": { type: "boolean", default: false },
} as const;

export function serve(args: string[]): void {
  const { values } = parseArgs({ args, options: OPTIONS });
  const { port, models } = values;
  const upstream = startUpstream({ port: Number(port), models: models.split(","), canReset: !values["no-reset"] });
  upstream.otherwise((body) => answer(body, Number(values.tokens), Number(values.rate)));
  console.log(upstream.baseUrl);
}

function answer(body: UpstreamBody, tokens: number, rate: number): Answer {
  const fault = /^fault:(\w+)/.exec(String(body.messages.at(-1)?.content))?.[1];
  if (fault !== undefined && fault in FAULTS) return FAULTS[fault as keyof typeof FAULTS];
  const count = typeof body.x_tokens === "number" ? body.x_tokens : tokens;
  const perSecond = typeof body.x_rate === "number" ? body.x_rate : rate;
  return { parts: paced(count, perSecond, body.x_stamp === true) };
}

const TOKENS_AT_ONCE = 50;

async function* paced(count: number, perSecond: number, withStamp: boolean): AsyncGenerator<Part> {
  const start = performance.now();
  for (let n = 1; n <= count; n++) {
    // Against the start, so that late timers do not add up.
    const waitMs = perSecond === 0 ? 0 : start + (n * 1000) / perSecond - performance.now();
    if (waitMs > 0) await Bun.sleep(waitMs);
    // Otherwise a stream that never waits would keep this process from all others.
    else if (n % TOKENS_AT_ONCE === 0) await new Promise(setImmediate);
    yield withStamp ? `${n}@${performance.timeOrigin + performance.now()} ` : `${n} `;
  }
}
