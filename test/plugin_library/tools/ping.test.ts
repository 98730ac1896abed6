import { expect, test } from "bun:test";
import { startWithTools } from "../../support/library";

test("ping answers pong, to the user and to the model", async () => {
  const { call } = await startWithTools(["tools/ping.ts"]);
  const { outcome, offered, told } = await call("ping", {});
  expect(outcome).toEqual({ result: "pong" });
  expect(told).toBe("pong");
  expect(offered.tools).toEqual([
    {
      type: "function",
      function: {
        name: "ping",
        description: 'Answers "pong". Call it when you are asked whether tools work.',
        parameters: { type: "object", properties: {}, additionalProperties: false },
      },
    },
  ]);
});
