import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import OpenAI from "openai";
import type { Config } from "../../../src/protocols";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { PIXEL_BASE64 } from "../../support/pixel";
import { writePlugins } from "../../support/plugin-files";
import { startServer, type TestServer } from "../../support/server";
import { until } from "../../support/until";
import { deadUrl, FAULTS, gate, httpError, type Part, reply, startUpstream, toolCall } from "../../support/upstream";

const upstream = startUpstream({ models: ["small-1", "large-1"] });
afterAll(() => upstream.stop());

/** Marks what passes through it, and has tools of its own. */
const HOOKS = `export default {
  name: "marks",
  tools: [
    { name: "lookup", description: "Looks up.", parameters: { type: "object", properties: {} }, execute: async () => "found" },
    { name: "weather", description: "The server's.", parameters: { type: "object", properties: {} }, execute: async () => "rain" },
  ],
  hooks: {
    async *filterStream(events) {
      for await (const event of events) yield event.type === "text" ? { ...event, text: event.text.toUpperCase() } : event;
    },
  },
};`;

const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    description: "The client's.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
} as const;

const WEATHER_CALL = {
  id: "c1",
  type: "function",
  function: { name: "weather", arguments: '{"city":"Ulm"}' },
} as const;

const HELLO = { model: "small-1", messages: [{ role: "user", content: "Hello" }] } as const;
const PIXEL = `data:image/png;base64,${PIXEL_BASE64}`;

async function start(settings: object = {}, config: Partial<Config> = {}) {
  const dataPath = dataWith(["functions/openai-endpoint.ts"], { openai: settings });
  writePlugins(`${dataPath}/plugins`, { "functions/marks.ts": HOOKS });
  const server = await startServer({ dataPath, config: { openaiBaseUrl: upstream.baseUrl, ...config } });
  return { server, ann: await clientOf(server, "ann"), bob: await clientOf(server, "bob") };
}

async function clientOf(server: TestServer, name: string): Promise<OpenAI> {
  const { token } = await server.signIn(name);
  return new OpenAI({ baseURL: `${server.url}/_plugin/openai/v1`, apiKey: token, maxRetries: 0, logLevel: "off" });
}

/** The client's promises are none that `rejects` knows. */
async function failureOf(asking: PromiseLike<unknown>): Promise<Error | null> {
  return asking.then(
    () => null,
    (error) => error,
  );
}

let server: TestServer;
let ann: OpenAI;
let bob: OpenAI;

beforeAll(async () => {
  ({ server, ann, bob } = await start());
});

describe("a client of OpenAI's", () => {
  test("lists the models that its user may use", async () => {
    expect((await ann.models.list()).data.map(({ id }) => id)).toEqual(["small-1", "large-1"]);
    expect((await bob.models.list()).data.map(({ id }) => id)).toEqual(["small-1"]);
    expect((await bob.models.retrieve("small-1")).object).toBe("model");
    expect(await failureOf(bob.models.retrieve("large-1"))).toBeInstanceOf(OpenAI.NotFoundError);
    expect(await failureOf(bob.get("/models/%E0%A4%A"))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  test("gets a whole answer, through the hooks, with usage and thinking", async () => {
    upstream.script({
      parts: [{ reasoningContent: "Hm." }, "Good ", "day."],
      usage: { prompt_tokens: 5, completion_tokens: 6 },
    });
    const messages = [{ role: "developer", content: "Be brief." }, ...HELLO.messages] as const;
    const answer = await ann.chat.completions.create({
      ...HELLO,
      messages: [...messages],
      temperature: 0.5,
      max_tokens: 9,
    });
    expect(answer).toMatchObject({
      object: "chat.completion",
      model: "small-1",
      choices: [
        {
          index: 0,
          finish_reason: "stop",
          message: { role: "assistant", content: "GOOD DAY.", reasoning_content: "Hm." },
        },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 },
    });
    expect(upstream.requests.at(-1)?.body).toMatchObject({
      model: "small-1",
      temperature: 0.5,
      max_tokens: 9,
      messages: [{ role: "system", content: "Be brief." }, HELLO.messages[0]],
    });
  });

  test("gets it in pieces as they come, and the usage when it asks", async () => {
    const open = gate();
    upstream.script({
      parts: ["Good ", { wait: open.opened }, "day."],
      usage: { prompt_tokens: 5, completion_tokens: 6 },
    });
    const stream = await ann.chat.completions.create({
      ...HELLO,
      messages: [...HELLO.messages],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
      if (chunk.choices[0]?.delta.content === "GOOD ") open.open();
    }
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("GOOD DAY.");
    expect(chunks[0]?.choices[0]?.delta.role).toBe("assistant");
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe("stop");
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 11 } });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  describe("gets what a model wants to see again, and gives it back", () => {
    const DETAIL = { type: "reasoning.encrypted", data: "RU5D", id: "rs_1", index: 0 };
    const call = { ...WEATHER_CALL, extra_content: { google: { thought_signature: "SIG+/=" } } };
    const thought = [{ reasoning: "Look it " }, { reasoning: "up." }, { delta: { reasoning_details: [DETAIL] } }];
    const parts: Part[] = [...thought, { delta: { tool_calls: [{ index: 0, ...call }] } }];
    const question = { role: "user", content: "Weather?" } as const;
    const result = { role: "tool", tool_call_id: "c1", content: "rain" } as const;
    const goOn = async (model: string, made: object) => {
      upstream.script(reply("Rain."));
      const messages = [question, made as OpenAI.ChatCompletionAssistantMessageParam, result];
      await ann.chat.completions.create({ model, messages, tools: [WEATHER] });
      return upstream.requests.at(-1)?.body.messages.find(({ role }) => role === "assistant");
    };
    const given = { reasoning: "Look it up.", reasoning_details: [DETAIL], tool_calls: [call] };

    test("as a whole answer, and no other model gets it", async () => {
      upstream.script({ parts });
      const answer = await ann.chat.completions.create({ model: "small-1", messages: [question], tools: [WEATHER] });
      const made = answer.choices[0]?.message ?? {};
      expect(made).toMatchObject({ reasoning_content: "Look it up.", reasoning_details: [DETAIL], tool_calls: [call] });
      expect(await goOn("small-1", made)).toEqual({ role: "assistant", content: null, ...given } as never);
      expect(Object.keys((await goOn("large-1", made)) ?? {})).toEqual(["role", "content", "tool_calls"]);
      // After a restart too, when nothing is known of the model yet.
      const { ann: later } = await start();
      upstream.script(reply("Rain."));
      const messages = [question, made as OpenAI.ChatCompletionAssistantMessageParam, result];
      await later.chat.completions.create({ model: "small-1", messages, tools: [WEATHER] });
      expect(upstream.requests.at(-1)?.body.messages).toContainEqual({
        role: "assistant",
        content: null,
        ...given,
      } as never);
    });

    test("as a stream, and by a client that keeps the known names alone", async () => {
      upstream.script({ parts });
      const stream = await ann.chat.completions.create({
        model: "small-1",
        messages: [question],
        tools: [WEATHER],
        stream: true,
      });
      const deltas = (await Array.fromAsync(stream)).flatMap(({ choices }) =>
        choices.map(({ delta }) => delta as Record<string, unknown>),
      );
      const thinking = deltas.map((delta) => delta.reasoning_content ?? "").join("");
      const made = Object.assign({}, ...deltas, { reasoning_content: thinking });
      made.tool_calls = made.tool_calls.map(({ index: _, ...it }: { index: number }) => it);
      expect(await goOn("small-1", made)).toMatchObject(given);
      const { opaque_from: _, ...known } = made;
      expect(await goOn("small-1", known)).toMatchObject(given);
      expect(Object.keys((await goOn("large-1", known)) ?? {})).toEqual(["role", "content", "tool_calls"]);
    });
  });

  test("gets pictures of a model, and none of them stays", async () => {
    const picture = { type: "image_url", image_url: { url: PIXEL } };
    upstream.script({ parts: ["Here", { delta: { images: [picture] } }] });
    const answer = await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages] });
    expect(answer.choices[0]?.message).toMatchObject({ content: "HERE", images: [picture] });
    const client = await server.signIn("ann");
    expect(await client.json<unknown[]>("/api/v1/files")).toEqual([]);
  });

  test("hears that a filter ended the reply by OpenAI's word", async () => {
    upstream.script({ parts: ["Good"], finish: "SAFETY" });
    const answer = await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages] });
    expect(answer.choices[0]).toMatchObject({ finish_reason: "content_filter", message: { content: "GOOD" } });
  });

  test("gets the whole by the client's own helper for streams", async () => {
    upstream.script({ parts: ["Good day."], finish: "length" });
    const stream = ann.chat.completions.stream({ ...HELLO, messages: [...HELLO.messages] });
    expect((await stream.finalChatCompletion()).choices[0]).toMatchObject({
      finish_reason: "length",
      message: { content: "GOOD DAY." },
    });
  });

  test("sends images and files, and none of them stays", async () => {
    upstream.script(reply("A picture."));
    await ann.chat.completions.create({
      model: "small-1",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is it?" },
            { type: "image_url", image_url: { url: PIXEL } },
          ],
        },
      ],
    });
    const sent = upstream.requests.at(-1)?.body.messages.at(-1)?.content;
    expect(sent).toContainEqual({ type: "image_url", image_url: { url: PIXEL } });
    expect(await server.core.store.count("ann", "files")).toBe(0);
  });

  test("leaves, and the model is stopped", async () => {
    for (const isStream of [true, false]) {
      const count = upstream.requests.length;
      upstream.script({ parts: ["Half", { wait: gate().opened }] });
      const controller = new AbortController();
      const body = { ...HELLO, messages: [...HELLO.messages] };
      const asking = isStream
        ? ann.chat.completions
            .create({ ...body, stream: true }, { signal: controller.signal })
            .then((it) => Array.fromAsync(it))
        : ann.chat.completions.create(body, { signal: controller.signal });
      const request = await upstream.request(count + 1);
      controller.abort();
      await asking.catch(() => {});
      await request.gone;
    }
  });

  test("leaves nothing behind in the user's threads", async () => {
    expect(await server.core.thread.list("ann")).toEqual([]);
  });
});

describe("tools", () => {
  test("of the installation run here, and the client sees what is said after them", async () => {
    upstream.script({ parts: ["Wait. ", ...toolCall("lookup", {})] }, reply("Found."));
    const answer = await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages] });
    expect(answer.choices[0]?.message).toMatchObject({ content: "WAIT. FOUND." });
    expect(answer.choices[0]?.message.tool_calls).toBeUndefined();
    expect(upstream.requests.at(-1)?.body.messages.at(-1)).toMatchObject({ role: "tool", content: "found" });
  });

  test("of the client are called by the client, in place of one of the same name, and it goes on from the result", async () => {
    for (const stream of [false, true]) {
      upstream.script(
        { parts: toolCall("lookup", {}) },
        { parts: toolCall("weather", { city: "Rome" }), usage: { prompt_tokens: 1, completion_tokens: 2 } },
      );
      const messages: OpenAI.ChatCompletionMessageParam[] = [...HELLO.messages];
      const body = { model: "small-1", messages, tools: [WEATHER] };
      const answer = stream
        ? await ann.chat.completions.stream(body).finalChatCompletion()
        : await ann.chat.completions.create(body);
      const [choice] = answer.choices;
      expect(choice?.finish_reason).toBe("tool_calls");
      expect(choice?.message.tool_calls).toMatchObject([
        { type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
      ]);
      const offered = upstream.requests.at(-1)?.body.tools?.map((tool) => tool.function.description);
      expect(offered).toEqual(["Looks up.", "The client's."]);
      if (choice) messages.push(choice.message);
      messages.push({ role: "tool", tool_call_id: choice?.message.tool_calls?.[0]?.id ?? "", content: "sun" });
      upstream.script(reply("Sunny."));
      const next = await ann.chat.completions.create(body);
      expect(next.choices[0]?.message.content).toBe("SUNNY.");
      expect(upstream.requests.at(-1)?.body.messages.slice(-2)).toMatchObject([
        { role: "assistant", tool_calls: [{ function: { name: "weather" } }] },
        { role: "tool", content: "sun" },
      ]);
    }
  });

  test("of the client that the model calls wrongly are called again, not handed over", async () => {
    upstream.script({ parts: toolCall("weather", { town: "Rome" }) }, { parts: toolCall("weather", { city: "Rome" }) });
    const answer = await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages], tools: [WEATHER] });
    expect(answer.choices[0]?.message.tool_calls).toMatchObject([{ function: { arguments: '{"city":"Rome"}' } }]);
  });

  test("are not offered with tool_choice none, and the client's alone when it demands a call", async () => {
    const body = { ...HELLO, messages: [...HELLO.messages], tools: [WEATHER] };
    upstream.script(reply("No."), { parts: toolCall("weather", { city: "Rome" }) });
    await ann.chat.completions.create({ ...body, tool_choice: "none" });
    expect(upstream.requests.at(-1)?.body.tools).toBeUndefined();
    await ann.chat.completions.create({ ...body, tool_choice: "required" });
    expect(upstream.requests.at(-1)?.body).toMatchObject({
      tool_choice: "required",
      tools: [{ function: { name: "weather" } }],
    });
    expect(upstream.requests.at(-1)?.body.tools).toHaveLength(1);
  });
});

describe("what a client says goes on to the endpoint:", () => {
  const sentWith = async (more: object) => {
    upstream.script(reply("Yes."));
    await ann.post("/chat/completions", { body: { ...HELLO, ...more } });
    return upstream.requests.at(-1)?.body;
  };

  test("whether a tool is strict", async () => {
    const strict = { ...WEATHER, function: { ...WEATHER.function, strict: true } };
    const offered = (await sentWith({ tools: [strict] }))?.tools ?? [];
    expect(offered.map((tool) => [tool.function.name, tool.function.strict])).toEqual([
      ["lookup", undefined],
      ["weather", true],
    ]);
  });

  test("who said a message, and how closely to look at an image", async () => {
    const image = { type: "image_url", image_url: { url: PIXEL, detail: "high" } };
    const messages = [
      { role: "user", name: "ann", content: "Hello" },
      { role: "assistant", name: "poet", content: "Hi." },
      { role: "user", name: "bob", content: [image] },
    ];
    expect((await sentWith({ messages }))?.messages).toMatchObject([
      {},
      { role: "user", name: "ann", content: "Hello" },
      { role: "assistant", name: "poet", content: "Hi." },
      { role: "user", name: "bob", content: [image] },
    ]);
  });

  test("how much to think, and what was thought before a call, in the field that the model uses", async () => {
    const call = { id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } };
    const messages = [
      ...HELLO.messages,
      { role: "assistant", content: null, reasoning_content: "Rome?", tool_calls: [call] },
      { role: "tool", tool_call_id: "c1", content: "sun" },
      { role: "assistant", content: "Sunny.", reasoning_content: "Sun." },
      { role: "user", content: "Sure?" },
    ];
    const thoughts = async () =>
      (await sentWith({ messages, tools: [WEATHER], reasoning_effort: "low" }))?.messages.map((it) => {
        const { reasoning = null, reasoning_content = reasoning } = it as unknown as Record<string, unknown>;
        return reasoning_content;
      });
    const other = await start();
    [ann, other.ann] = [other.ann, ann];
    expect(await thoughts()).toEqual([null, null, null, null, null, null]);
    expect(upstream.requests.at(-1)?.body.reasoning_effort).toBe("low");
    upstream.script({ parts: [{ reasoning: "Hm." }, "Yes."] });
    await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages] });
    expect(await thoughts()).toEqual([null, null, "Rome?", null, null, null]);
    [ann, other.ann] = [other.ann, ann];
  });

  test("what asks for nothing special does not", async () => {
    const nothing = {
      n: 1,
      logprobs: false,
      top_logprobs: 0,
      modalities: ["text"],
      functions: [],
      audio: null,
      store: true,
    };
    const { model, messages, stream, stream_options, tools, ...others } = (await sentWith(nothing)) ?? {
      model: "",
      messages: [],
    };
    expect(others).toEqual({});
  });

  test("parameters that its user may not set are left out, and named in the answer", async () => {
    upstream.script(reply("One."), reply("Two."));
    const messages: OpenAI.ChatCompletionMessageParam[] = [...HELLO.messages];
    const demanded = { tools: [WEATHER], tool_choice: "required" as const };
    const asked = { model: "small-1", messages, models: ["large-1"], ...demanded };
    const whole = (await bob.chat.completions.create(asked)) as unknown as { notices: string[] };
    expect(whole.notices).toEqual([expect.stringContaining('"models"')]);
    expect(upstream.requests.at(-1)?.body).toMatchObject({ tool_choice: "required" });
    expect(upstream.requests.at(-1)?.body.models).toBeUndefined();
    const chunks = await Array.fromAsync(await bob.chat.completions.create({ ...asked, stream: true }));
    expect(chunks.filter((chunk) => "notices" in chunk).map((chunk) => chunk.choices[0]?.finish_reason)).toEqual([
      "stop",
    ]);
  });
});

describe("errors have OpenAI's shape", () => {
  const bad: readonly [what: string, body: object, status: number, message: RegExp][] = [
    ["no model", { messages: HELLO.messages }, 400, /`model` is missing/],
    ["no messages", { model: "small-1" }, 400, /`messages` must be a list/],
    ["instructions alone", { model: "small-1", messages: [{ role: "system", content: "x" }] }, 400, /no instruction/],
    ["two answers", { ...HELLO, n: 2 }, 400, /`n` can only be 1/],
    ["an odd role", { model: "small-1", messages: [{ role: "king", content: "x" }] }, 400, /role "king"/],
    ["an unknown model", { ...HELLO, model: "none" }, 404, /is not offered now/],
    [
      "audio to say",
      { ...HELLO, modalities: ["text", "audio"], audio: { voice: "a", format: "wav" } },
      400,
      /Audio cannot be given/,
    ],
    ["a modality", { ...HELLO, modalities: ["audio"] }, 400, /`modalities` can only be text/],
    ["logprobs", { ...HELLO, logprobs: true }, 400, /`logprobs` cannot be given/],
    ["top_logprobs", { ...HELLO, top_logprobs: 3 }, 400, /`top_logprobs` cannot be given/],
    ["functions", { ...HELLO, functions: [{ name: "f" }] }, 400, /are called `tools` here/],
    [
      "audio to hear",
      {
        ...HELLO,
        messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AA==", format: "wav" } }] }],
      },
      400,
      /Audio cannot be sent/,
    ],
    [
      "a name with a space",
      { ...HELLO, messages: [{ role: "user", content: "x", name: "a b" }] },
      400,
      /`name` of a message/,
    ],
    [
      "a call of a tool that it did not send",
      { ...HELLO, tools: [WEATHER], tool_choice: { type: "function", function: { name: "x" } } },
      400,
      /one of the functions/,
    ],
    [
      "a role that is no text",
      { ...HELLO, messages: [{ role: { a: "x".repeat(1000) }, content: "x" }] },
      400,
      /the role \(object\)\.$/,
    ],
    [
      "a bad tool",
      { ...HELLO, tools: [{ type: "function", function: { name: "a b" } }] },
      400,
      /`tools` must be a function/,
    ],
    [
      "an address to fetch",
      {
        model: "small-1",
        messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://127.0.0.1/x.png" } }] }],
      },
      400,
      /data: URL/,
    ],
  ];

  test.each([...bad])("%s", async (_what, body, status, message) => {
    const count = upstream.requests.length;
    const failure = await failureOf(ann.post("/chat/completions", { body }));
    expect(failure).toBeInstanceOf(OpenAI.APIError);
    expect(failure).toMatchObject({ status, type: "invalid_request_error" });
    expect(failure?.message).toMatch(message);
    expect(upstream.requests).toHaveLength(count);
  });

  test("of the key, the mask, the address and the endpoint", async () => {
    const stranger = new OpenAI({ baseURL: ann.baseURL, apiKey: "sk-nobody", maxRetries: 0, logLevel: "off" });
    expect(await failureOf(stranger.models.list())).toBeInstanceOf(OpenAI.AuthenticationError);
    const body = { ...HELLO, messages: [...HELLO.messages] };
    expect(await failureOf(bob.chat.completions.create({ ...body, model: "large-1" }))).toBeInstanceOf(
      OpenAI.PermissionDeniedError,
    );
    expect(await failureOf(ann.embeddings.create({ model: "small-1", input: "x" }))).toBeInstanceOf(
      OpenAI.NotFoundError,
    );
    upstream.script({ status: 500, body: "no" }, { status: 500, body: "no" });
    expect(await failureOf(ann.chat.completions.create(body))).toMatchObject({ status: 502, type: "server_error" });
    expect(await failureOf(ann.chat.completions.create({ ...body, stream: true }))).toMatchObject({ status: 502 });
  });

  const passed = [400, 404, 408, 409, 413, 422, 429].map((status) => [status, status] as const);
  const refused = [401, 402, 403, 407].map((status) => [status, 502] as const);
  const broken = [500, 502, 503, 504, 529, 418].map((status) => [status, 502] as const);
  const body = { ...HELLO, messages: [...HELLO.messages] };

  test.each([...passed, ...refused, ...broken])(
    "of the endpoint: its %i is %i here, streamed or not",
    async (theirs, ours) => {
      const isPassed = passed.some(([it]) => it === theirs);
      const words = { code: "context_length_exceeded", type: "odd_request", param: "messages[0].content" };
      const headers = { "retry-after": "7", "x-ratelimit-remaining": "0", "set-cookie": "a=b" };
      const expected = isPassed
        ? { status: ours, ...words }
        : {
            status: ours,
            code: refused.some(([it]) => it === theirs) ? "upstream_refused" : "upstream",
            type: "server_error",
            param: null,
          };
      for (const stream of [false, true]) {
        upstream.script({ status: theirs, body: { error: { message: "No.", ...words } }, headers });
        const failure = await failureOf(ann.chat.completions.create({ ...body, stream }));
        expect(failure).toBeInstanceOf(OpenAI.APIError);
        expect(failure).toMatchObject(expected);
        const answered = (failure as InstanceType<typeof OpenAI.APIError>).headers;
        expect(answered?.get("retry-after") ?? null).toBe(expected.code === "upstream_refused" ? null : "7");
        expect([answered?.get("x-ratelimit-remaining") ?? null, answered?.get("set-cookie") ?? null]).toEqual([
          null,
          null,
        ]);
      }
    },
  );

  test("of the endpoint in its stream, with a status or without", async () => {
    const told = {
      parts: [{ chunk: { error: { message: "Slow down.", code: 429, type: "too_fast" } } }],
      finish: null,
    };
    upstream.script(told, { ...told, parts: [{ chunk: { error: { message: "Hm." } } }] });
    const failure = () => failureOf(ann.chat.completions.create(body));
    expect(await failure()).toMatchObject({ status: 429, type: "too_fast", code: null });
    expect(await failure()).toMatchObject({ status: 502, type: "server_error", code: "upstream" });
  });

  test("of the endpoint's address, and of its silence", async () => {
    const dataPath = dataWith(["functions/openai-endpoint.ts"]);
    writeFileSync(
      `${dataPath}/models.yaml`,
      JSON.stringify([{ name: "dead", base_url: deadUrl(), models: ["small-1"] }]),
    );
    const dead = await startServer({ dataPath });
    expect(await failureOf((await clientOf(dead, "ann")).chat.completions.create(body))).toMatchObject({
      status: 502,
      code: "upstream",
    });
    const config = { openaiBaseUrl: upstream.baseUrl, modelFirstByteTimeoutS: 0.2 };
    const silent = await startServer({ dataPath: dataWith(["functions/openai-endpoint.ts"]), config });
    upstream.script(FAULTS.hang);
    expect(await failureOf((await clientOf(silent, "ann")).chat.completions.create(body))).toMatchObject({
      status: 504,
      code: "upstream_silent",
      message: expect.stringContaining("MODEL_FIRST_BYTE_TIMEOUT_S"),
    });
  });

  test("have a code and a param where the server itself refuses", async () => {
    const codes = async (client: OpenAI, more: object): Promise<unknown[]> => {
      const failure = await failureOf(client.post("/chat/completions", { body: { ...HELLO, ...more } }));
      if (!(failure instanceof OpenAI.APIError)) throw new Error("It was not refused.");
      return [failure.status, failure.code, failure.param];
    };
    expect(await codes(ann, { model: "none" })).toEqual([404, "model_not_found", "model"]);
    expect(await codes(ann, { n: 2 })).toEqual([400, "unsupported_parameter", "n"]);
    expect(await codes(ann, { messages: 1 })).toEqual([400, "invalid_value", "messages"]);
    expect(await codes(bob, { model: "large-1" })).toEqual([403, "forbidden", null]);
    expect(await failureOf(ann.models.retrieve("none"))).toMatchObject({ code: "model_not_found" });
  });

  test("hold nothing of a key, whichever word of the endpoint has it", async () => {
    const key = "the-owners-key-0123456789";
    const config = { openaiBaseUrl: upstream.baseUrl, openaiApiKey: key };
    const own = await startServer({ dataPath: dataWith(["functions/openai-endpoint.ts"]), config });
    const client = await clientOf(own, "ann");
    const words = { code: `no ${key}`, type: `x${key}x`, param: "sk-proj-abcdefgh12345678", message: `${key}?` };
    const refusal = { status: 400, body: { error: words } };
    upstream.script(refusal);
    const failure = await failureOf(client.chat.completions.create(body));
    expect(failure).toMatchObject({ status: 400, code: null, type: "invalid_request_error", param: null });
    expect(failure?.message).not.toContain(key);
  });

  test("are not repeated by a client that repeats what may succeed, and what may is", async () => {
    const patient = new OpenAI({ ...ann, baseURL: ann.baseURL, apiKey: ann.apiKey, maxRetries: 2, logLevel: "off" });
    const count = upstream.requests.length;
    upstream.script({ status: 400, body: { error: { message: "Too hot.", code: "too_hot", param: "temperature" } } });
    const failure = await failureOf(patient.chat.completions.create(body));
    expect(failure).toBeInstanceOf(OpenAI.BadRequestError);
    expect(failure).toMatchObject({
      code: "too_hot",
      param: "temperature",
      message: expect.stringContaining("Too hot."),
    });
    expect(upstream.requests).toHaveLength(count + 1);
    upstream.script(httpError(429, "Slow down.", { "retry-after-ms": "1", "retry-after": "1" }), reply("Now."));
    expect((await patient.chat.completions.create(body)).choices[0]?.message.content).toBe("NOW.");
    expect(upstream.requests).toHaveLength(count + 3);
  });

  const said = { code: "too_long", type: "odd", param: "messages" };
  test.each<[what: string, part: Part, expected: object]>([
    ["by a cut", { reset: true }, { code: "upstream", type: "server_error", param: null }],
    ["by the endpoint's word", { chunk: { error: { message: "Too long.", ...said } } }, said],
  ])("in the middle of a stream too, %s", async (_what, part, expected) => {
    const open = gate();
    upstream.script({ parts: ["Half", { wait: open.opened }, part] });
    const stream = await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages], stream: true });
    let text = "";
    const reading = (async () => {
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        open.open();
      }
    })();
    const failure = await failureOf(reading);
    expect(failure).toBeInstanceOf(OpenAI.APIError);
    expect(failure).toMatchObject(expected);
    expect(text).toBe("HALF");
  });
});

test("with `keep` a conversation is one thread, however often the client sends all of it", async () => {
  const kept = await start({ keep: true });
  const { core } = kept.server;
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "What is it?\nSay." },
        { type: "image_url", image_url: { url: PIXEL } },
      ],
    },
  ];
  for (const [said, next] of [
    ["A cat.", "Sure?"],
    ["Yes.", "Thanks"],
  ] as const) {
    upstream.script(reply(said));
    const answer = await kept.ann.chat.completions.create({ model: "small-1", messages });
    messages.push(
      { role: "assistant", content: answer.choices[0]?.message.content ?? "" },
      { role: "user", content: next },
    );
  }
  const threads = await core.thread.list("ann");
  expect(threads.map(({ title }) => title)).toEqual(["What is it?"]);
  const path = await core.thread.messages("ann", threads[0]?.id ?? "");
  expect(path.map(({ role, content }) => `${role}: ${content}`)).toEqual([
    "user: What is it?\nSay.",
    "assistant: A CAT.",
    "user: Sure?",
    "assistant: YES.",
  ]);
  expect(path[0]?.files).toHaveLength(1);
  expect(await core.store.count("ann", "files")).toBe(1);
  atEnd(() => kept.server.stop());
});

test("who has no room or too many streams is refused before the model is called, and a slot comes back after an answer", async () => {
  const { server, ann } = await start({ keep: true }, { quotaBytes: 100, streamsPerUser: 1 });
  atEnd(() => server.stop());
  const asked = upstream.requests.length;
  await server.core.thread.create("ann", { title: "x".repeat(200) });
  for (const stream of [true, false]) {
    expect(
      await failureOf(ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages], stream })),
    ).toMatchObject({
      status: 413,
      message: expect.stringContaining("that you may use"),
    });
  }
  const { server: other, ann: anns } = await start({}, { streamsPerUser: 1 });
  atEnd(() => other.stop());
  const { token } = await other.signIn("ann");
  const live = () => fetch(`${other.url}/api/v1/live`, { headers: { authorization: `Bearer ${token}` } });
  const open = await live();
  const refused = anns.chat.completions.create({ ...HELLO, messages: [...HELLO.messages], stream: true });
  expect(await failureOf(refused)).toBeInstanceOf(OpenAI.RateLimitError);
  expect(upstream.requests.length).toBe(asked);
  await open.body?.cancel();
  await until(() => other.core.counts.all().streams_live === 0);
  upstream.script(reply("Yes."));
  const answer = await anns.chat.completions.create({ ...HELLO, messages: [...HELLO.messages], stream: true });
  for await (const _ of answer);
  expect((await live()).status).toBe(200);
});

test("sites that the settings name are not let in any more, and the owner is told where to name them", async () => {
  const logged: string[] = [];
  const dataPath = dataWith(["functions/openai-endpoint.ts"], { openai: { origins: ["https://app.example"] } });
  const server = await startServer({ dataPath, logged });
  expect(logged.filter((line) => line.includes("CORS_ORIGINS"))).toHaveLength(1);
  const response = await fetch(`${server.url}/_plugin/openai/v1/models`, {
    headers: { origin: "https://app.example" },
  });
  expect(response.headers.get("access-control-allow-origin")).toBeNull();
});

describe("a user cannot hold the server up", () => {
  const post = async (body: string) => {
    const { token } = await server.signIn();
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    return fetch(`${server.url}/_plugin/openai/v1/chat/completions`, { method: "POST", headers, body });
  };

  test("with expressions in the schemas of tools", async () => {
    const slow = { type: "string", pattern: "^(a+)+$" };
    const parameters = {
      type: "object",
      properties: { pattern: slow, all: { type: "array", items: slow } },
      patternProperties: { "^(x+)+$": slow },
      additionalProperties: false,
    };
    upstream.script({ parts: toolCall("find", { pattern: `${"a".repeat(40)}!`, [`${"x".repeat(40)}!`]: "b" }) });
    const begun = performance.now();
    const { choices } = await ann.chat.completions.create({
      model: "small-1",
      messages: [{ role: "user", content: "Hello" }],
      tools: [{ type: "function", function: { name: "find", parameters } }],
    });
    expect(performance.now() - begun).toBeLessThan(500);
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    expect(upstream.requests.at(-1)?.body.tools).toContainEqual({
      type: "function",
      function: expect.objectContaining({
        name: "find",
        parameters: {
          type: "object",
          properties: { pattern: { type: "string" }, all: { type: "array", items: { type: "string" } } },
        },
      }),
    });
  });

  test("with a schema, or a body, of hostile shape", async () => {
    const deep = `${'{"items":'.repeat(200)}{}${"}".repeat(200)}`;
    const tools = `[{"type":"function","function":{"name":"a","parameters":${deep}}}]`;
    const refused = await post(`{"model":"small-1","messages":[{"role":"user","content":"a"}],"tools":${tools}}`);
    expect([refused.status, await refused.text()]).toEqual([
      400,
      expect.stringContaining("nests deeper than 64 levels"),
    ]);
    const many = await post(`{"model":"small-1","messages":[${"[],".repeat(1_000_000)}1]}`);
    expect([many.status, await many.text()]).toEqual([413, expect.stringContaining("more than 500000 parts")]);
    expect((await post("{")).status).toBe(400);
  });
});
