/**
 * `core.hooks`: the hooks of all plugins as one of each. They nest like an onion: preCall from high priority to low,
 * filterStream and postCall the other way. One that throws is named in the log and left out; the turn goes on.
 */

import { errorOf } from "../errors";
import type { Core, HookRunner, Log, ModelEvent, Plugin, Turn } from "../protocols";

/** `plugins` go from low priority to high. */
export function createHookRunner({ log }: Pick<Core, "log">, plugins: readonly Plugin[], seconds: number): HookRunner {
  const inner = plugins.filter(({ hooks }) => hooks);
  const outer = inner.toReversed();
  return {
    async preCall(call, turn) {
      let current = call;
      for (const { name, hooks } of outer) {
        try {
          current = (await inTime(seconds, hooks?.preCall?.(current, turn))) ?? current;
        } catch (error) {
          warn(log, name, "preCall", turn, error);
        }
      }
      return current;
    },

    filtersStream: inner.some(({ hooks }) => hooks?.filterStream),

    filterStream(events, turn) {
      let current = events;
      for (const { name, hooks } of inner) {
        if (hooks?.filterStream) current = guarded(log, name, current, hooks.filterStream, turn);
      }
      return current;
    },

    async postCall(reply, turn) {
      for (const { name, hooks } of inner) {
        try {
          await inTime(seconds, hooks?.postCall?.(reply, turn));
        } catch (error) {
          warn(log, name, "postCall", turn, error);
        }
      }
    },
  };
}

/** Most hooks answer at once, and cost no timer. */
async function inTime<T>(seconds: number, answer: T | Promise<T>): Promise<T> {
  if (!(answer instanceof Promise)) return answer;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`It took longer than ${seconds} seconds.`)), seconds * 1000);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

type FilterStream = (events: AsyncIterable<ModelEvent>, turn: Turn) => AsyncIterable<ModelEvent>;

/**
 * A filter that throws is left out from there on: what it had not taken goes past it. An error of the model itself is not
 * the filter's, though it passes through it.
 */
async function* guarded(
  log: Log,
  name: string,
  source: AsyncIterable<ModelEvent>,
  filterStream: FilterStream,
  turn: Turn,
): AsyncGenerator<ModelEvent> {
  const iterator = source[Symbol.asyncIterator]();
  let fromModel: { readonly error: unknown } | null = null;
  let hasFinished = false;
  const watched: AsyncIterable<ModelEvent> = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        iterator.next().catch((error) => {
          fromModel = { error };
          throw error;
        }),
    }),
  };
  try {
    for await (const event of filterStream(watched, turn)) {
      hasFinished ||= event.type === "finish";
      yield event;
    }
    // The stream of a stopped turn just ends.
    if (hasFinished || turn.signal.aborted) return;
    warn(log, name, "filterStream", turn, new Error("It ended before the stream's finish."));
  } catch (error) {
    if (fromModel || turn.signal.aborted) throw error;
    warn(log, name, "filterStream", turn, error);
  }
  yield* { [Symbol.asyncIterator]: () => iterator };
}

function warn(log: Log, plugin: string, hook: string, turn: Turn, error: unknown): void {
  const cause = errorOf(error);
  log.warn("A plugin's hook failed and was left out", { plugin, hook, turn: turn.id, error: cause });
}
