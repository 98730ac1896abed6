import { expect, test } from "bun:test";
import { AppError, type ErrorFacts } from "../../src/basics/errors";
import { answerStream, apiFailure, readDataUrl } from "../../src/kit/api";

const upstream = (facts: ErrorFacts) => new AppError("upstream", "It said no.", { facts });

test.each([
  ["a refusal that is about the request", upstream({ status: 429, code: "slow" }), { status: 429, code: "slow" }],
  [
    "one that the owner has to mend",
    upstream({ status: 401, code: "bad_key" }),
    { status: 502, code: "upstream_refused" },
  ],
  ["an endpoint that is silent", upstream({ isSilent: true }), { status: 504, code: "upstream_silent" }],
  [
    "what an endpoint says in a stream",
    upstream({ code: "odd", param: "x" }),
    { status: 502, code: "odd", param: "x" },
  ],
  ["an endpoint that is broken", upstream({ status: 500, code: "odd" }), { status: 502, code: "upstream" }],
  ["nobody's token", new AppError("unauthenticated", "Who?"), { status: 401, code: "invalid_api_key" }],
  ["another code", new AppError("forbidden", "No."), { status: 403, code: "forbidden" }],
  ["a fault in the code", new TypeError("x is undefined"), { status: 500, code: "internal" }],
])("a client is told of %s", (_, error, told) => {
  expect(apiFailure(error)).toMatchObject(told);
});

test("a fault in the code says nothing of itself", () => {
  expect(JSON.stringify(apiFailure(new TypeError("x is undefined")))).not.toContain("undefined");
});

const failed = (error: unknown) => ({ data: `failed: ${error instanceof Error ? error.message : ""}` });

test("what fails before the first message is thrown, and what fails later is the last message", async () => {
  const failing = async function* (words: readonly string[]) {
    for (const data of words) yield { data };
    throw new Error("broken");
  };
  expect(answerStream(failing([]), failed)).rejects.toThrow("broken");
  const text = await (await answerStream(failing(["one", "two"]), failed)).text();
  expect(text.match(/^data: .*$/gm)).toEqual(["data: one", "data: two", "data: failed: broken"]);
});

test("when the client leaves, the messages are asked to return, also when it had the first alone", async () => {
  const left = Promise.withResolvers<string>();
  const endless = async function* () {
    try {
      for (;;) yield { data: "more" };
    } finally {
      left.resolve("returned");
    }
  };
  const { body } = await answerStream(endless(), failed);
  await body?.cancel();
  expect(await left.promise).toBe("returned");
});

test("an address with bytes in it is read, whatever stands before the comma, and no other", async () => {
  const picture = readDataUrl("data:image/gif;charset=x;base64,R0lGOA==");
  expect([picture?.type, await picture?.text()]).toEqual(["image/gif", "GIF8"]);
  const others = ["", "https://a.example/b.png", "data:text/plain,hello", "data:;base64,AAAA", "data:image/png;base64"];
  expect(others.map(readDataUrl)).toEqual(others.map(() => null));
  const begun = performance.now();
  expect(readDataUrl(`data:image/png${";base64".repeat(100_000)},AAAA`)).toBeNull();
  expect(performance.now() - begun).toBeLessThan(1000);
});
