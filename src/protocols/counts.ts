/**
 * `core.counts`: what this process has done since it was started and what is open in it now, as numbers by name, for whoever watches over
 * it. A plugin may add to names of its own, and `functions/metrics.ts` of the library tells all of it to Prometheus. Core adds to these:
 *
 * | name | |
 * |---|---|
 * | `turns_running` | turns that run now, those without a thread too |
 * | `turns_done`, `turns_failed`, `turns_stopped`, `turns_interrupted` | turns that have ended, by how |
 * | `streams_page`, `streams_turn`, `streams_live` | pages that are open, clients that follow a turn, and those of `/api/v1/live` |
 */

export interface Counts {
  /** Adds `by`, 1 when it is not given, to the number of that name, which begins at 0; less than 0 for what has ended. */
  add(name: string, by?: number): void;
  /** The numbers as they are now; a copy. Of a name that nobody added to there is none. */
  all(): Record<string, number>;
}
