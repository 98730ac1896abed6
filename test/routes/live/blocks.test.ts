import { describe, expect, test } from "bun:test";
import { createBlocks, splitBlocks } from "../../../src/routes/live/blocks";
import { markdown as render } from "../../../views/markdown";
import { en } from "../../../views/words/en";
import { SAMPLE } from "../../support/chat-data";

const markdown = (text: string) => render(text, en);

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

  test("a block is finished when the next has begun, or a blank line has ended it, and only then", () => {
    expect(splitBlocks("a\n\n")).toEqual({ finished: "a\n\n", tail: "" });
    expect(splitBlocks("```\na\n```\n\n")).toEqual({ finished: "```\na\n```\n\n", tail: "" });
    expect(splitBlocks("|a|\n|-|\n|b|\n\nc")).toEqual({ finished: "|a|\n|-|\n|b|\n\n", tail: "c" });
    expect(splitBlocks("    a\n\n")).toEqual({ finished: "", tail: "    a\n\n" });
    expect(splitBlocks("# a\n")).toEqual({ finished: "", tail: "# a\n" });
    expect(splitBlocks("# a\nb")).toEqual({ finished: "", tail: "# a\nb" });
    expect(splitBlocks("# a\nb\n")).toEqual({ finished: "# a\n", tail: "b\n" });
    expect(splitBlocks("- a\n\n- b\n")).toEqual({ finished: "", tail: "- a\n\n- b\n" });
    expect(splitBlocks("```\na\n\nb\n")).toEqual({ finished: "", tail: "```\na\n\nb\n" });
  });

  test("the same holds for whatever a model may make up", () => {
    const pieces =
      "a|b c|\n|\n\n|# |- |  - |1. |> |```|~~~\n|    |&a&b&\n&-&-&\n|&1&2&|---|===|*x*|\t|[l](u)|\r\n|- [ ] t|<b>|2) ";
    const list = pieces.split("|").map((piece) => piece.replaceAll("&", "|"));
    let seed = 7;
    const next = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return list[Math.floor(seed / 65536) % list.length] ?? "";
    };
    for (let round = 0; round < 2000; round++) {
      const document = Array.from({ length: 3 + (round % 20) }, next).join("");
      const blocks = createBlocks();
      let markup = "";
      for (const character of document) {
        blocks.push(character);
        markup += markdown(blocks.takeFinished()).markup;
      }
      markup += markdown(blocks.tail()).markup;
      if (markup !== markdown(document).markup) throw new Error(`It differs: ${JSON.stringify(document)}`);
    }
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
