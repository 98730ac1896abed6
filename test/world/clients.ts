/** Clients of OpenAI's API, of npm and of PyPI, as clients of `openai-endpoint`. The model is scripted by what is asked of it. */

import { strict as assert } from "node:assert";
import OpenAI from "openai";
import { VERSION } from "openai/version";
import { type Answer, FAULTS, httpError, reply, startUpstream, toolCall, type UpstreamBody } from "../support/upstream";
import type { Counterpart, Stage } from "./counterpart";
import { startProduct } from "./product";
import { runClient } from "./python";

const OPENAI_PYTHON = "3.57.0";
const LANGCHAIN = "1.7.4";

export const openaiForPython: Counterpart = {
  name: `openai ${OPENAI_PYTHON} of PyPI`,
  packages: [`openai==${OPENAI_PYTHON}`],
  run: (stage) => runAgainstProduct(stage, (...args) => runClient(stage, "openai-client.py", ...args)),
};

export const langChain: Counterpart = {
  name: `LangChain (langchain-openai ${LANGCHAIN})`,
  packages: [`langchain-openai==${LANGCHAIN}`],
  run: (stage) => runAgainstProduct(stage, (...args) => runClient(stage, "langchain-client.py", ...args)),
};

/** More of it is in the ordinary tests (test/plugin_library/functions/openai-endpoint.test.ts); here it is against a process. */
export const openaiForNode: Counterpart = {
  name: `openai ${VERSION} of npm`,
  run: (stage) => runAgainstProduct(stage, (baseURL, apiKey) => useClient(stage, baseURL, apiKey)),
};

async function runAgainstProduct(stage: Stage, use: (baseUrl: string, key: string) => Promise<void>): Promise<void> {
  const upstream = startUpstream({ models: ["small"] });
  stage.atEnd(() => upstream.stop());
  upstream.otherwise(answerTo(upstream.requests));
  const product = await startProduct(stage, {
    endpoints: [{ name: "scripted", base_url: upstream.baseUrl }],
    plugins: ["functions/openai-endpoint.ts"],
    env: { MODEL_MAX_RETRIES: "0" },
  });
  await use(`${product.address}/_plugin/openai/v1`, product.token);
}

const USAGE = { prompt_tokens: 5, completion_tokens: 6 };

/** A client cannot look into the upstream, so it asks: "how often MESSAGE" is answered with a number. */
function answerTo(requests: readonly { readonly body: UpstreamBody }[]): (body: UpstreamBody) => Answer {
  const times = (said: string) => requests.filter(({ body }) => said === lastOf(body)).length;
  return (body) => {
    const said = lastOf(body);
    const fault = /^fault (\w+)/.exec(said)?.[1];
    if (fault && fault in FAULTS) return FAULTS[fault as keyof typeof FAULTS];
    if (said.startsWith("how often ")) return reply(`${times(said.slice("how often ".length))}`);
    if (said.startsWith("busy ") && times(said) === 1) return httpError(429, "Slow down.", { "retry-after": "0" });
    if (said.startsWith("call ")) {
      const cities = said.slice("call ".length).split(",");
      return { parts: cities.flatMap((city, index) => toolCall("weather", { city }, { index })) };
    }
    if (said === "think") return { parts: [{ reasoningContent: "Let me see." }, "Yes."] };
    if (body.response_format) return reply('{"city": "Rome", "degrees": 21}');
    return { ...reply(`You said: ${said}`), usage: USAGE };
  };
}

function lastOf({ messages }: UpstreamBody): string {
  const content = messages.at(-1)?.content;
  return typeof content === "string" ? content : JSON.stringify(content);
}

const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const WEATHER = {
  function: {
    name: "weather",
    description: "The weather of a city.",
    parameters: SCHEMA,
  },
};

function tell({ city }: { city: string }): string {
  return `${city}: sun`;
}

async function useClient(stage: Stage, baseURL: string, apiKey: string): Promise<void> {
  const client = new OpenAI({ baseURL, apiKey, maxRetries: 2, logLevel: "off" });
  const ask = (content: string) => ({ model: "small", messages: [{ role: "user" as const, content }] });
  const say = async (content: string) => (await client.chat.completions.create(ask(content))).choices[0]?.message;

  await stage.check("models are listed", async () => {
    assert.deepEqual(
      (await client.models.list()).data.map(({ id }) => id),
      ["small"],
    );
    assert.equal((await client.models.retrieve("small")).id, "small");
  });
  await stage.check("a whole answer with its usage", async () => {
    const answer = await client.chat.completions.create(ask("Hello"));
    assert.equal(answer.choices[0]?.message.content, "You said: Hello");
    assert.equal(answer.usage?.total_tokens, 11);
  });
  await stage.check("an answer in pieces", async () => {
    let [text, pieces] = ["", 0];
    for await (const chunk of await client.chat.completions.create({ ...ask("one two three"), stream: true })) {
      text += chunk.choices[0]?.delta.content ?? "";
      pieces++;
    }
    assert.equal(text, "You said: one two three");
    assert.ok(pieces > 3);
  });
  await stage.check("the client's own helper runs its functions and goes on", async () => {
    const runner = client.chat.completions.runTools({
      ...ask("call Rome,Oslo"),
      tools: [
        { type: "function", function: { ...WEATHER.function, parameters: SCHEMA, parse: JSON.parse, function: tell } },
      ],
    });
    assert.equal(await runner.finalContent(), "You said: Oslo: sun");
    assert.equal(runner.messages.filter(({ role }) => role === "tool").length, 2);
  });
  await stage.check("a refusal is not repeated, and what may succeed is", async () => {
    await assert.rejects(say("fault badRequest"), (error) => error instanceof OpenAI.BadRequestError);
    assert.equal((await say("how often fault badRequest"))?.content, "1");
    assert.equal((await say("busy node"))?.content, "You said: busy node");
  });
  await stage.check("an unknown model is a 404, and a wrong key a 401", async () => {
    const { NotFoundError, AuthenticationError } = OpenAI;
    await assert.rejects(
      client.chat.completions.create({ ...ask("x"), model: "none" }),
      (error) => error instanceof NotFoundError && error.code === "model_not_found",
    );
    const stranger = new OpenAI({ baseURL, apiKey: "sk-nobody", logLevel: "off" });
    await assert.rejects(stranger.models.list(), (error) => error instanceof AuthenticationError);
  });
}
