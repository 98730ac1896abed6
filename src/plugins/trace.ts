/** `SKELETON_TRACE_PLUGINS`: says in the log what plugins are called for, and how long they take. Never what they are given. */

import type { Hooks, Log, ModelEvent, Plugin, Tool, Turn } from "../protocols";
import type { Offer } from "./offers";

type Filter = NonNullable<Hooks["filterStream"]>;
// biome-ignore lint/suspicious/noExplicitAny: what a hook is given and gives is passed on as it is.
type PlainHook = (given: any, turn: Turn) => unknown;

/** The same plugin, whose hooks tell. */
export function traced<Traced extends Plugin>(plugin: Traced, log: Log): Traced {
  const { name, hooks = {} } = plugin;
  const teller = (hook: string, turn: Turn) => {
    const begun = performance.now();
    const since = () => Math.round((performance.now() - begun) * 10) / 10;
    return (more = {}) => log.info("Trace", { plugin: name, hook, turn: turn.id, ms: since(), ...more });
  };
  const plain = (hook: string, run: PlainHook) => async (given: unknown, turn: Turn) => {
    const tell = teller(hook, turn);
    const changed = await run.call(hooks, given, turn);
    tell(hook === "preCall" ? { changed: changed !== undefined && changed !== given } : {});
    return changed;
  };
  const filter = (run: Filter) =>
    async function* (events: AsyncIterable<ModelEvent>, turn: Turn) {
      const tell = teller("filterStream", turn);
      let count = 0;
      try {
        for await (const event of run.call(hooks, events, turn)) {
          count++;
          yield event;
        }
      } finally {
        tell({ events: count });
      }
    };
  const there = Object.entries(hooks).filter(([, run]) => run !== undefined);
  const toldOf = (hook: string, run: PlainHook | Filter) =>
    hook === "filterStream" ? filter(run as Filter) : plain(hook, run);
  return { ...plugin, hooks: Object.fromEntries(there.map(([hook, run]) => [hook, toldOf(hook, run)])) };
}

/** The same tools, which tell when they are called and how many characters their arguments have. */
export function tracedOffer({ plugin, fixed, source }: Offer, log: Log): Offer {
  const tell = (tool: Tool): Tool => ({
    ...tool,
    execute(args, turn) {
      log.info("Trace", { plugin, tool: tool.name, turn: turn.id, characters: JSON.stringify(args)?.length });
      return tool.execute(args, turn);
    },
  });
  const told = source && { list: () => source.list().map(tell), ready: async () => source.ready?.() };
  return { plugin, fixed: fixed.map(tell), source: told };
}
