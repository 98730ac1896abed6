/**
 * Puts the tool calls of a reply together from their pieces. Servers number them, or name them by an id, or do neither; they send
 * them in one piece or many, one after the other or in turns, and some send all of them again at the end.
 */

import { countShape, isRecord, isTooDeep, type JsonShape, textOf } from "../../basics/json";
import type { ToolCall } from "../../protocols";
import { StreamFault } from "./failure";
import type { JsonRecord } from "./opaque";

export interface ToolCalls {
  /** The pieces of one delta. Throws StreamFault for calls of absurd number or size. `onPiece` gets each with the number of its call. */
  push(deltas: readonly unknown[], onPiece: (at: number, delta: JsonRecord) => void): void;
  /** Of what came, in characters. */
  size(): number;
  /** The calls that have a name or arguments, with the numbers that `onPiece` got. */
  end(): { readonly at: number; readonly call: ToolCall }[];
}

const MAX_CALLS = 128; // What OpenAI allows as tools of one request; more in one reply is a model gone wild.
const MAX_CHARACTERS = 16 * 1024 * 1024; // All arguments together; more than any file that a model writes.

interface GrowingCall {
  readonly index: number | null;
  id: string;
  name: string;
  /** Of its arguments, as far as they came. */
  text: string;
  shape: JsonShape;
  /** Which delta began it. */
  readonly begunIn: number;
}

interface Piece {
  readonly index: number | null;
  readonly id: string;
  readonly name: string;
  readonly text: string;
}

export function createToolCalls(): ToolCalls {
  const calls: GrowingCall[] = [];
  let size = 0;
  let deltaCount = 0;

  const begin = ({ index, id, name }: Piece): GrowingCall => {
    if (calls.length >= MAX_CALLS) throw new StreamFault("malformed");
    const call = { index, id, name, text: "", shape: countShape(), begunIn: deltaCount };
    calls.push(call);
    size += id.length + name.length;
    return call;
  };

  const take = (piece: Piece): GrowingCall => {
    const known = find(calls, piece);
    const isRepeated = known && isClosed(known.shape) && piece.text !== "" && isSame(known, piece);
    // Whole and the same again, in a later delta: the server says once more what it said.
    if (isRepeated && known.begunIn < deltaCount) return known;
    const call = known && goesOn(known, piece, deltaCount) ? known : begin(piece);
    call.name = joinedName(call, piece);
    call.id ||= piece.id;
    if (isLonger(call, piece)) {
      size -= call.text.length;
      Object.assign(call, { text: "", shape: countShape() });
    }
    call.text += piece.text;
    call.shape.add(Buffer.from(piece.text));
    size += piece.text.length;
    if (size > MAX_CHARACTERS) throw new StreamFault("malformed");
    return call;
  };

  return {
    push(deltas, onPiece) {
      deltaCount++;
      for (const delta of deltas) if (isRecord(delta)) onPiece(calls.indexOf(take(readPiece(delta))), delta);
    },
    size: () => size,
    end() {
      const used = new Set<string>();
      return calls.flatMap((growing, at) => {
        // Some servers end with a piece that says nothing.
        const isNothing = growing.name === "" && growing.text.trim() === "";
        return isNothing ? [] : { at, call: toToolCall(growing, used) };
      });
    },
  };
}

function readPiece(delta: JsonRecord): Piece {
  const named = [delta.function, delta.custom].find(isRecord) ?? delta;
  const args = named.arguments ?? named.parameters ?? named.input ?? "";
  if (isTooDeep(args)) throw new StreamFault("malformed");
  const index = /^\d{1,9}$/.test(String(delta.index)) ? Number(delta.index) : null;
  const text = typeof args === "string" ? args : JSON.stringify(args);
  return { index, id: textOf(delta.id), name: textOf(named.name), text };
}

/** The call that a piece may belong to. */
function find(calls: readonly GrowingCall[], { index, id }: Piece): GrowingCall | undefined {
  const likely = index === null ? calls : calls.filter((call) => call.index === index || call.index === null);
  const named = id === "" ? undefined : likely.findLast((call) => call.id === id);
  return named ?? likely.at(-1);
}

/** Whether the piece goes on with the call, or begins another one under the same number. */
function goesOn(call: GrowingCall, piece: Piece, deltaCount: number): boolean {
  const { id, name, text } = piece;
  if (name === "") return true;
  // One delta has each call once.
  if (call.begunIn === deltaCount && call.name !== "") return false;
  if (call.name === "") return id === "" || call.id === "" || id === call.id;
  if (isNamePiece(call, piece)) return true;
  if (name !== call.name) return false;
  const isOther = id !== "" && call.id !== "" && id !== call.id;
  // Arguments begin again: a second call, in turns with the first. Some servers make a new id for each piece.
  if (isOther && call.text !== "" && text.startsWith("{")) return false;
  // The name again: with every piece, or of a second call of the same tool once the first is whole.
  return !isClosed(call.shape) || (id === call.id && text === "");
}

/** Whether it is the next piece of a name that came in pieces: of the same call, before its arguments. */
function isNamePiece(call: GrowingCall, { index, id, name }: Piece): boolean {
  const isSameCall = id === "" ? index !== null && index === call.index : id === call.id;
  return isSameCall && call.text === "" && name !== call.name;
}

/** A server may say the name again, whole or longer by what came since. */
function joinedName(call: GrowingCall, { name }: Piece): string {
  return name.startsWith(call.name) || name === "" ? name || call.name : call.name + name;
}

/** Whether it is all that came once more, and what follows. One that ends more than it begins goes on with an object of the same beginning. */
function isLonger(call: GrowingCall, { text }: Piece): boolean {
  if (call.text === "" || text.length <= call.text.length || !text.startsWith("{")) return false;
  if (!text.startsWith(call.text)) return false;
  const shape = countShape();
  shape.add(Buffer.from(text));
  return shape.level >= 0;
}

function isSame(call: GrowingCall, { id, name, text }: Piece): boolean {
  if ((id !== "" && id !== call.id) || (name !== "" && name !== call.name)) return false;
  return text === call.text;
}

function toToolCall({ id, name, text }: GrowingCall, used: Set<string>): ToolCall {
  // Without hyphens it has 37 characters: OpenAI takes back 40.
  const callId = id === "" || used.has(id) ? `call_${crypto.randomUUID().replaceAll("-", "")}` : id;
  used.add(callId);
  return { callId, name, arguments: text };
}

/** Whether what came is one value with brackets, from the first to the one that closes it. */
function isClosed({ levels, level, isText }: JsonShape): boolean {
  return levels > 0 && level <= 0 && !isText;
}
