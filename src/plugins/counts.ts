/** `core.counts`: numbers by name, of this process. */

import type { Counts } from "../protocols";

export function createCounts(): Counts {
  const numbers = new Map<string, number>();
  return {
    add: (name, by = 1) => void numbers.set(name, (numbers.get(name) ?? 0) + by),
    all: () => Object.fromEntries(numbers),
  };
}
