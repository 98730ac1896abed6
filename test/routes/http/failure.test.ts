import { beforeAll, describe, expect, test } from "bun:test";
import { AppError } from "../../../src/basics/errors";
import { failureOf, sentenceOf } from "../../../src/routes/http/failure";
import { de } from "../../../views/words/de";
import { en } from "../../../views/words/en";
import { type Client, startServer } from "../../support/server";

describe("what a person reads of an error", () => {
  test("is in their language when its reason is known", () => {
    const error = new AppError("limited", "Too many.", { retryAfterS: 7, reason: "manyMessages" });
    expect(sentenceOf(error, en)).toBe("Too many messages. Try again in 7 seconds.");
    expect(sentenceOf(error, de)).toContain("7 Sekunden");
  });

  test("is the error's own sentence otherwise, whatever its reason is called", () => {
    for (const reason of ["of-a-plugin", "toString", "__proto__", ""]) {
      expect(sentenceOf(new AppError("invalid", "As it says.", { reason }), de)).toBe("As it says.");
    }
  });
});

test("a process that can open no more files says so, as something that passes", () => {
  const error = Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
  expect(failureOf(error, "UNKNOWN")).toMatchObject({ status: 503, retryAfterS: 5, cause: error });
  expect(failureOf(new Error("other"), "UNKNOWN").status).toBe(500);
});

describe("a method that an address does not take", () => {
  let ann: Client;
  beforeAll(async () => {
    ann = await (await startServer()).signIn("ann");
  });

  test.each([
    ["PUT", "/health", "GET, HEAD, OPTIONS"],
    ["PUT", "/api/v1/threads/5", "GET, POST, DELETE, HEAD, OPTIONS"],
    ["GET", "/api/v1/message", "POST, OPTIONS"],
    ["HEAD", "/api/v1/message/", "POST, OPTIONS"],
    ["PUT", "/api/v1/files", "POST, GET, HEAD, OPTIONS"],
    ["PATCH", "/api/v1/turns/5/tools/6", "POST, OPTIONS"],
    ["POST", "/static/style.css", "GET, HEAD, OPTIONS"],
    ["DELETE", "/", "GET, HEAD, OPTIONS"],
  ])(
    "%s %s is refused with the methods that can be used there, which OPTIONS tells too",
    async (method, path, allow) => {
      const response = await ann.fetch(path, { method });
      expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
      if (method !== "HEAD")
        expect(await response.json()).toEqual({ detail: expect.stringContaining(`not ${method}`) });
      const options = await ann.fetch(path, { method: "OPTIONS" });
      expect([options.status, options.headers.get("allow")]).toEqual([204, allow]);
    },
  );

  test("an address without any route is not there, whatever the method", async () => {
    for (const method of ["GET", "PUT", "OPTIONS"]) {
      expect((await ann.fetch("/api/v1/nowhere", { method })).status).toBe(404);
    }
  });

  test("is shown to a browser as a page", async () => {
    const response = await ann.fetch("/login", { method: "PUT", headers: { accept: "text/html" } });
    expect([response.status, response.headers.get("content-type")]).toEqual([405, "text/html; charset=utf-8"]);
  });
});
