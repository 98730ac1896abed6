import { expect, test } from "bun:test";
import { isTooDeep, parseJson } from "../../src/basics/json";
import { costsOf } from "../support/cost";

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

test("a value may nest 64 levels, in lists and objects alike, however many stand side by side", () => {
  expect(isTooDeep(JSON.parse(nested(64)))).toBe(false);
  expect(isTooDeep(JSON.parse(nested(65)))).toBe(true);
  expect(isTooDeep(JSON.parse(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`))).toBe(true);
  expect(isTooDeep(JSON.parse(`[1,"x",null,{"a":${nested(63)}}]`))).toBe(true);
  expect(isTooDeep(JSON.parse(`[${Array(1000).fill(nested(63)).join()}]`))).toBe(false);
  expect([null, 1, "[[[", undefined].map((value) => isTooDeep(value))).toEqual([false, false, false, false]);
});

test("text is read within the levels given, and what is wrong with it is said", () => {
  expect(parseJson('{"a":[1]}', 2)).toEqual({ a: [1] });
  expect(() => parseJson('{"a":[1]}', 1)).toThrow("it nests deeper than 1 levels");
  expect(() => parseJson(nested(100_000))).toThrow("it nests deeper than 64 levels");
  expect(() => parseJson("{broken")).toThrow();
  expect(parseJson('["[[[[", "\\"]]]]"]', 1)).toEqual(["[[[[", '"]]]]']);
});

test("what nests too deep costs no more than a text of its size", async () => {
  const [deep, plain] = [nested(1_000_000), JSON.stringify("word ".repeat(200_000))];
  const [deepMs = 0, plainMs = 0] = await costsOf(
    () => expect(() => parseJson(deep)).toThrow(),
    () => parseJson(plain),
  );
  expect(deepMs / plainMs).toBeLessThan(10);
});
