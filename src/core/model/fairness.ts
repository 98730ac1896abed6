/**
 * Keeps endpoints that are faster than this process from taking all of it. A body that always has the next bytes ready is
 * read without the event loop ever turning, and then nothing else happens: no timer, no follower, no other request.
 */

const LOOP_MS = 4; // As long as followers wait for what one tick brings together.

let nextTurn: Promise<void> | null = null;
let sinceMs = 0;

/** What to wait for before more is read, all streams alike, when the loop is due to turn; else null. */
export function dueTurn(): Promise<void> | null {
  const nowMs = performance.now();
  if (nextTurn === null) {
    sinceMs = nowMs;
    nextTurn = new Promise((resolve) =>
      setImmediate(() => {
        nextTurn = null;
        resolve();
      }),
    );
  }
  return nowMs - sinceMs > LOOP_MS ? nextTurn : null;
}
