import { expect, test } from "bun:test";
import { createTextReader, type TextPiece } from "../../../src/core/model/text";

/** A reader, and what it has told so far. */
function textReader() {
  const pieces: TextPiece[] = [];
  const reader = createTextReader((piece) => pieces.push(piece));
  const read = (text: string) => {
    reader.push(text);
    return pieces.splice(0);
  };
  const end = () => {
    reader.end();
    return pieces.splice(0);
  };
  return { read, end };
}

/** Text and thinking of a reply whose deltas are the given pieces. */
function filtered(pieces: readonly string[]): { thinking: string; text: string } {
  const { read, end } = textReader();
  const result = { thinking: "", text: "" };
  for (const piece of [...pieces.flatMap(read), ...end()]) {
    if (piece.type === "picture") throw new Error("a picture");
    if (piece.type === "wasThinking") {
      result.thinking += result.text;
      result.text = "";
      continue;
    }
    expect(piece.text).not.toBe("");
    result[piece.type] += piece.text;
  }
  return result;
}

const CASES: [name: string, reply: string, thinking: string, text: string][] = [
  ["thinking before the text", "<think>let me see</think>\n\nYes.", "let me see", "Yes."],
  ["white space before the tag", " \n<think>hm</think>Yes.", "hm", "Yes."],
  ["a tag inside the thinking that closes nothing", "<think>a < b </thin> c</think>d", "a < b </thin> c", "d"],
  ["attributes", '<think budget="200" lang=en>hm</think>Yes.', "hm", "Yes."],
  ["an element with words that are no mark", "<thin king>hm", "", "<thin king>hm"],
  ["a beginning with attributes that is cut", "<think budget=", "", "<think budget="],
  ["a beginning with a line break", "<think a\n>hm", "", "<think a\n>hm"],
  ["characters of no width before it", "\ufeff\u200b<think>hm</think>\u200bYes.", "hm", "Yes."],
  ["thinking twice", "<think>a</think>\n<think>b</think> c", "ab", "c"],
  ["empty thinking, as Qwen sends it", "<think>\n\n</think>\n\nYes.", "\n\n", "Yes."],
  ["thinking that is never closed", "<think>and then </thi", "and then </thi", ""],
  ["no tag", "Hello <b>you</b>", "", "Hello <b>you</b>"],
  ["white space at the start of plain text", "\n  indented", "", "\n  indented"],
  ["code that mentions the tag", "Use `<think>` and `</think>`.", "", "Use `<think>` and `</think>`."],
  ["a text that only begins like the tag", "<thinly", "", "<thinly"],
  ["a text that is over before the tag is", "<thi", "", "<thi"],
  ["nothing", "", "", ""],
  ["a mark in capitals", "<THINK>hm</Think>Yes.", "hm", "Yes."],
  ["brackets, as Mistral's have it", "[THINK]hm [/thin[/THINK]Yes.", "hm [/thin", "Yes."],
  ["other brackets, as Kimi's had it", "◁think▷hm◁/think▷Yes.", "hm", "Yes."],
  ["Seed's", "<seed:think>hm</seed:think>Yes.", "hm", "Yes."],
  ["marks around the answer too", "<think>hm</think>\n<answer>\nYes.</answer>", "hm", "Yes."],
  ["marks of an answer that is cut", "<think>hm</think><answer>Yes.</ans", "hm", "Yes.</ans"],
  ["marks around an answer that nothing was thought for", "<answer>42</answer>", "", "<answer>42</answer>"],
  ["such marks later on", "<think>hm</think>Write <answer>1</answer>.", "hm", "Write <answer>1</answer>."],
  [
    "a solution",
    "<|begin_of_thought|>hm<|end_of_thought|>\n\n<|begin_of_solution|>Yes.<|end_of_solution|>",
    "hm",
    "Yes.",
  ],
  ["a response", "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>", "hm", "Yes."],
  [
    "channels whose first mark is in the prompt",
    "analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.",
    "hm",
    "Yes.",
  ],
  ["a shorter name", "<reason>hm</reason>Yes.", "hm", "Yes."],
  ["Cohere's", "<|START_THINKING|>hm<|END_THINKING|>Yes.", "hm", "Yes."],
  ["Gemma's", "<|channel>thought\nhm<channel|>Yes.", "\nhm", "Yes."],
  ["Granite's words", "Here is my thought process:\nhm\nHere is my response:\nYes.", "\nhm\n", "Yes."],
  [
    "words like Granite's that are the answer",
    "Here's my thought process: yes.",
    "",
    "Here's my thought process: yes.",
  ],
  [
    "gpt-oss in the raw",
    "<|channel|>analysis<|message|>a <| b<|end|><|start|>assistant<|channel|>commentary<|message|>Soon.<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>",
    "a <| b",
    "Soon.Yes.",
  ],
  ["a reply that only begins like that", "<|channel|> is a token", "", " is a token"],
  ["the closing mark first", "</think>\n\nYes.", "", "Yes."],
  ["the closing mark alone, on its line", "hm so\n</think>\n\nYes.", "hm so\n", "Yes."],
  ["the closing mark alone, after a sentence", "So it is 4.</think>\nYes.", "So it is 4.", "Yes."],
  ["the closing mark alone, at the end", "hm so\n</think>", "hm so\n", ""],
  ["the closing mark alone, and later a named one", "hm\n</think>\nWrite\n</think>\nso", "hm\n", "Write\n</think>\nso"],
  ["the closing mark in code", "So:\n```\n</think>\n```\nYes.", "", "So:\n```\n</think>\n```\nYes."],
  [
    "the closing mark named",
    "The tag </think>\nends it, and `</think>` too.",
    "",
    "The tag </think>\nends it, and `</think>` too.",
  ],
  ["both marks named", "It has <think> and\n</think>\n.", "", "It has <think> and\n</think>\n."],
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
  const { read } = textReader();
  expect(read("Hello")).toEqual([{ type: "text", text: "Hello" }]);
  const thinking = textReader();
  expect(thinking.read("<think>one <")).toEqual([{ type: "thinking", text: "one " }]);
  expect(thinking.read(" two")).toEqual([{ type: "thinking", text: "< two" }]);
});

/** The text, and the pictures in it as their addresses between brackets. */
function withPictures(pieces: readonly string[]): string {
  const { read, end } = textReader();
  const told = [...pieces.flatMap(read), ...end()];
  return told
    .map((piece) => (piece.type === "picture" ? `<${piece.url}>` : "text" in piece ? piece.text : ""))
    .join("");
}

const PICTURES: [text: string, read: string][] = [
  ["See ![a cat](data:image/png;base64,iVBO+/8=) there", "See <data:image/png;base64,iVBO+/8=> there"],
  [
    "![](data:image/webp;base64,AA)![](data:image/png;base64,BB)",
    "<data:image/webp;base64,AA><data:image/png;base64,BB>",
  ],
  ["!![x](data:image/png;base64,AA)", "!<data:image/png;base64,AA>"],
  ["Wow! ![a](https://x.example/a.png) ![b] [c](d)!", "Wow! ![a](https://x.example/a.png) ![b] [c](d)!"],
  ["![a](data:image/png;base64,iVBO…)", "![a](data:image/png;base64,iVBO…)"],
  ["![a](data:image/png;base64,iVBO", "![a](data:image/png;base64,iVBO"],
  ["![a](data:text/html;base64,AA)", "![a](data:text/html;base64,AA)"],
  ["![a\nb](data:image/png;base64,AA)", "![a\nb](data:image/png;base64,AA)"],
  ["the end!", "the end!"],
];

test.each(PICTURES)("%s is the same however it is split", (text, expected) => {
  for (let at = 0; at <= text.length; at++) expect(withPictures([text.slice(0, at), text.slice(at)])).toBe(expected);
  expect(withPictures([...text])).toBe(expected);
});
