/**
 * Answers "pong", to see that tools work: ask the model to call ping. Settings: none. Last change: 2026-11-22.
 */

/** Answers "pong". Call it when you are asked whether tools work. */
export function ping(): string {
  return "pong";
}
