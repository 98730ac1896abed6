/**
 * Reads Server-Sent Events of a model endpoint: bytes in, the `data` of each event out. Linear in the length of a line,
 * however many reads bring it. An own reader because it costs less per event than the SDK's and tells a broken stream
 * from a finished one. A CR alone does not end a line here: no endpoint writes that.
 */

import { StreamFault } from "./failure";

export interface SseReader {
  /** The events that are complete with these bytes. Throws StreamFault for an event of absurd size. */
  push(bytes: Uint8Array): string[];
  /** What the end of the body completes: an event without its blank line. A line without its end was cut, unless it says `[DONE]`. */
  end(): string[];
}

const MAX_EVENT_CHARACTERS = 32 * 1024 * 1024; // Ten times the longest event seen; without a bound one line could fill the memory.

export function createSseReader(): SseReader {
  const decoder = new TextDecoder();
  /** Pieces of the line that has no end yet. */
  let pieces: string[] = [];
  let size = 0;
  let data: string | null = null;

  const takeLine = (line: string, events: string[]): void => {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text === "") {
      if (data !== null) events.push(data);
      data = null;
      size = 0;
    } else if (text.startsWith("data:")) {
      const value = text.slice(text.charCodeAt(5) === 32 ? 6 : 5);
      data = data === null ? value : `${data}\n${value}`;
    }
  };

  return {
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      size += text.length;
      if (size > MAX_EVENT_CHARACTERS) throw new StreamFault("malformed");
      const events: string[] = [];
      let from = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
        const last = text.slice(from, end);
        takeLine(pieces.length === 0 ? last : pieces.join("") + last, events);
        pieces = [];
        from = end + 1;
      }
      if (from < text.length) pieces.push(from === 0 ? text : text.slice(from));
      return events;
    },
    end() {
      const events: string[] = [];
      const unfinished = pieces.join("").trim();
      if (/^data: ?\[DONE\]$/.test(unfinished)) {
        takeLine("", events);
        takeLine(unfinished, events);
      }
      takeLine("", events);
      return events;
    },
  };
}
