/** Encodes Server-Sent Events. An own encoder because a bare CR in data must not start a field, even where HTML is escaped. */

const encoder = new TextEncoder();

export interface SseMessage {
  readonly data: string;
  readonly id?: string | number;
  readonly event?: string;
}

export function encodeSse(message: SseMessage): Uint8Array {
  return encoder.encode(sseText(message));
}

/** Line breaks in `data` become `data:` lines of one message; those in `id` or `event` are dropped. */
export function sseText({ data, id, event }: SseMessage): string {
  let text = "";
  if (id !== undefined) text += `id: ${oneLine(String(id))}\n`;
  if (event !== undefined) text += `event: ${oneLine(event)}\n`;
  return `${text}data: ${data.replace(/\r\n|\r|\n/g, "\ndata: ")}\n\n`;
}

/** Tells a client where it is, and nothing else: it comes back with this id, and no event is seen. */
export function encodePlace(id: string): Uint8Array {
  return encoder.encode(`id: ${oneLine(id)}\n\n`);
}

/** A field that the worker of the page reads, and that everybody else passes over as the standard has it. */
export function encodeNote(name: "page" | "facts", value: string): Uint8Array {
  return encoder.encode(`${name}: ${oneLine(value)}\n\n`);
}

/** How long a client waits before it connects again; a little different for each, so that not all come at once. */
export function encodeRetry(): Uint8Array {
  return encoder.encode(`retry: ${Math.round(500 + Math.random() * 1500)}\n\n`);
}

/** A comment, which keeps proxies and idle timers from closing the connection. */
export const HEARTBEAT = encoder.encode(": hb\n\n");
export const HEARTBEAT_MS = 15_000;

export const SSE_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  // Asks nginx and its like not to hold the stream back.
  "x-accel-buffering": "no",
};

function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, "");
}
