import { expect, test } from "bun:test";
import { boundBody, readFields, readJson } from "../../src/basics/body";
import { costsOf } from "../support/cost";

type Body = string | FormData | URLSearchParams | ReadableStream<Uint8Array>;

const post = (body: Body, headers: Record<string, string> = {}) =>
  new Request("http://localhost/", { method: "POST", body, headers });
const read = (body: string) => readJson(post(body));

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

test("levels count where they are levels, and not in texts, however the bytes are cut", async () => {
  const text = '[{"a":"\\"[[[{{{\\\\","b[":[1,"]"]},"ü]",[[]]]';
  const bytes = new TextEncoder().encode(text);
  const single = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  expect(await readJson(post(single))).toEqual(JSON.parse(text));
  const levels = (count: number) => `{"a":${"[".repeat(count - 1)}${"]".repeat(count - 1)}}`;
  expect(await read(levels(64))).toBeDefined();
  await expect(read(levels(65))).rejects.toMatchObject({ code: "invalid" });
  expect(await read(`[${Array(1000).fill(levels(63)).join()}]`)).toHaveLength(1000);
});

test("a request has the bounds that were set for it, whether it says its length or not", async () => {
  const bounded = (body: Body, headers: Record<string, string> = {}) => {
    const request = post(body, headers);
    boundBody(request, { bytes: 1024, parts: 10 });
    return request;
  };
  const long = JSON.stringify("x".repeat(1100));
  const streamed = () => new Blob([long]).stream();
  for (const [body, headers] of [
    [streamed(), {}],
    [long, { "content-length": String(long.length) }],
  ] as const) {
    await expect(readJson(bounded(body, headers))).rejects.toMatchObject({
      code: "tooLarge",
      message: "The body of this request may have 1 KiB.",
    });
  }
  await expect(readFields(bounded(streamed()))).rejects.toMatchObject({ code: "tooLarge" });
  await expect(readJson(bounded("[1,2,3,4,5,6,7,8,9,10,11]"))).rejects.toMatchObject({ code: "tooLarge" });
  expect(await readJson(bounded("[1,2,3,4,5,6,7,8,9,10]"))).toHaveLength(10);
});

test("a form has up to a thousand fields in either encoding, and one that is none is refused", async () => {
  const multipart = (count: number) => {
    const form = new FormData();
    for (let index = 0; index < count; index++) form.append("f", "&".repeat(10));
    return form;
  };
  const encoded = (count: number) =>
    new URLSearchParams(Array.from({ length: count }, (): [string, string] => ["f", "v"]));
  for (const make of [multipart, encoded]) {
    expect((await readFields(post(make(999)))).getAll("f")).toHaveLength(999);
    await expect(readFields(post(make(2000)))).rejects.toMatchObject({ code: "tooLarge" });
  }
  for (const type of [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "text/plain",
    "multipart/form-data; boundary=b",
  ]) {
    await expect(readFields(post("--a\r\n", { "content-type": type }))).rejects.toMatchObject({ code: "invalid" });
  }
});

test("looking at what JSON is made of costs less than to parse it", async () => {
  const text = JSON.stringify(Array.from({ length: 4000 }, (_, index) => ({ name: `n${index}`, tags: ["a", "b"] })));
  const [whole = 0, parsed = 0] = await costsOf(
    () => read(text),
    () => JSON.parse(text),
  );
  expect(whole / parsed).toBeLessThan(4);
});
