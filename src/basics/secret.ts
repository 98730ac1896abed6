/** Compares secrets without telling by its time how far they agree. */

import { timingSafeEqual } from "node:crypto";

export function isSameSecret(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
