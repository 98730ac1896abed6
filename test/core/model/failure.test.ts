import { describe, expect, test } from "bun:test";
import { endpointWords } from "../../../src/core/model/failure";

describe("what an endpoint says of a failure", () => {
  test.each<[form: string, body: unknown, words: string]>([
    ["OpenAI's", { error: { message: "The prompt is too long", code: "x" } }, "The prompt is too long"],
    ["a sentence as the error", { error: "out of memory" }, "out of memory"],
    ["a word as the error, a sentence beside it", { error: "oom", message: "out of memory" }, "out of memory"],
    ["a detail", { detail: "no such adapter" }, "no such adapter"],
    ["a problem document", { title: "Bad Request", status: 400, detail: "no such adapter" }, "no such adapter"],
    [
      "a validator's list",
      {
        detail: [
          { loc: ["body", "top_p"], msg: "is not a number" },
          { loc: ["body", "stop", 0], msg: "is too long" },
        ],
      },
      "top_p: is not a number; stop.0: is too long",
    ],
    ["a list of errors", [{ error: { code: 400, message: "Bad schema of a tool" } }], "Bad schema of a tool"],
    ["errors by field", { seed: ["Must be a number."] }, "seed: Must be a number."],
    ["an object as the message", { object: "error", message: { detail: [{ msg: "bad order" }] } }, "bad order"],
    ["JSON in a string", JSON.stringify({ message: JSON.stringify({ error: { message: "no room" } }) }), "no room"],
    [
      "a gateway's, with the cause",
      { error: { message: "Provider returned error", metadata: { raw: '{"error":{"message":"busy upstream"}}' } } },
      "Provider returned error: busy upstream",
    ],
    ["capitals", { Message: "Access is denied" }, "Access is denied"],
    ["a word for programs alone", { error: { code: "insufficient_quota" } }, "insufficient_quota"],
    ["plain text", "  upstream\n connect\u0000 error ", "upstream connect error"],
    [
      "a page",
      "<!DOCTYPE html><html><head><title>504 Time-out &amp; more</title></head></html>",
      "504 Time-out & more",
    ],
    ["a page without a title", "<html><body><h1>Bad Gateway</h1><script>x()</script></body></html>", "Bad Gateway"],
    ["markup in a sentence", { message: "use <b>less</b> text" }, "use less text"],
    ["nothing", {}, ""],
    ["a number", 7, ""],
  ])("is found in %s", (_form, body, words) => {
    expect(endpointWords(body, null)).toBe(words);
  });

  test("is short, and ends with a mark where it was cut", () => {
    const words = endpointWords({ error: { message: `limit 8 ${"x".repeat(90_000)}` } }, null);
    expect(words).toStartWith("limit 8 xxx");
    expect(words).toHaveLength(300);
    expect(words).toEndWith("…");
  });

  test("costs no more for hostile text than for other text of its size", () => {
    const size = 200_000;
    const hostile = ["<", "<title", "a-", "sk-", "key: ", "[{", '{"error":'].map((piece) =>
      piece.repeat(size / piece.length),
    );
    const timeOf = (text: string) => {
      const beganMs = performance.now();
      endpointWords(text, "k3y");
      return performance.now() - beganMs;
    };
    const usual = Math.max(...Array.from({ length: 5 }, () => timeOf("plain words ".repeat(size / 12))));
    for (const text of hostile) {
      const times = Array.from({ length: 5 }, () => timeOf(text)).sort((a, b) => a - b);
      expect(times[2]).toBeLessThan(20 * Math.max(usual, 1));
    }
  });
});

describe("a key in it", () => {
  test.each<[what: string, text: string, key: string | null, shown: string]>([
    ["of this server", "Bad key 0123abcd.", "0123abcd", "Bad key …."],
    ["that is long, inside of other text", "url?k=a9f8e7d6c5b4a3f2e1&x", "a9f8e7d6c5b4a3f2e1", "url?k=…&x"],
    ["of somebody else", "Bad sk-ant-other-1234 and gsk_abcdefghijklmnopqrstuvw", "k", "Bad … and …"],
    ["that is half hidden", "Incorrect API key provided: abcd****wxyz.", null, "Incorrect API key provided: …"],
    ["after Bearer", "Got Bearer a1b2c3d4e5", null, "Got Bearer …"],
  ])("%s is not shown", (_what, text, key, shown) => {
    expect(endpointWords(text, key)).toBe(shown);
  });

  test.each<[what: string, text: string, key: string | null]>([
    ["a placeholder", "ollama has none of these, EMPTY", "ollama"],
    ["a placeholder of llama.cpp", "sk-no-key-required is fine", "sk-no-key-required"],
    ["a short key inside of a longer word", "the latest k3y5 and my-k3y", "k3y"],
    ["words that begin like keys", "disk-usage, task-manager 22, api-version 2024-02-01, key_value_cache_2", null],
    ["words after Bearer", "A Bearer token is missing; token expected here", null],
  ])("that is none is shown: %s", (_what, text, key) => {
    expect(endpointWords(text, key)).toBe(text);
  });
});
