import { expect, test } from "bun:test";
import { matchesPattern } from "../../src/tools/json-schema/pattern";
import { costsOf } from "../support/cost";
import { createRandom, type Random } from "../support/random";

const ATOMS =
  "a b . \\d \\w [ab] [^a] \\b ^ $ (a|b) (?:ab) (?<n>a) \\. \\u{61} \\u0062 \\x61 [\\]a] \\p{L} 1 | ( é (|a) \\B [a-c\\d]".split(
    " ",
  );
const COUNTS = ["", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}", "*?", "{2,}?"] as const;
const CHARACTERS = ["a", "b", "1", ".", "c", "é", "😀", "\n", "]", " "] as const;

function patternOf(random: Random, depth: number): string {
  let pattern = "";
  for (let count = random.integer(1, 4); count > 0; count--) {
    const atom = random.pick(ATOMS as [string, ...string[]]);
    if (atom === "(") pattern += depth > 0 ? `(${patternOf(random, depth - 1)})${random.pick(COUNTS)}` : "";
    else pattern += atom + (/^(?:[|^$]|\\[bB])$/.test(atom) ? "" : random.pick(COUNTS));
  }
  return pattern;
}

test("a text matches as it does with RegExp, whatever the expression", () => {
  const random = createRandom(3);
  let matched = 0;
  for (let round = 0; round < 15_000; round++) {
    // A name may stand for one group alone.
    const pattern = patternOf(random, 2).replace(/(?<=<n>.*)\?<n>/g, "");
    const text = Array.from({ length: random.integer(0, 6) }, () => random.pick(CHARACTERS)).join("");
    const wanted = new RegExp(pattern, "u").test(text);
    if (matchesPattern(pattern, text) !== wanted) throw new Error(`${pattern} and ${JSON.stringify(text)}: ${!wanted}`);
    matched += Number(wanted);
  }
  expect(matched).toBeGreaterThan(3000);
});

test("what looks around or back, is too large, or is no expression is not looked at", () => {
  for (const pattern of [
    "(?=a)b",
    "(?!a)b",
    "(?<=a)b",
    "(?<!a)b",
    "(a)\\1",
    "(?<n>a)\\k<n>",
    "(a{1,100}){1,100}",
    "(",
    "(?P<n>a)",
  ])
    expect([pattern, matchesPattern(pattern, "b")]).toEqual([pattern, null]);
});

test("an expression that RegExp needs minutes for costs no more than a harmless one that goes through the whole text", async () => {
  const text = `${" ".repeat(2000)}a`;
  for (const pattern of ["^\\s*(.*)\\s*x$", "^(\\s+)+$", "^(\\s|\\s)*$", "(\\s*)*b", "\\s*\\s*\\s*\\s*c"]) {
    const [harmless = 0, hostile = 0] = await costsOf(
      () => matchesPattern("^[^b]*b$", text),
      () => matchesPattern(pattern, text),
    );
    expect(matchesPattern(pattern, text)).toBe(false);
    expect(hostile / harmless).toBeLessThan(20);
  }
});

test("what would take long does not match", () => {
  expect(matchesPattern("^a*$", "a".repeat(1000))).toBe(true);
  expect(matchesPattern("^a*$", "a".repeat(1_000_000))).toBe(false);
});
