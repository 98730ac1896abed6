import { expect, test } from "bun:test";
import { imageTypeOf, inlineTypeOf, scaledDown } from "../../src/basics/image";
import { PIXEL } from "../support/pixel";

const bytes = (text: string) => Buffer.from(text, "latin1");

test.each([
  ["\x89PNG\r\n\x1a\n", "image/png"],
  ["\xff\xd8\xff\xe0", "image/jpeg"],
  ["GIF89a", "image/gif"],
  ["RIFF\n\0\0\0WEBPVP8 ", "image/webp"],
  ["\0\0\0\x1cftypavif", "image/avif"],
  ["\0\0\0\x18ftypheic", "image/heic"],
  ["BM\x10\0\0\0\0\0\0\0", "image/bmp"],
  ["II*\0", "image/tiff"],
  ["<svg xmlns='http://www.w3.org/2000/svg'>", null],
  ["BM is how a text may begin", null],
  ["RIFF\n\0\0\0WAVEfmt ", null],
  ["", null],
] as const)("a picture is known by how its bytes begin: %j", (head, type) => {
  expect(imageTypeOf(bytes(head))).toBe(type);
});

/** The boxes of an AVIF picture up to its size. */
function avif(width: number, height: number): Blob {
  const box = Buffer.alloc(20);
  box.writeUInt32BE(20);
  box.write("ispe", 4);
  box.writeUInt32BE(width, 12);
  box.writeUInt32BE(height, 16);
  return new Blob([bytes("\0\0\0\x1cftypavif\0\0\0\0mif1avifmiaf"), box]);
}

test("what a browser may show has a size that can be read, and of at most 50 megapixels", async () => {
  expect(await inlineTypeOf(new Blob([PIXEL]))).toBe("image/png");
  expect(await inlineTypeOf(avif(8000, 6000))).toBe("image/avif");
  expect(await inlineTypeOf(avif(80_000, 60_000))).toBeNull();
  expect(await inlineTypeOf(new Blob([bytes("\0\0\0\x1cftypavif and no size")]))).toBeNull();
  expect(await inlineTypeOf(new Blob([bytes("\x89PNG\r\n\x1a\n and no more")]))).toBeNull();
  expect(await inlineTypeOf(new Blob([bytes("BM\x10\0\0\0\0\0\0\0")]))).toBeNull();
});

test("pictures are made smaller, many at once too, and never larger; what is none is null", async () => {
  const large = new Blob([await new Bun.Image(PIXEL).resize(900, 300).png().bytes()]);
  const made = await Promise.all(Array.from({ length: 6 }, () => scaledDown(large, 300, "webp")));
  for (const picture of made)
    expect(await new Bun.Image(picture ?? "").metadata()).toMatchObject({ width: 300, height: 100, format: "webp" });
  expect(await new Bun.Image((await scaledDown(new Blob([PIXEL]), 300, "jpeg")) ?? "").metadata()).toMatchObject({
    width: 1,
    height: 1,
  });
  expect(await scaledDown(new Blob(["words"]), 300, "webp")).toBeNull();
});
