/** Reads Server-Sent Events as a client does, from real bytes. */

import { checkEvent } from "./described";

export interface SseEvent {
  readonly id: string | null;
  readonly event: string | null;
  readonly data: string;
}

/** A turn's event on the wire. */
export interface WireEvent {
  readonly id: number;
  readonly event: string;
  readonly data: {
    readonly [name: string]: unknown;
    readonly content?: string;
    readonly turn_id?: string;
    readonly thread_id?: string;
    readonly message?: string;
    readonly reason?: string;
  };
}

/** Comments and messages without data are left out, as in a browser. Ends when the stream does; leaving the loop early closes the connection. */
export async function* readSse(response: Response): AsyncGenerator<SseEvent> {
  if (!response.body) throw new Error("The response has no body.");
  let text = "";
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
    text += bytes;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const message = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (!message) continue;
      await checkEvent(response, message.data);
      yield message;
    }
  }
}

export async function* readTurn(response: Response): AsyncGenerator<WireEvent> {
  for await (const { id, data } of readSse(response)) {
    const { event, data: content } = JSON.parse(data);
    yield { id: Number(id), event, data: content };
  }
}

export async function collectTurn(response: Response): Promise<WireEvent[]> {
  return Array.fromAsync(readTurn(response));
}

/** All text of one kind. */
export function textOf(events: readonly WireEvent[], name = "message_tokens"): string {
  return events.map(({ event, data }) => (event === name ? data.content : "")).join("");
}

function parse(block: string): SseEvent | null {
  const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
  const field = (name: string) =>
    lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
  const data = field("data");
  if (data.length === 0) return null;
  return { id: field("id")[0] ?? null, event: field("event")[0] ?? null, data: data.join("\n") };
}
