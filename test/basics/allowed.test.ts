import { beforeAll, expect, test } from "bun:test";
import type { Plugin } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { type Client, startServer, type TestServer } from "../support/server";
import { reply, startUpstream, type Upstream } from "../support/upstream";

const SPENT = "Your budget for this month is spent. It begins anew on 1 December.";

let isSpent = true;
let upstream: Upstream;
let server: TestServer;
let client: Client;

const budget: Plugin = {
  name: "budget",
  provide: {
    auth: (_core, base) => ({
      ...base,
      requestAllowed: async (user, model) => !isSpent && base.requestAllowed(user, model),
      whyRefused: async () => (isSpent ? SPENT : null),
    }),
  },
};

beforeAll(async () => {
  upstream = startUpstream({ models: ["small-model", "big-model"] });
  atEnd(() => upstream.stop());
  server = await startServer({ config: { openaiBaseUrl: upstream.baseUrl }, plugins: [budget] });
  client = await server.signIn("bob");
});

test("a refusal says why when auth does, whether or not a model was named, and nothing is sent", async () => {
  isSpent = true;
  for (const body of [{ content: "Hello" }, { content: "Hello", model: "small-model" }]) {
    const response = await client.post("/api/v1/message", body);
    expect([response.status, await response.json()]).toEqual([403, { detail: SPENT }]);
  }
  expect(upstream.requests).toEqual([]);
});

test("a refusal in the middle of a turn says why too", async () => {
  isSpent = false;
  upstream.script(() => {
    isSpent = true;
    return { parts: [{ delta: { tool_calls: [{ index: 0, id: "c", function: { name: "none", arguments: "{}" } }] } }] };
  }, reply("Never sent."));
  const text = await (await client.post("/api/v1/message", { content: "Hello" })).text();
  expect(text).toContain(SPENT);
  expect(upstream.requests).toHaveLength(1);
});

test("a refusal without a reason names the model", async () => {
  isSpent = false;
  const response = await client.post("/api/v1/message", { content: "Hello", model: "big-model" });
  expect([response.status, await response.json()]).toEqual([403, { detail: 'You may not use the model "big-model".' }]);
});
