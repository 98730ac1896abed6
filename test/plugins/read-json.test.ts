import { expect, test } from "bun:test";
import { readJson } from "../../src/plugins/skeleton";

const read = (body: string) => readJson(new Request("http://localhost/", { method: "POST", body }));

test("a body is read as JSON, also a long one of few parts", async () => {
  expect(await read('{"a":[1,"ü"]}')).toEqual({ a: [1, "ü"] });
  expect(await read(JSON.stringify({ file: "x".repeat(20_000_000) }))).toMatchObject({ file: expect.any(String) });
});

test("what is no JSON, or none at all, is told, and what has more parts than anybody sends is refused unread", async () => {
  await expect(read("{")).rejects.toMatchObject({ code: "invalid" });
  await expect(read("")).rejects.toMatchObject({ code: "invalid" });
  await expect(read(`{"a":${"[".repeat(30_000)}${"]".repeat(30_000)}}`)).rejects.toMatchObject({
    code: "invalid",
    message: "The body nests deeper than 64 levels.",
  });
  for (const part of ["[],", '{"a":1},', '"a",']) {
    await expect(read(`[${part.repeat(600_000)}1]`)).rejects.toMatchObject({ code: "tooLarge" });
  }
});
