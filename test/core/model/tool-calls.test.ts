import { expect, test } from "bun:test";
import { createToolCalls } from "../../../src/core/model/tool-calls";

const A = '{"a":1}';
const B = '{"a":2}';

function call(index: number | null, id: string | null, name: string | null, args: unknown = "") {
  return {
    ...(index !== null && { index }),
    ...(id !== null && { id }),
    function: { ...(name !== null && { name }), arguments: args },
  };
}

/** Names and arguments of the calls that come of these deltas, and the ids of those that had one. */
function callsOf(deltas: readonly (readonly unknown[])[]) {
  const calls = createToolCalls();
  for (const delta of deltas) calls.push(delta, () => {});
  const made = calls.end().map((it) => it.call);
  expect(new Set(made.map(({ callId }) => callId)).size).toBe(made.length);
  return made.map(({ name, arguments: args }) => [name, args]);
}

const CASES: [name: string, deltas: unknown[][], calls: unknown[][]][] = [
  ["of a name in pieces", [[call(0, "x", "ad")], [call(0, null, "d")], [call(0, null, null, A)]], [["add", A]]],
  ["of a name in pieces without an id", [[call(0, null, "ad")], [call(0, null, "d", A)]], [["add", A]]],
  ["of a name that grows", [[call(0, "x", "ad")], [call(0, "x", "add")], [call(0, "x", "add", A)]], [["add", A]]],
  [
    "of two names, each with an id",
    [[call(0, "x", "ad")], [call(0, "y", "d")]],
    [
      ["ad", ""],
      ["d", ""],
    ],
  ],
  [
    "of arguments that are sent whole each time",
    [
      [call(0, "x", "f", '{"a":"b')],
      [call(0, "x", "f", '{"a":"bc{"')],
      [call(0, "x", "f", '{"a":"bc{","d":[1]}')],
      [call(0, "x", "f", '{"a":"bc{","d":[1]}')],
    ],
    [["f", '{"a":"bc{","d":[1]}']],
  ],
  [
    "of an object that begins as the one around it",
    [[call(0, "x", "f", '{"a":')], [call(0, null, null, '{"a":1}}')]],
    [["f", '{"a":{"a":1}}']],
  ],
  [
    "of one tool without arguments, in one delta without index and id",
    [[call(null, null, "f"), call(null, null, "f")]],
    [
      ["f", ""],
      ["f", ""],
    ],
  ],
  [
    "in turns by index",
    [
      [call(0, "x", "f", '{"a"')],
      [call(1, "y", "f", '{"a"')],
      [call(0, null, null, ":1}")],
      [call(1, null, null, ":2}")],
    ],
    [
      ["f", A],
      ["f", B],
    ],
  ],
  [
    "in turns by id, without index",
    [
      [call(null, "x", "f", '{"a"')],
      [call(null, "y", "f", '{"a"')],
      [call(null, "x", null, ":1}")],
      [call(null, "y", null, ":2}")],
    ],
    [
      ["f", A],
      ["f", B],
    ],
  ],
  [
    "one after the other without index and id",
    [[call(null, null, "f", '{"a"')], [call(null, null, null, ":1}")], [call(null, null, "f", B)]],
    [
      ["f", A],
      ["f", B],
    ],
  ],
  [
    "all of one id",
    [[call(0, "same", "f", A)], [call(1, "same", "f", B)]],
    [
      ["f", A],
      ["f", B],
    ],
  ],
  [
    "all of index 0 without id",
    [[call(0, null, "f", A)], [call(0, null, "f", B)], [call(0, "", "g", "{}")]],
    [
      ["f", A],
      ["f", B],
      ["g", "{}"],
    ],
  ],
  [
    "the name with each piece",
    [[call(0, "x", "f")], [call(0, "x", "f", '{"a"')], [call(0, "x", "f", ":1}")]],
    [["f", A]],
  ],
  [
    "all of it once more at the end",
    [
      [call(0, "x", "f", '{"a"')],
      [call(0, null, null, ":1}")],
      [call(1, "y", "g", B)],
      [call(0, "x", "f", A), call(1, "y", "g", B)],
    ],
    [
      ["f", A],
      ["g", B],
    ],
  ],
  ["all of it once more, without index and id", [[call(null, null, "f", A)], [call(null, null, "f", A)]], [["f", A]]],
  [
    "the same twice in one delta, which is meant",
    [[call(null, null, "f", A), call(null, null, "f", A)]],
    [
      ["f", A],
      ["f", A],
    ],
  ],
  [
    "index as text",
    [
      [call("0" as never, null, "f", '{"a"')],
      [call("1" as never, null, "g", B)],
      [call("0" as never, null, null, ":1}")],
    ],
    [
      ["f", A],
      ["g", B],
    ],
  ],
  ["the id only later", [[call(0, null, "f", '{"a"')], [call(0, "x", null, ":1}")]], [["f", A]]],
  [
    "arguments as a value",
    [[call(0, "x", "f", { a: 1 })], [call(1, "y", "g", [1])], [call(2, "z", "h", null)]],
    [
      ["f", A],
      ["g", "[1]"],
      ["h", ""],
    ],
  ],
  [
    "without function around it",
    [[{ id: "x", name: "f", arguments: A }], [{ id: "y", name: "g", input: { a: 2 } }]],
    [
      ["f", A],
      ["g", B],
    ],
  ],
  [
    "brackets inside of a text",
    [[call(0, "x", "f", '{"t":"}')], [call(0, "x", "f", '{\\"}"}')]],
    [["f", '{"t":"}{\\"}"}']],
  ],
  ["a piece that says nothing at the end", [[call(0, "x", "f", A)], [call(1, "", "", "")]], [["f", A]]],
  ["nothing that is a call", [[null, 3, "f"]], []],
];

test.each(CASES)("calls that come with %s", (_, deltas, calls) => {
  expect(callsOf(deltas)).toEqual(calls as never);
});

test("pieces cost the same however many came before, also when the name comes with each", () => {
  const cost = (count: number): number => {
    const calls = createToolCalls();
    calls.push([call(0, "x", "f", '{"t":"')], () => {});
    const start = performance.now();
    for (let n = 0; n < count; n++) calls.push([call(0, null, "f", 'a}"{"')], () => {});
    return (performance.now() - start) / count;
  };
  cost(2000);
  expect(cost(20_000)).toBeLessThan(cost(2000) * 5 + 0.02);
});
