/** LiteLLM's proxy as the endpoint of the product, in front of the scripted upstream: what it makes of an endpoint's answers. */

import { strict as assert } from "node:assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { textOf } from "../support/read-sse";
import { FAULTS, freePort, gate, httpError, interleave, reply, startUpstream, toolCall } from "../support/upstream";
import type { Counterpart, Stage } from "./counterpart";
import { endOf, failureIn, startProduct } from "./product";
import { startService } from "./python";

const KEY = "sk-world-0123456789abcdef0123456789abcdef"; // It starts with no shorter one.
const VERSION = "1.106.12";

export const litellm: Counterpart = {
  name: `LiteLLM ${VERSION}`,
  packages: [`litellm[proxy]==${VERSION}`],
  async run(stage) {
    const upstream = startUpstream();
    stage.atEnd(() => upstream.stop());
    const endpoint = await startProxy(stage, upstream.baseUrl);
    const product = await startProduct(stage, {
      endpoints: [
        { name: "litellm", base_url: endpoint, api_key_env: "LITELLM_KEY" },
        { name: "stranger", base_url: endpoint, api_key_env: "STRANGERS_KEY", models: ["not-let-in"] },
        { name: "missing", base_url: endpoint, api_key_env: "LITELLM_KEY", models: ["no-such-model"] },
      ],
      plugins: ["tools/ping.ts"],
      env: { LITELLM_KEY: KEY, STRANGERS_KEY: "sk-stranger-0123456789abcdef0123456789" },
    });
    const scripted = { model: "scripted" };

    await stage.check("its models are listed", async () => {
      const listed = await product.get<string[]>("/api/v1/models");
      assert.deepEqual(listed, ["scripted", "mock", "not-let-in", "no-such-model"]);
    });
    await stage.check("a reply comes piece by piece, with its usage", async () => {
      const open = gate();
      upstream.script({
        parts: ["First ", { wait: open.opened }, "last."],
        usage: { prompt_tokens: 5, completion_tokens: 6 },
      });
      const events = [];
      for await (const event of await product.watch("Hello", scripted)) {
        events.push(event);
        if (event.event === "message_tokens") open.open();
      }
      assert.equal(textOf(events), "First last.");
      const { input_tokens, output_tokens } = endOf(events).usage as Record<string, number>;
      assert.deepEqual([input_tokens, output_tokens], [5, 6]);
    });
    await stage.check("a reply that LiteLLM makes itself is read", async () => {
      assert.equal(textOf(await product.send("Hello", { model: "mock" })), "Good day from LiteLLM.");
    });
    await stage.check("thinking is shown as thinking", async () => {
      upstream.script({ parts: [{ reasoningContent: "Let me see." }, "Yes."] });
      const events = await product.send("Hello", scripted);
      assert.equal(textOf(events, "thinking_tokens"), "Let me see.");
      assert.equal(textOf(events), "Yes.");
    });
    await stage.check("a tool is called, and its result goes back", async () => {
      upstream.script({ parts: toolCall("ping", {}) }, reply("It works."));
      const events = await product.send("Call ping", scripted);
      assert.deepEqual(events.find(({ event }) => event === "tool_result")?.data.result, "pong");
      assert.equal(textOf(events), "It works.");
      const [called, result] = upstream.requests.at(-1)?.body.messages.slice(-2) ?? [];
      assert.equal(called?.tool_calls?.[0]?.function.name, "ping");
      assert.deepEqual([result?.role, result?.content], ["tool", "pong"]);
    });
    await stage.check("two calls at once are told apart", async () => {
      const calls = [0, 1].map((index) => toolCall("ping", { n: `${index}` }, { index, size: 2 }));
      upstream.script({ parts: interleave(...calls) }, reply("Both."));
      const events = await product.send("Call it twice", scripted);
      assert.equal(events.filter(({ event }) => event === "tool_call").length, 2);
      assert.equal(textOf(events), "Both.");
    });
    await stage.check("what a token limit cut says so", async () => {
      upstream.script({ parts: ["Half"], finish: "length" });
      assert.equal(endOf(await product.send("Hello", scripted)).reason, "length");
    });
    await stage.check("a picture is passed on", async () => {
      upstream.script(reply("A dot."));
      const files = [await product.upload("dot.png", PIXEL)];
      endOf(await product.send("What is it?", { ...scripted, files }));
      assert.match(
        JSON.stringify(upstream.requests.at(-1)?.body.messages.at(-1)),
        /data:image\/png;base64,iVBORw0KGgo/,
      );
    });

    const refusals = [
      ["a parameter", FAULTS.badRequest, /temperature must be at most 2/],
      ["a limit of requests", FAULTS.rateLimited, /Rate limit reached/],
      ["a conversation that is too long", httpError(400, "maximum context length is 8192 tokens"), /8192 tokens/],
      ["a fault of the server behind it", FAULTS.serverError, /The server had an error/],
      ["a fault in the middle of a reply", FAULTS.errorInStream, /engine is overloaded/],
    ] as const;
    for (const [what, answer, words] of refusals) {
      await stage.check(`${what} is told in the endpoint's words`, async () => {
        upstream.otherwise(answer);
        assert.match(failureIn(await product.send("Hello", scripted)), words);
      });
    }
    upstream.otherwise(reply("Hello."));
    await stage.check("a model that it does not have is told by name", async () => {
      assert.match(failureIn(await product.send("Hello", { model: "no-such-model" })), /no-such-model/);
    });
    await stage.check("a key that it does not take is told, and not shown", async () => {
      const told = failureIn(await product.send("Hello", { model: "not-let-in" }));
      assert.ok(told.length > 20);
      assert.doesNotMatch(told, /sk-stranger|0123456789abcdef/);
    });
    await stage.check("a reply is stopped in the middle, up to the endpoint behind it", async () => {
      const count = upstream.requests.length;
      upstream.script(FAULTS.hangAfterText);
      let turn = "";
      const events = [];
      for await (const event of await product.watch("Hello", scripted)) {
        events.push(event);
        turn ||= event.data.turn_id ?? "";
        if (event.event === "message_tokens") await product.stopTurn(turn);
      }
      assert.equal(endOf(events).reason, "stopped");
      await (await upstream.request(count + 1)).gone;
    });
  },
};

const PIXEL = new Blob([
  Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "base64",
  ),
]);

/** Its address as an endpoint. */
async function startProxy(stage: Stage, upstreamUrl: string): Promise<string> {
  const config = join(stage.folder, "litellm.json"); // JSON is YAML.
  const behind = { api_base: upstreamUrl, api_key: "none" };
  const models = [
    { model_name: "scripted", litellm_params: { model: "openai/test-model", ...behind } },
    {
      model_name: "mock",
      litellm_params: { model: "openai/mock", ...behind, mock_response: "Good day from LiteLLM." },
    },
  ];
  writeFileSync(
    config,
    JSON.stringify({ model_list: models, router_settings: { num_retries: 0, disable_cooldowns: true } }),
  );
  const port = freePort();
  const program = join(stage.python, "../litellm");
  const service = startService(stage, [program, "--config", config, "--host", "127.0.0.1", "--port", `${port}`], {
    LITELLM_MASTER_KEY: KEY,
    LITELLM_LOCAL_MODEL_COST_MAP: "True", // The list of prices comes from the internet otherwise.
  });
  await service.find(/Uvicorn running on/);
  return `http://127.0.0.1:${port}/v1`;
}
