/**
 * `core.counts`: what this process has done since it was started and what is open in it now, as numbers by name, for whoever watches over
 * it. Core adds to those that docs/protocols.md lists; a plugin may add to names of its own.
 */

export interface Counts {
  /** Adds `by`, 1 when it is not given, to the number of that name, which begins at 0; less than 0 for what has ended. */
  add(name: string, by?: number): void;
  /** The numbers as they are now; a copy. Of a name that nobody added to there is none. */
  all(): Record<string, number>;
}
