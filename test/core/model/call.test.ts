import { expect, test } from "bun:test";
import { createSseReader } from "../../../src/core/model/call";
import { growth } from "../../support/cost";

/** The events of a body that arrives in the given pieces. */
function eventsOf(pieces: readonly Uint8Array[]): string[] {
  const reader = createSseReader();
  return [...pieces.flatMap((bytes) => reader.push(bytes)), ...reader.end()].map(({ data }) => data);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

test("a body gives the same events wherever it is split, within characters too", () => {
  const body = bytes(': hb\n\nevent: x\nid: 3\ndata: {"a":"é😀"}\r\n\r\ndata:b\ndata: c\n\ndata: [DONE]\n\n');
  const expected = ['{"a":"é😀"}', "b\nc", "[DONE]"];
  for (let at = 0; at <= body.length; at++) {
    expect(eventsOf([body.subarray(0, at), body.subarray(at)])).toEqual(expected);
  }
  expect(eventsOf([...body].map((byte) => new Uint8Array([byte])))).toEqual(expected);
});

test("an event whose blank line is missing at the end counts, a line without its end does not", () => {
  expect(eventsOf([bytes("data: a\n\ndata: b\n")])).toEqual(["a", "b"]);
  expect(eventsOf([bytes('data: a\n\ndata: {"choi')])).toEqual(["a"]);
  expect(eventsOf([bytes("data: a\n\ndata: [DONE]")])).toEqual(["a", "[DONE]"]);
});

test("a proxy may write the field twice, and an error in the place of data", () => {
  expect(eventsOf([bytes('data: data: {"a":1}\n\ndata: data: [DONE]\n\n')])).toEqual(['{"a":1}', "[DONE]"]);
  expect(createSseReader().push(bytes('error: {"message":"away"}\n'))).toEqual([
    { name: "error", data: '{"message":"away"}' },
  ]);
});

test("a line of megabytes in small pieces costs no more per byte when it is twice as long", async () => {
  const piece = bytes("x".repeat(1000));
  const read = (count: number) => {
    const reader = createSseReader();
    reader.push(bytes("data: "));
    for (let n = 0; n < count; n++) reader.push(piece);
    expect(reader.push(bytes("\n\n"))[0]?.data.length).toBe(count * 1000);
  };
  // Where the line is put together again for each piece, it is four times as much, each time; what a measurement of megabytes
  // has of its own, such as a collection of garbage, it has not five times in a row.
  const measured: number[] = [];
  while (measured.length < 5 && !(Math.min(...measured) < 3)) measured.push(await growth(read, 4000));
  expect(Math.min(...measured)).toBeLessThan(3);
});

test("an event without end is refused before it fills the memory", () => {
  const reader = createSseReader();
  const piece = bytes("x".repeat(1024 * 1024));
  expect(() => {
    for (let n = 0; n < 40; n++) reader.push(piece);
  }).toThrow("malformed");
});
