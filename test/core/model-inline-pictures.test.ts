import { expect, test } from "bun:test";
import { createInlinePictures } from "../../src/core/model/inline-pictures";

/** The text, and the pictures in it as their addresses between brackets. */
function read(pieces: readonly string[]): string {
  const filter = createInlinePictures();
  const all = [...pieces.flatMap((text) => filter.push(text)), ...filter.end()];
  return all.map((piece) => (piece.type === "text" ? piece.text : `<${piece.url}>`)).join("");
}

const CASES: [text: string, read: string][] = [
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

test.each(CASES)("%s is the same however it is split", (text, expected) => {
  for (let at = 0; at <= text.length; at++) expect(read([text.slice(0, at), text.slice(at)])).toBe(expected);
  expect(read([...text])).toBe(expected);
});
