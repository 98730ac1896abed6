/**
 * Finds the tokens of the upstream process (`n@TIME `, with TIME in ms since 1970) in a stream of bytes, whatever is around
 * them: JSON, SSE, HTTP. Bytes rather than parsed events, so that the load costs little beside what it measures.
 */

export interface StampReader {
  /** Calls `onToken` with the time of sending of each token that these bytes complete; NaN where the time cannot be read. */
  push(bytes: Uint8Array, onToken: (sentAtMs: number) => void): void;
}

const [AT, SPACE, DOT, ZERO, NINE] = [0x40, 0x20, 0x2e, 0x30, 0x39];
const MAX_STAMP = 64; // Characters. Longer, it is no time, and nobody waits for its end.

export function createStampReader(): StampReader {
  /** A stamp that began in an earlier piece, from its `@`. */
  let held: Uint8Array = new Uint8Array();

  return {
    push(bytes, onToken) {
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      held = new Uint8Array();
      for (let at = all.indexOf(AT); at >= 0; at = all.indexOf(AT, at + 1)) {
        const end = all.indexOf(SPACE, at);
        if (end < 0 && all.length - at < MAX_STAMP) {
          held = all.slice(at);
          return;
        }
        onToken(parse(all, at + 1, end));
      }
    },
  };
}

/** By hand, because a string and a Number for each of many thousand tokens a second would be half the work. */
function parse(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  let scale = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === DOT && scale === 0) scale = 1;
    else if (byte >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      scale *= 10;
    } else return Number.NaN;
  }
  return to <= from ? Number.NaN : value / (scale || 1);
}
