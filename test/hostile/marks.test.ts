/** Putting a run of combining marks in order takes time with the square of its length, so no text of a stranger is normalised as it comes. */

import { expect, test } from "bun:test";
import { allowedParameters } from "../../src/basics/allowed";
import { searchTerms, wordsToFind } from "../../src/basics/search-terms";
import { normaliseName } from "../../src/core/auth/accounts";
import { searchable } from "../../src/core/store/search";
import { accountKey } from "../../src/routes/session/sign-in";
import { cpuMs } from "../support/cpu";

const LENGTH = 10_000; // Half a second, where it is normalised as it comes.
const MARKS = `a${"\u0345".repeat(LENGTH / 2)}${"\u0316".repeat(LENGTH / 2)}`;
const LETTERS = "\u00e9\u0301 b".repeat(LENGTH / 4);

const user = { username: "bob", role: "user" } as const;

test.each([
  ["what is searched for", (text: string) => void wordsToFind(text)],
  ["what is found", (text: string) => void searchable("bob", 1, text)],
  ["what is found on another database", (text: string) => void searchTerms.of(text)],
  ["the name of an account", (text: string) => void normaliseName(text)],
  ["a name that signs in", (text: string) => void accountKey(text)],
  [
    "the name of a parameter",
    (text: string) => void allowedParameters(user, { [text]: 1, extra_body: { [text]: 1 } }, null),
  ],
])("%s takes as long in marks as in letters", (_, work) => {
  const costOf = (text: string): number => {
    work(text);
    const costs = Array.from({ length: 5 }, () => cpuMs(() => work(text)));
    return costs.sort((a, b) => a - b)[2] ?? 0;
  };
  const letters = costOf(LETTERS);
  // 10 ms are far from the half second, and far over what a clock of this kind can tell.
  expect(costOf(MARKS)).toBeLessThan(10 * letters + 10);
});
