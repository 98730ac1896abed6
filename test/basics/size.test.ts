import { expect, test } from "bun:test";
import { readSize, sizeText } from "../../src/basics/size";

test.each([
  ["0", 0],
  ["123", 123],
  ["5GB", 5_000_000_000],
  ["5 gb", 5_000_000_000],
  ["1.5GiB", 1_610_612_736],
  ["500M", 500_000_000],
  ["2k", 2000],
  ["10 B", 10],
])("%s is read", (text, bytes) => {
  expect(readSize(text)).toBe(bytes);
});

test.each(["", "GB", "-1", "1e9", "5 XB", "5i", "5iB", "1.2345GB", "999999999999999TB", "five"])(
  "%p is no size",
  (text) => {
    expect(readSize(text)).toBeNull();
  },
);

test("sizes are written with one digit behind the point at most, in the way of the language", () => {
  expect([0, 999, 1000, 4_940_000_000, 2e15].map((bytes) => sizeText(bytes))).toEqual([
    "0 B",
    "999 B",
    "1 kB",
    "4.9 GB",
    "2,000 TB",
  ]);
  expect(sizeText(4_940_000_000, "de")).toBe("4,9 GB");
});
