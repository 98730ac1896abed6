import { describe, expect, test } from "bun:test";
import { createBlocks, splitBlocks } from "../../../src/routes/live/blocks";
import { markdown } from "../../../views/markdown";
import { SAMPLE } from "../../support/chat-data";

const DOCUMENTS = [
  SAMPLE,
  "a\nb\n\nc\n===\n\nd\n- - -\n",
  "- a\n\n- b\n\n  c\n\n      code\n\n1. d\n\ne",
  "> a\nlazy\n\n> b\n\n```\n\n# no heading\n\n```\n    code\n\n    more\n\nend",
  "|a|b|\n|-|-|\n|1|2|\nno table\n\n~~~\nopen fence\n\n- x",
  "a\r\n\r\nb\r\n\r\n- c\r\n",
  "\n\n\n# a\n# b\n# c\n",
  "- a\n - b\n  - c\n\ttab\n\n***\n* d",
  "text\n<div>\n\nhtml\n</div>\n\n[a]: <x>\n",
];

describe("blocks", () => {
  test.each(DOCUMENTS)("however a document arrives, its blocks rendered one by one are the document (%#)", (text) => {
    for (const size of [1, 2, 7, 50]) {
      const blocks = createBlocks();
      let markup = "";
      let source = "";
      for (let at = 0; at < text.length; at += size) {
        blocks.push(text.slice(at, at + size));
        const finished = blocks.takeFinished();
        source += finished;
        markup += markdown(finished).markup;
      }
      expect(source + blocks.tail()).toBe(text);
      expect(markup + markdown(blocks.tail()).markup).toBe(markdown(text).markup);
    }
  });

  test("a block is finished when the next has begun, and only then", () => {
    expect(splitBlocks("# a\n")).toEqual({ finished: "", tail: "# a\n" });
    expect(splitBlocks("# a\nb")).toEqual({ finished: "", tail: "# a\nb" });
    expect(splitBlocks("# a\nb\n")).toEqual({ finished: "# a\n", tail: "b\n" });
    expect(splitBlocks("- a\n\n- b\n")).toEqual({ finished: "", tail: "- a\n\n- b\n" });
    expect(splitBlocks("```\na\n\nb\n")).toEqual({ finished: "", tail: "```\na\n\nb\n" });
  });

  test("what is kept to be looked at again does not grow with the document", () => {
    const blocks = createBlocks();
    let longest = 0;
    for (let index = 0; index < 2000; index++) {
      blocks.push(`Paragraph ${index}\n\n`);
      blocks.takeFinished();
      longest = Math.max(longest, blocks.tail().length);
    }
    expect(longest).toBeLessThan(60);
  });
});
