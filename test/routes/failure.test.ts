import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/errors";
import { sentenceOf } from "../../src/routes/failure";
import { de } from "../../views/words/de";
import { en } from "../../views/words/en";

describe("what a person reads of an error", () => {
  test("is in their language when its reason is known", () => {
    const error = new AppError("limited", "Too many.", { retryAfterS: 7, reason: "manyMessages" });
    expect(sentenceOf(error, en)).toBe("Too many messages. Try again in 7 seconds.");
    expect(sentenceOf(error, de)).toContain("7 Sekunden");
  });

  test("is the error's own sentence otherwise, whatever its reason is called", () => {
    for (const reason of ["of-a-plugin", "toString", "__proto__", ""]) {
      expect(sentenceOf(new AppError("invalid", "As it says.", { reason }), de)).toBe("As it says.");
    }
  });
});
