/** Ends one step of a turn: its parts go into the thread. A store that fails for a moment holds the turn up and does not end it. */

import { errorOf } from "../basics/errors";
import type { TurnEvent, Usage } from "../protocols";
import { addToThread, type RunState, takeParts } from "./state";

// What passes by itself does so in this time; the end of the turn tries again for longer before a person is told.
const PAUSES_MS = [100, 300, 1000];

/** The mark that the step has ended comes after its parts: without it a recovery adds them again, with the same ids. */
export async function endStep(state: RunState, step: TurnEvent & { type: "step" }): Promise<void> {
  state.steps++;
  state.waiting.push(...takeParts(state, step.model));
  await addPatiently(state);
  state.usage = sumUsage(state.usage, step.usage);
  state.log.push(step);
}

/** What two model calls used. Null when nothing is known of either; what only one of them tells counts as all. */
export function sumUsage(a: Usage | null, b: Usage | null): Usage | null {
  if (!a || !b) return a ?? b;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    ...sumOf("cachedTokens", a, b),
    ...sumOf("reasoningTokens", a, b),
  };
}

function sumOf(name: "cachedTokens" | "reasoningTokens", a: Usage, b: Usage): Partial<Usage> {
  if (a[name] === undefined && b[name] === undefined) return {};
  return { [name]: (a[name] ?? 0) + (b[name] ?? 0) };
}

async function addPatiently(state: RunState): Promise<void> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await addToThread(state);
    } catch (error) {
      // The end of the turn saves it then, and tries again by itself.
      if (state.signal.aborted) throw error;
      const fields = { turn: state.info.id, error: errorOf(error) };
      state.core.log.error("A step of a turn could not be saved; trying again", fields);
    }
    await Promise.race([Bun.sleep(pauseMs), aborted(state.signal)]);
  }
  await addToThread(state);
}

/** Resolves when the turn is cut. */
export function aborted(signal: AbortSignal): Promise<"cut"> {
  const { promise, resolve } = Promise.withResolvers<"cut">();
  if (signal.aborted) resolve("cut");
  signal.addEventListener("abort", () => resolve("cut"), { once: true });
  return promise;
}
