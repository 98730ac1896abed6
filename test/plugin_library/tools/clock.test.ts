import { beforeAll, expect, test } from "bun:test";
import { startWithTools } from "../../support/library";

let server: Awaited<ReturnType<typeof startWithTools>>;

beforeAll(async () => {
  server = await startWithTools(["tools/clock.ts"]);
});

test("clock tells the time in a zone, and in UTC when none is named", async () => {
  for (const [args, offsetMs, name] of [
    [{}, 0, "UTC"],
    [{ zone: "Asia/Kolkata" }, 5.5 * 60 * 60 * 1000, "GMT+5:30"],
  ] as const) {
    const before = Date.now();
    const { outcome, told } = await server.call("clock", args);
    const text = String(outcome.result);
    expect(told).toBe(text);
    const possible = Array.from({ length: Math.ceil((Date.now() - before) / 1000) + 1 }, (_, seconds) => {
      const local = new Date(before + seconds * 1000 + offsetMs).toISOString();
      const day = new Date(local).toLocaleDateString("en-GB", { timeZone: "UTC", dateStyle: "full" });
      return `${day} at ${local.slice(11, 19)} ${name}`;
    });
    expect(possible).toContain(text);
  }
});

test("clock says what it wants instead of a zone that there is not", async () => {
  const { outcome } = await server.call("clock", { zone: "Middle-earth/Shire" });
  expect(outcome).toEqual({
    error: 'There is no time zone "Middle-earth/Shire"; give an IANA name such as UTC or Europe/Berlin.',
  });
});

test("clock tells the model what it takes", async () => {
  const { offered } = await server.call("clock", {});
  expect(offered.tools?.[0]?.function.parameters).toEqual({
    type: "object",
    properties: {
      zone: {
        type: "string",
        description: "IANA time zone such as Europe/Berlin or America/New_York.",
        default: "UTC",
      },
    },
    additionalProperties: false,
  });
});
