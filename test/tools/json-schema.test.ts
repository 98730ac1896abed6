import { describe, expect, test } from "bun:test";
import { type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import "elysia"; // Registers the formats that the server knows.
import { misfit } from "../../src/tools/json-schema";

const defs = { $defs: { "a/b": { type: "string" } }, properties: { x: { $ref: "#/$defs/a~1b" } } };
const tree = { properties: { left: { $ref: "#" }, value: { type: "number" } }, required: ["value"] };

const plain: [schema: unknown, value: unknown, wrong: string | null][] = [
  [{ type: "object", properties: { zone: { type: "string" } } }, { zone: 5 }, "/zone must be a string"],
  [{ type: "object" }, [], "they must be an object"],
  [{ type: ["integer", "null"] }, 1.5, "they must be an integer or null"],
  [{ type: ["integer", "null"] }, null, null],
  [{ type: "number" }, JSON.parse("1e999"), "they must be a number"],
  [{ type: "Date" }, "anything", null],
  [{ required: ["zone"] }, {}, "they must have zone"],
  [{ required: ["constructor"] }, {}, "they must have constructor"],
  [{ properties: { constructor: { type: "string" } } }, {}, null],
  [{ properties: { toString: { type: "string" } } }, { toString: 1 }, "/toString must be a string"],
  [{ properties: { a: {} }, additionalProperties: false }, { a: 1, b: 2 }, "they must not have b, only a"],
  [
    { properties: { a: {} }, additionalProperties: false },
    JSON.parse('{"__proto__":1}'),
    "they must not have __proto__, only a",
  ],
  [{ additionalProperties: { type: "number" } }, { a: 1, b: "x" }, "/b must be a number"],
  [{ patternProperties: { "^n": { type: "number" } } }, { n: "x", s: "x" }, "/n must be a number"],
  [{ patternProperties: { "(?=n)": { type: "number" } }, additionalProperties: false }, { n: "x", s: "x" }, null],
  [{ minProperties: 1 }, {}, "they must have 1 or more"],
  [{ enum: ["a", "b", 1] }, "c", 'they must be one of "a", "b", 1'],
  [{ enum: [{ a: [1] }] }, { a: [1] }, null],
  [{ const: null }, 0, "they must be null"],
  [{ minimum: 1, maximum: 3 }, 0, "they must be 1 or more"],
  [{ minimum: 1, maximum: 3 }, 4, "they must be 3 or less"],
  [{ exclusiveMinimum: 1 }, 1, "they must be over 1"],
  [{ exclusiveMaximum: 1 }, 1, "they must be under 1"],
  [{ multipleOf: 0.1 }, 0.3, null],
  [{ multipleOf: 0.1 }, 0.35, "they must be a multiple of 0.1"],
  [{ minLength: 2, maxLength: 3 }, "a", "they must have 2 characters or more"],
  [{ minLength: 2, maxLength: 3 }, "abcd", "they must have 3 characters or fewer"],
  [{ pattern: "^a+$" }, "b", "they must match ^a+$"],
  [{ pattern: "(?P<name>x)" }, "b", null],
  [{ format: "date-time" }, "yesterday", "they must be a date-time such as 2026-01-31T09:00:00Z"],
  [{ format: "date-time" }, "2026-01-31T09:00:00+02:00", null],
  [{ format: "no-such-format" }, "anything", null],
  [{ items: { type: "number" } }, [1, "x"], "/1 must be a number"],
  [{ items: [{ type: "number" }], additionalItems: false }, [1, 2], "/1 must not be given"],
  [{ prefixItems: [{ type: "number" }], items: { type: "string" } }, [1, 2], "/1 must be a string"],
  [{ minItems: 1 }, [], "they must have 1 items or more"],
  [{ maxItems: 1 }, [1, 2], "they must have 1 items or fewer"],
  [{ uniqueItems: true }, [{ a: 1 }, { a: 1 }], "they must not have an item twice"],
  [{ anyOf: [{ type: "string" }, { type: "null" }] }, 1, "they must be a string, or they must be null"],
  [{ oneOf: [{ minimum: 1 }, { maximum: 2 }] }, 1.5, "they must fit one of its forms only"],
  [{ allOf: [{ minimum: 1 }, { maximum: 2 }] }, 3, "they must be 2 or less"],
  [{ not: { pattern: "(?=x)" } }, "x", null],
  [{ not: { pattern: "x" } }, "x", "they must not have a form that is ruled out"],
  [{ not: { type: "string" } }, "x", "they must not have a form that is ruled out"],
  [defs, { x: 1 }, "/x must be a string"],
  [tree, { value: 1, left: { value: 2, left: {} } }, "/left/left must have value"],
  [{ $ref: "#/nowhere" }, 1, null],
  [{ $ref: "https://example.com/schema.json" }, 1, null],
  [{ $ref: "#/%" }, 1, null],
  [true, 1, null],
  [false, 1, "they must not be given"],
  [null, 1, null],
  [{ type: 7, enum: "x", required: 3, properties: [], items: 4, anyOf: {}, minimum: "x", format: {} }, {}, null],
];

describe("a plain JSON schema", () => {
  test.each(plain)("%j and %j: %p", (schema, value, wrong) => {
    expect(misfit(schema, value)).toBe(wrong);
  });

  test("that refers to itself in a circle ends with a refusal, and soon", () => {
    const circle = { anyOf: [{ $ref: "#" }, { $ref: "#" }] };
    expect(misfit({ $ref: "#" }, 1)).toBe("they must nest less deep to be checked");
    expect(misfit(circle, 1)).toContain("must nest less deep");
  });

  test("lets no value overflow the stack", () => {
    const deep = JSON.parse("[".repeat(50_000) + "]".repeat(50_000));
    expect(misfit({ items: { $ref: "#" } }, deep)).toMatch(/\/0\/0.* must nest less deep to be checked$/);
  });

  test("says no more of what would have been right than a model can use", () => {
    expect(misfit({ enum: Array.from({ length: 10_000 }, (_, at) => at) }, "x")?.length).toBeLessThan(600);
  });
});

const typed: [name: string, schema: TSchema][] = [
  ["object", Type.Object({ a: Type.String(), b: Type.Optional(Type.Integer({ minimum: 0 })) })],
  ["closed object", Type.Object({ a: Type.Unknown() }, { additionalProperties: false })],
  ["record", Type.Record(Type.String(), Type.Number())],
  ["union", Type.Union([Type.Literal("a"), Type.Null(), Type.Array(Type.Boolean())])],
  ["tuple", Type.Tuple([Type.String(), Type.Number()])],
  ["intersection", Type.Intersect([Type.Object({ a: Type.String() }), Type.Object({ b: Type.Number() })])],
  ["recursion", Type.Recursive((This) => Type.Object({ a: Type.Optional(This), b: Type.Optional(Type.String()) }))],
  ["date", Type.String({ format: "date-time" })],
];

const values: unknown[] = [
  ...["a", "x", "2026-01-31T09:00:00Z", 0, 1, -1, 1.5, true, null],
  ...[[], [true], [1, "a"], ["a", 1], ["a", 1, 2], {}, { a: "x" }, { a: 1 }, { a: "x", b: 1 }, { a: "x", b: -1 }],
  ...[{ a: { a: { b: "x" } } }, { a: { a: { b: 1 } } }, { c: 3 }],
];

test.each(typed)("a schema of TypeBox (%s) is read as TypeBox reads it", (_, schema) => {
  for (const value of values) {
    expect({ value, fits: misfit(schema, value) === null }).toEqual({ value, fits: Value.Check(schema, value) });
  }
});

test("expressions that take for ever are given up, and what they were to hold does not fit", () => {
  const schema = { type: "array", items: { type: "string", pattern: "^(a+)+$" } };
  const begun = performance.now();
  expect(misfit(schema, ["aaa", ...Array(100).fill(`${"a".repeat(40)}!`)])).toBe("/1 must match ^(a+)+$");
  expect(
    misfit({ type: "array", items: { anyOf: [schema.items, { const: 1 }] } }, Array(100).fill("b")),
  ).not.toBeNull();
  const forms = Array(100).fill(schema.items);
  expect(misfit({ anyOf: forms }, `${"a".repeat(40)}!`)).not.toBeNull();
  expect(performance.now() - begun).toBeLessThan(20_000); // Without an end it would be minutes.
}, 60_000);
