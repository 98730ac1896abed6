import { expect, test } from "bun:test";
import { createRecent } from "../../src/basics/recent";

test("what nobody has asked for the longest goes first, and what is too large alone is not kept", () => {
  const kept = createRecent<string>(10, (key, it) => key.length + it.length);
  kept.set("a", "123");
  kept.set("b", "123");
  expect(kept.get("a")).toBe("123");
  kept.set("c", "123");
  expect(["a", "b", "c"].map((key) => kept.get(key))).toEqual(["123", undefined, "123"]);
  kept.set("a", "12345678");
  expect(["a", "c"].map((key) => kept.get(key))).toEqual(["12345678", undefined]);
  kept.set("d", "1234567890");
  expect(["a", "d"].map((key) => kept.get(key))).toEqual([undefined, undefined]);
});
