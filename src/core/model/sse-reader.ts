/**
 * Reads Server-Sent Events of a model endpoint: bytes in, the `data` of each event out. Linear in the length of a line,
 * however many reads bring it. An own reader because it costs less per event than that of the `openai` package and tells a broken stream
 * from a finished one. A CR alone does not end a line here: no endpoint writes that.
 */

import { StreamFault } from "./failure";

export interface SseEvent {
  /** Of its line `event:`; empty = it has none. */
  readonly name: string;
  readonly data: string;
}

export interface SseReader {
  /** The events that are complete with these bytes. Throws StreamFault for an event of absurd size. */
  push(bytes: Uint8Array): SseEvent[];
  /** What the end of the body completes: an event without its blank line. A line without its end was cut, unless it says `[DONE]`. */
  end(): SseEvent[];
}

export function isDone(data: string): boolean {
  return data.trim().toUpperCase() === "[DONE]";
}

const MAX_EVENT_CHARACTERS = 32 * 1024 * 1024; // Ten times the longest event seen; without a bound one line could fill the memory.

export function createSseReader(): SseReader {
  const decoder = new TextDecoder();
  /** Pieces of the line that has no end yet. */
  let pieces: string[] = [];
  let size = 0;
  let data: string[] = [];
  let name = "";

  const endEvent = (events: SseEvent[]): void => {
    if (data.length > 0) events.push({ name, data: data.join("\n") });
    data = [];
    name = "";
    size = 0;
  };

  const takeLine = (line: string, events: SseEvent[]): void => {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text === "") endEvent(events);
    else if (text.startsWith("event:")) name = text.slice(6).trim();
    else if (text.startsWith("error:")) events.push({ name: "error", data: text.slice(6).trim() });
    else if (text.startsWith("data:")) {
      // A proxy that wraps a stream in another one writes the field twice.
      const value = text.slice(5).replace(/^ ?(?:data: ?)?/, "");
      // A server that leaves the blank line out: no JSON goes on so.
      if (data.at(-1)?.endsWith("}") && (value.startsWith("{") || isDone(value))) endEvent(events);
      data.push(value);
    }
  };

  return {
    push(bytes) {
      const text = decoder.decode(bytes, { stream: true });
      size += text.length;
      if (size > MAX_EVENT_CHARACTERS) throw new StreamFault("malformed");
      const events: SseEvent[] = [];
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
      const events: SseEvent[] = [];
      const unfinished = pieces.join("").trim();
      if (unfinished.startsWith("data:") && isDone(unfinished.slice(5))) {
        takeLine("", events);
        takeLine(unfinished, events);
      }
      takeLine("", events);
      return events;
    },
  };
}
