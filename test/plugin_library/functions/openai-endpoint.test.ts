import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI from "openai";
import { atEnd } from "../../support/at-end";
import { dataWith } from "../../support/library";
import { writePlugins } from "../../support/plugin-files";
import { startServer, type TestServer } from "../../support/server";
import { gate, reply, startUpstream, toolCall } from "../../support/upstream";

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

const HELLO = { model: "small-1", messages: [{ role: "user", content: "Hello" }] } as const;
const PIXEL = `data:image/png;base64,${Buffer.from("not really a picture").toString("base64")}`;

async function start(settings: object = {}) {
  const dataPath = dataWith(["functions/openai-endpoint.ts"], { openai: settings });
  writePlugins(`${dataPath}/plugins`, { "functions/marks.ts": HOOKS });
  const server = await startServer({ dataPath, config: { openaiBaseUrl: upstream.baseUrl } });
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

describe("errors have OpenAI's shape", () => {
  const bad: readonly [what: string, body: object, status: number, message: RegExp][] = [
    ["no model", { messages: HELLO.messages }, 400, /`model` is missing/],
    ["no messages", { model: "small-1" }, 400, /`messages` must be a list/],
    ["instructions alone", { model: "small-1", messages: [{ role: "system", content: "x" }] }, 400, /no instruction/],
    ["two answers", { ...HELLO, n: 2 }, 400, /`n` can only be 1/],
    ["an odd role", { model: "small-1", messages: [{ role: "king", content: "x" }] }, 400, /role "king"/],
    ["an unknown model", { ...HELLO, model: "none" }, 400, /is not offered now/],
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

  test("in the middle of a stream too", async () => {
    const open = gate();
    upstream.script({ parts: ["Half", { wait: open.opened }, { reset: true }] });
    const stream = await ann.chat.completions.create({ ...HELLO, messages: [...HELLO.messages], stream: true });
    let text = "";
    const reading = (async () => {
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? "";
        open.open();
      }
    })();
    expect(await failureOf(reading)).toBeInstanceOf(OpenAI.APIError);
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

describe("the page of another site", () => {
  const ORIGIN = "https://app.example";
  const path = "/_plugin/openai/v1/models";

  test("may be a client with a key, when the settings name it, and is told of failures too", async () => {
    const { server } = await start({ origins: [ORIGIN] });
    const { token } = await server.signIn();
    const asked = await fetch(server.url + path, {
      method: "OPTIONS",
      headers: {
        origin: ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os",
      },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(asked.headers.get("access-control-allow-methods")).toContain("POST");
    expect(asked.headers.get("access-control-allow-headers")).toBe("authorization,content-type,x-stainless-os");
    const answers = async (headers: Record<string, string>) => {
      const response = await fetch(server.url + path, { headers: { origin: ORIGIN, ...headers } });
      return [response.status, response.headers.get("access-control-allow-origin")];
    };
    expect(await answers({ authorization: `Bearer ${token}` })).toEqual([200, ORIGIN]);
    expect(await answers({ authorization: "Bearer wrong" })).toEqual([401, ORIGIN]);
    // A browser that is signed in lends it nothing.
    expect(await answers({ cookie: `skeleton_session=${token}` })).toEqual([401, ORIGIN]);
    const stream = await fetch(`${server.url}/_plugin/openai/v1/chat/completions`, {
      method: "POST",
      headers: { origin: ORIGIN, authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ ...HELLO, stream: true }),
    });
    expect(stream.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(stream.headers.get("access-control-allow-credentials")).toBeNull();
    expect(await stream.text()).toContain("[DONE]");
  });

  test("is told nothing when they name another or none", async () => {
    const named = await start({ origins: ["https://other.example"] });
    for (const { server: it } of [named, { server }]) {
      const { token } = await it.signIn();
      const headers = { origin: ORIGIN, authorization: `Bearer ${token}` };
      for (const method of ["OPTIONS", "GET"]) {
        const response = await fetch(it.url + path, { method, headers });
        expect(response.headers.get("access-control-allow-origin")).toBeNull();
      }
    }
  });
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
