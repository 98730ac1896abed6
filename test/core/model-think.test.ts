import { expect, test } from "bun:test";
import { createThinkFilter } from "../../src/core/model/think";

/** Text and thinking of a reply whose deltas are the given pieces. */
function filtered(pieces: readonly string[]): { thinking: string; text: string } {
  const filter = createThinkFilter();
  const result = { thinking: "", text: "" };
  for (const piece of [...pieces.flatMap((text) => filter.push(text)), ...filter.end()]) {
    expect(piece.text).not.toBe("");
    result[piece.type] += piece.text;
  }
  return result;
}

const CASES: [name: string, reply: string, thinking: string, text: string][] = [
  ["thinking before the text", "<think>let me see</think>\n\nYes.", "let me see", "Yes."],
  ["white space before the tag", " \n<think>hm</think>Yes.", "hm", "Yes."],
  ["a tag inside the thinking that closes nothing", "<think>a < b </thin> c</think>d", "a < b </thin> c", "d"],
  ["thinking twice", "<think>a</think>\n<think>b</think> c", "ab", "c"],
  ["empty thinking, as Qwen sends it", "<think>\n\n</think>\n\nYes.", "\n\n", "Yes."],
  ["thinking that is never closed", "<think>and then </thi", "and then </thi", ""],
  ["no tag", "Hello <b>you</b>", "", "Hello <b>you</b>"],
  ["white space at the start of plain text", "\n  indented", "", "\n  indented"],
  ["code that mentions the tag", "Use `<think>` and `</think>`.", "", "Use `<think>` and `</think>`."],
  ["a text that only begins like the tag", "<thinly", "", "<thinly"],
  ["a text that is over before the tag is", "<thi", "", "<thi"],
  ["nothing", "", "", ""],
];

for (const [name, reply, thinking, text] of CASES) {
  test(`${name}: the same for every split of the text in two, and for single characters`, () => {
    for (let at = 0; at <= reply.length; at++) {
      expect(filtered([reply.slice(0, at), reply.slice(at)])).toEqual({ thinking, text });
    }
    expect(filtered([...reply])).toEqual({ thinking, text });
  });
}

test("plain text is passed on at once, and thinking but for what may be the closing tag", () => {
  const filter = createThinkFilter();
  expect(filter.push("Hello")).toEqual([{ type: "text", text: "Hello" }]);
  const thinking = createThinkFilter();
  expect(thinking.push("<think>one <")).toEqual([{ type: "thinking", text: "one " }]);
  expect(thinking.push(" two")).toEqual([{ type: "thinking", text: "< two" }]);
});
