import { describe, expect, test } from "bun:test";
import { readArguments } from "../../src/tools/arguments";

const NONE = { type: "object", properties: {} };
const PLACE = { type: "object", properties: { city: { type: "string" } } };
const NAMED = { type: "object", properties: { name: { type: "string" } } };
const ONE = {
  type: "object",
  properties: {
    text: { type: "string" },
    tags: { type: "array", items: { type: "string" } },
    size: { type: ["integer", "null"] },
    place: { type: "object", properties: { x: { type: "number" }, y: { type: "number" } }, required: ["x"] },
    kind: { $ref: "#/$defs/kind" },
  },
  required: ["text"],
  $defs: { kind: { enum: ["a"] } },
};

describe("arguments that mean one thing", () => {
  const CASES: [text: string, schema: object, args: object][] = [
    ["", NONE, {}],
    [" \n", NONE, {}],
    ["null", NONE, {}],
    ["[]", NONE, {}],
    ["[{}]", NONE, {}],
    ['""', NONE, {}],
    ['"{}"', NONE, {}],
    ['"null"', NONE, {}],
    ['{"text":"a"}', ONE, { text: "a" }],
    ['[{"text":"a"}]', ONE, { text: "a" }],
    [JSON.stringify('{"text":"a"}'), ONE, { text: "a" }],
    [JSON.stringify(JSON.stringify('{"text":"a"}')), ONE, { text: "a" }],
    ['{"text":"a","tags":null,"size":null,"kind":null}', ONE, { text: "a", size: null }],
    ['{"text":"a","place":{"x":1,"y":null}}', ONE, { text: "a", place: { x: 1 } }],
    ['{"text":"a","tags":"[\\"b\\"]"}', ONE, { text: "a", tags: ["b"] }],
    ["None", NONE, {}],
    ['```json\n{"text":"a"}\n```', ONE, { text: "a" }],
    ['{"text":"a\n\tb","tags":["\\""]}', ONE, { text: "a\n\tb", tags: ['"'] }],
    ['{}{"text":"a"}', ONE, { text: "a" }],
    ['{"text":"a","place":{"x":"1.5"}}', ONE, { text: "a", place: { x: 1.5 } }],
    ['{"text":"a","place":{"x":1,"y":"null"}}', ONE, { text: "a", place: { x: 1 } }],
    ['{"text":5}', ONE, { text: "5" }],
    ['{"yes":"True"}', { type: "object", properties: { yes: { type: "boolean" } } }, { yes: true }],
    ['{"text":"a,}","tags":["b",],}', ONE, { text: "a,}", tags: ["b"] }],
    ['{"arguments":{"text":"a"}}', ONE, { text: "a" }],
    ['{"name":"write","arguments":{"text":5}}', ONE, { text: "5" }],
    ['{"name":"write","parameters":"{\\"text\\":\\"a\\"}"}', ONE, { text: "a" }],
    ['{"arguments":{}}', NONE, {}],
    ['{"arguments":{"city":"Lyon"}}', PLACE, { city: "Lyon" }],
    ['{"name":"find","arguments":{"name":"Ada"}}', NAMED, { name: "Ada" }],
    // What fits stays as it is.
    [
      '{"arguments":{"city":"Lyon"}}',
      { type: "object", properties: { arguments: {} } },
      { arguments: { city: "Lyon" } },
    ],
    ['{"arguments":{"city":"Lyon"}}', { type: "object" }, { arguments: { city: "Lyon" } }],
    ['{"name":"Ada","arguments":{}}', NAMED, { name: "Ada", arguments: {} }],
    ['{"text":"[1]","size":null,"odd":null}', ONE, { text: "[1]", size: null, odd: null }],
  ];
  test.each(CASES)("%s", (text, schema, args) => {
    expect(readArguments(text, schema)).toEqual(args as never);
  });
});

describe("arguments that do not fit are refused in words", () => {
  const CASES: [text: string, wrong: string][] = [
    ["{", "cannot be read as JSON"],
    ['"{"', "cannot be read as JSON"],
    ["[1,2]", "must be an object"],
    ["[1]", "must be an object"],
    ["null", "text"],
    ['{"text":null}', "/text must be a string"],
    ['{"text":["a"]}', "/text must be a string"],
    ['{"text":"a","place":{"x":"one"}}', "/place/x must be a number"],
    ['{"text":"a', "cannot be read as JSON"],
    ['{"text":"a","place":{"x":null}}', "/place/x must be a number"],
    ['{"text":"a","tags":"b"}', "/tags must be an array"],
    [[1, 2, 3].reduce((text) => JSON.stringify(text), "{}"), "must be an object"],
    [`${"[".repeat(100)}${"]".repeat(100)}`, "deeper"],
  ];
  test.each(CASES)("%s", (text, wrong) => {
    expect(() => readArguments(text, ONE)).toThrow(wrong);
  });
});
