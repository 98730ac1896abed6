import { expect, test } from "bun:test";
import { searchTerms } from "../../src/basics/search-terms";

test.each([
  ["The CAFÉ of Łódź", "the cafe of lodz"],
  ["oﬃce so\u00adft", "office soft"],
  ["iPhone手机", "iphone 手 机 手机"],
  ["北京大学", "北 京 北京 大 京大 学 大学"],
  ["again again", "again"],
  ["", ""],
  ["–  🙂", ""],
  ["x".repeat(300), "x".repeat(100)],
  ["\ud800 a\0b", "a b"],
])("%p is found by %p", (text, wanted) => {
  expect([...searchTerms.of(text)].join(" ")).toBe(wanted);
});

test.each([
  ["Café noir", "cafe", "noir", ""],
  ["the wh", "the wh", null, ""],
  ["大学", "大 学 大学", null, ""],
  ["京都大学", "京 都 京都 大 都大 学 大学", null, "京都大学"],
  ["手机iPh", "手 机 手机", "iph", "手机iph"],
  ["iPhone手", "iphone 手", null, "iphone手"],
  ["a & b | (c*)", "a b c", null, ""],
  ["\0 \ud800 '", "", null, ""],
])("%p asks for %p, a beginning of %p and %p together", (text, terms, beginning, together) => {
  const asked = searchTerms.asked(text);
  expect([asked.terms.join(" "), asked.beginning, asked.together.join(" ")]).toEqual([terms, beginning, together]);
});

test("of a long text the first 32 words are asked for, and what is found by them is found", () => {
  const { terms } = searchTerms.asked(Array.from({ length: 50 }, (_, n) => `w${n}`).join(" "));
  expect([terms.length, terms.at(-1)]).toEqual([31, "w30"]);
});
