/** `SKELETON_TRACE_PLUGINS`: says in the log what plugins are called for, and how long they take. Never what they are given. */

import type { Hooks, Log, ModelEvent, Plugin, Tool, Turn } from "../protocols";
import type { Offer } from "./offers";

/** The same plugin, whose hooks tell. */
export function traced(plugin: Plugin, log: Log): Plugin {
  const { name, hooks = {} } = plugin;
  const tell = (hook: string, turn: Turn, begun: number, more = {}) =>
    log.info("Trace", { plugin: name, hook, turn: turn.id, ms: since(begun), ...more });
  const { preCall, filterStream, postCall } = hooks;
  const told: Hooks = {
    ...(preCall && {
      async preCall(call, turn) {
        const begun = performance.now();
        const changed = await preCall.call(hooks, call, turn);
        tell("preCall", turn, begun, { changed: changed !== undefined && changed !== call });
        return changed;
      },
    }),
    ...(filterStream && {
      filterStream: (events, turn) =>
        counted(filterStream.call(hooks, events, turn), (count, begun) => {
          tell("filterStream", turn, begun, { events: count });
        }),
    }),
    ...(postCall && {
      async postCall(reply, turn) {
        const begun = performance.now();
        await postCall.call(hooks, reply, turn);
        tell("postCall", turn, begun);
      },
    }),
  };
  return { ...plugin, hooks: told };
}

/** The same tools, which tell when they are called and how many characters their arguments have. */
export function tracedOffer({ plugin, fixed, source }: Offer, log: Log): Offer {
  const tell = (tool: Tool) => tracedTool(tool, plugin, log);
  const told = source && { list: () => source.list().map(tell), ready: async () => source.ready?.() };
  return { plugin, fixed: fixed.map(tell), source: told };
}

function tracedTool(tool: Tool, plugin: string, log: Log): Tool {
  return {
    ...tool,
    execute(args, turn) {
      log.info("Trace", { plugin, tool: tool.name, turn: turn.id, characters: JSON.stringify(args)?.length });
      return tool.execute(args, turn);
    },
  };
}

async function* counted(
  events: AsyncIterable<ModelEvent>,
  tell: (count: number, begun: number) => void,
): AsyncGenerator<ModelEvent> {
  const begun = performance.now();
  let count = 0;
  try {
    for await (const event of events) {
      count++;
      yield event;
    }
  } finally {
    tell(count, begun);
  }
}

function since(begun: number): number {
  return Math.round((performance.now() - begun) * 10) / 10;
}
