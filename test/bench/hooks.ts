/** What filterStream hooks cost per event: none at all, and ten that only pass on, as a plugin's author writes them. */

import { createLog } from "../../src/basics/log";
import type { Core, Hooks, ModelEvent, Turn } from "../../src/protocols";
import { createHookRunner } from "../../src/tools/hooks";
import type { Row } from "./table";

const HOOKS = 10;
const PER_HOOK_US = 2; // The promise of docs/plugins.md.

const passOn: Hooks = {
  async *filterStream(events) {
    for await (const event of events) yield event;
  },
};

/** The time of the stream itself is taken off, in the same process and the same round. */
export async function measureHooks(events: number, rounds: number): Promise<Row[]> {
  const turn = { id: "bench", signal: new AbortController().signal } as Turn;
  const core = { log: createLog("error") } as Core;
  const none = createHookRunner(core, [], { seconds: 60 });
  const ten = createHookRunner(
    core,
    Array.from({ length: HOOKS }, (_, at) => ({ name: `pass-${at}`, hooks: passOn })),
    { seconds: 60 },
  );
  const perEventUs = async (stream: AsyncIterable<ModelEvent>): Promise<number> => {
    const begun = performance.now();
    let count = 0;
    for await (const _ of stream) count++;
    return ((performance.now() - begun) * 1000) / count;
  };
  const costs: number[] = [];
  // One more round than is counted, in which the code is compiled.
  for (let round = 0; round <= rounds; round++) {
    const bare = await perEventUs(source(events));
    const hooked = await perEventUs(ten.filterStream(source(events), turn));
    if (round > 0) costs.push((hooked - bare) / HOOKS);
  }
  const median = costs.sort((a, b) => a - b)[Math.floor(costs.length / 2)] ?? Number.NaN;
  return [
    // Without hooks the processor does not let the stream pass through anything, so there is nothing to time.
    {
      what: "events that pass through the hook runner, no hooks installed",
      unit: "share",
      limit: null,
      ours: none.filtersStream ? 1 : 0,
      target: { of: "ours", is: "at most", value: 0 },
    },
    {
      what: `one of ${HOOKS} pass-through filterStream hooks, per event`,
      unit: "µs",
      limit: null,
      ours: median,
      target: { of: "ours", is: "at most", value: PER_HOOK_US },
    },
  ];
}

async function* source(count: number): AsyncGenerator<ModelEvent> {
  for (let at = 0; at < count; at++) yield { type: "text", text: "token " };
  yield { type: "finish", reason: "stop" };
}

if (import.meta.main) console.log(await measureHooks(20_000, 5));
