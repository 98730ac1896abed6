/**
 * `core.hooks`: the hooks of all plugins as one of each. They nest like an onion: preCall from high priority to low,
 * filterStream and postCall the other way. A hook that throws is named in the log and left out; the turn goes on, unless
 * the plugin is required: what it guards is then not done at all.
 */

import { AppError, errorOf, isAppError } from "../basics/errors";
import { within } from "../basics/within";
import type { Core, HookRunner, Log, LogFields, ModelCall, ModelEvent, Plugin, Turn } from "../protocols";

export interface HookOptions {
  /** How long a hook is waited for. */
  readonly seconds: number;
  /** Whether a turn fails with the plugin's hook. */
  readonly isRequired?: (plugin: Plugin) => boolean;
}

/** `plugins` go from low priority to high. */
export function createHookRunner(
  { log }: Pick<Core, "log">,
  plugins: readonly Plugin[],
  { seconds, isRequired = () => false }: HookOptions,
): HookRunner {
  const inner = plugins.filter(({ hooks }) => hooks);
  const outer = inner.toReversed();
  return {
    async preCall(call, turn) {
      let current = call;
      for (const plugin of outer) {
        const { name, hooks } = plugin;
        try {
          const called = () => hooks?.preCall?.(current, turn);
          current = callOf((await inTime({ log, name, seconds }, "preCall", called)) ?? current);
        } catch (error) {
          warn(log, name, "preCall", turn, error);
          if (isRequired(plugin)) throw guardFailure(name, error);
        }
      }
      return current;
    },

    filtersStream: inner.some(({ hooks }) => hooks?.filterStream),

    filterStream(events, turn) {
      let current = events;
      for (const plugin of inner) {
        const { name, hooks } = plugin;
        const guard = { log, name, seconds, isRequired: isRequired(plugin) };
        if (hooks?.filterStream) current = guarded(guard, current, hooks.filterStream, turn);
      }
      return current;
    },

    async postCall(reply, turn) {
      for (const { name, hooks } of inner) {
        try {
          await inTime({ log, name, seconds }, "postCall", () => hooks?.postCall?.(reply, turn));
        } catch (error) {
          warn(log, name, "postCall", turn, error);
        }
      }
    },
  };
}

/** A plugin's types are not looked at when it is loaded. */
function callOf(call: ModelCall): ModelCall {
  const { model, messages, tools, parameters } = call;
  if (typeof model === "string" && Array.isArray(messages) && Array.isArray(tools) && parameters) return call;
  throw new Error("It must return a model call, such as { ...call, model }, or nothing.");
}

function streamOf(events: AsyncIterable<ModelEvent>): AsyncIterable<ModelEvent> {
  if (typeof events?.[Symbol.asyncIterator] === "function") return events;
  throw new Error("It must return a stream of events, as an async function* does.");
}

interface Guard {
  readonly log: Log;
  readonly name: string;
  readonly seconds: number;
}

/** Most hooks answer at once, and cost no timer. */
async function inTime<T>({ log, name, seconds }: Guard, hook: string, call: () => T | Promise<T>): Promise<T> {
  const answer = watchHeldUp(log, () => ({ plugin: name, hook }), call);
  if (!(answer instanceof Promise)) return answer;
  return within(answer, { ms: seconds * 1000 }, () => {
    throw new Error(`It took longer than ${seconds} seconds.`);
  });
}

type FilterStream = (events: AsyncIterable<ModelEvent>, turn: Turn) => AsyncIterable<ModelEvent>;

/**
 * A filter that throws, or that neither takes nor gives for too long, is left out from there on, unless it is required: what it had
 * not taken goes past it. An error of the model itself is not the filter's, though it passes through it.
 */
async function* guarded(
  { log, name, seconds, isRequired }: Guard & { readonly isRequired: boolean },
  source: AsyncIterable<ModelEvent>,
  filterStream: FilterStream,
  turn: Turn,
): AsyncGenerator<ModelEvent> {
  const iterator = source[Symbol.asyncIterator]();
  let fromModel: { readonly error: unknown } | null = null;
  let hasFinished = false;
  let failure: unknown;
  const patience = createPatience(seconds, turn.signal);
  const watched: AsyncIterable<ModelEvent> = {
    [Symbol.asyncIterator]: () => ({
      next() {
        patience.pause();
        return iterator.next().then(patience.resume, (error) => {
          fromModel = { error };
          throw error;
        });
      },
    }),
  };
  try {
    try {
      const filtered = streamOf(filterStream(watched, turn))[Symbol.asyncIterator]();
      try {
        for (let next = await patience.of(filtered); !next.done; next = await patience.of(filtered)) {
          hasFinished ||= next.value.type === "finish";
          yield next.value;
        }
      } finally {
        // Not awaited: a filter that hangs would hang here.
        filtered.return?.().then(undefined, () => {});
      }
      // The stream of a stopped turn just ends.
      if (hasFinished || turn.signal.aborted) return;
      failure = new Error("It ended before the stream's finish.");
    } catch (error) {
      if (fromModel || turn.signal.aborted) throw error;
      failure = error;
    } finally {
      patience.end();
    }
    warn(log, name, "filterStream", turn, failure);
    if (isRequired) throw guardFailure(name, failure);
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    // No filter can do it, since what one leaves goes past it. Not awaited: the source may hang.
    iterator.return?.().then(undefined, () => {});
  }
}

const LOOKS = 4; // In the time that a filter has: a timer for each event would cost more than most filters.

/** Waits for a filter, but not for ever. While it waits for the model itself, `pause` to `resume`, its time stands still. */
function createPatience(seconds: number, signal: AbortSignal) {
  let isWaiting = false;
  let isPaused = false;
  let steps = 0;
  let looked = { steps, times: 0 };
  let giveUp = (_: Error): void => {};
  const timer = setInterval(
    () => {
      // A turn that was stopped reads no further, and the filter is ended by nobody else.
      if (signal.aborted) return end(new Error("The turn was stopped."));
      if (!isWaiting || isPaused || looked.steps !== steps) looked = { steps, times: 0 };
      else if (++looked.times >= LOOKS) end(new Error(`It neither took nor gave anything for ${seconds} seconds.`));
    },
    (seconds * 1000) / LOOKS,
  );
  const end = (error?: Error): void => {
    clearInterval(timer);
    if (error) giveUp(error);
  };
  return {
    pause(): void {
      isPaused = true;
    },
    resume<T>(value: T): T {
      isPaused = false;
      steps++;
      return value;
    },
    of<T>(filtered: AsyncIterator<T>): Promise<IteratorResult<T>> {
      isWaiting = true;
      return new Promise((resolve, reject) => {
        giveUp = reject;
        filtered.next().then((next) => {
          isWaiting = false;
          steps++;
          resolve(next);
        }, reject);
      });
    },
    end,
  };
}

/** A refusal in the plugin's own words is the user's to read. */
function guardFailure(plugin: string, cause: unknown): Error {
  if (isAppError(cause)) return cause;
  const message = `The plugin ${plugin} failed, and nothing is sent or shown without it. The server's log says why.`;
  return new AppError("internal", message, { cause });
}

function warn(log: Log, plugin: string, hook: string, turn: Turn, error: unknown): void {
  const cause = errorOf(error);
  log.warn("A plugin's hook failed and was left out", { plugin, hook, turn: turn.id, error: cause });
}

const HELD_UP_MS = 200; // A reader sees text stand still from about here; longer computing belongs into a worker.

/**
 * Gives what `run` returns or throws, and names a plugin that keeps everybody waiting: all runs in one thread, so a plugin that does not
 * give control back holds up every reply. Timed is what is done at a stretch, from the call to its return or first `await`; `who` is asked
 * when that took too long.
 */
export function watchHeldUp<T>(log: Log, who: () => LogFields, run: () => T): T {
  const begun = performance.now();
  try {
    return run();
  } finally {
    const ms = Math.round(performance.now() - begun);
    if (ms > HELD_UP_MS) log.warn("A plugin held up the whole server", { ...who(), ms });
  }
}
