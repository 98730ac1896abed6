/**
 * What two processes write to each other: frames of JSON, each behind its length in four bytes. Both sides bound what waits: a frame
 * that is too long ends the connection of whoever sent it, and so does a reader who leaves too much unread.
 */

import type { Json } from "../../protocols";

const LENGTH_BYTES = 4;
export const FRAME_BYTES_MAX = 16 * 1024 * 1024; // The largest event is a tool's result; larger ones are read in the store.
const WAITING_BYTES_MAX = 4 * FRAME_BYTES_MAX; // For one reader: some seconds of all that a busy server publishes.

/** Null when the frame is too long to be sent. */
export function encodeFrame(frame: Json): Buffer | null {
  const text = JSON.stringify(frame);
  const length = Buffer.byteLength(text);
  if (length > FRAME_BYTES_MAX) return null;
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + length);
  bytes.writeUInt32BE(length);
  bytes.write(text, LENGTH_BYTES);
  return bytes;
}

/** Gives `take` each frame that is complete. The function returned throws when what it gets is none. */
export function createFrameReader(take: (frame: Json) => void): (bytes: Uint8Array) => void {
  let parts: Uint8Array[] = [];
  let size = 0;
  let wanted = LENGTH_BYTES;
  return (bytes) => {
    // The buffer is the socket's, which uses it again.
    parts.push(bytes.slice());
    size += bytes.length;
    if (size < wanted) return;
    let rest = Buffer.concat(parts);
    for (;;) {
      wanted = lengthOf(rest);
      if (rest.length < wanted) break;
      take(JSON.parse(rest.toString("utf8", LENGTH_BYTES, wanted)) as Json);
      rest = rest.subarray(wanted);
    }
    [parts, size] = [[rest], rest.length];
  };
}

/** Of the frame at the beginning, or of its length when not even that is there. */
function lengthOf(bytes: Buffer): number {
  if (bytes.length < LENGTH_BYTES) return LENGTH_BYTES;
  const length = bytes.readUInt32BE();
  if (length > FRAME_BYTES_MAX) throw new Error(`A frame of ${length} bytes is too long.`);
  return LENGTH_BYTES + length;
}

interface WritableSocket {
  write(bytes: Uint8Array): number;
}

/** Writes frames in their order, those of a tick together. */
export interface FrameWriter {
  send(frame: Uint8Array): void;
  /** The socket is there, or takes more. */
  open(socket: WritableSocket): void;
  isIdle(): boolean;
}

/** `overflow` is called when the reader has left too much unread. */
export function createFrameWriter(overflow: () => void): FrameWriter {
  let socket: WritableSocket | null = null;
  let waiting: Uint8Array[] = [];
  let size = 0;
  let isFull = false;
  let isScheduled = false;

  const flush = (): void => {
    isScheduled = false;
    if (!socket || isFull || size === 0) return;
    const bytes = waiting.length === 1 && waiting[0] ? waiting[0] : Buffer.concat(waiting);
    const written = Math.max(0, socket.write(bytes)); // -1 = it was closed, which is told to whoever opened it.
    const rest = bytes.subarray(written);
    [waiting, size, isFull] = [rest.length > 0 ? [rest] : [], rest.length, rest.length > 0];
  };

  return {
    send(frame) {
      waiting.push(frame);
      size += frame.length;
      if (size > WAITING_BYTES_MAX) {
        [waiting, size] = [[], 0];
        overflow();
      } else if (!isScheduled) {
        isScheduled = true;
        setImmediate(flush);
      }
    },
    open(opened) {
      socket = opened;
      isFull = false;
      flush();
    },
    isIdle: () => size === 0,
  };
}
