import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { isAppError } from "../../../src/basics/errors";
import { modelContract } from "../../../src/contracts/model";
import type { Config, Core, ModelCall, ModelEvent, ModelMessage, NewFile } from "../../../src/protocols";
import {
  type AnthropicAnswer,
  blockEvents,
  ending,
  MESSAGE_START,
  message,
  type Piece,
  refusal,
  startAnthropic,
  text,
  thinking,
  toolUse,
} from "../../support/anthropic";
import { dataWith } from "../../support/library";
import { PIXEL, PIXEL_BASE64 } from "../../support/pixel";
import { collectTurn, textOf } from "../../support/read-sse";
import { startServer } from "../../support/server";
import { startCore } from "../../support/test-core";
import { behindDeadProxy, deadUrl, gate, reply, startUpstream } from "../../support/upstream";

const FILE = "core/anthropic-model.ts";
const KEY = "sk-ant-secret-of-the-owner";
const anthropic = startAnthropic(KEY);
/** An endpoint that is there and offers nothing. */
const nothing = startUpstream({ models: [] });
afterAll(() => Promise.all([anthropic.stop(), nothing.stop()]));
beforeEach(() => {
  anthropic.requests.length = 0;
  anthropic.models = ["claude-test"];
});

async function start(settings: object = {}, config: Partial<Config> = {}): Promise<Core> {
  const all = { "anthropic-model": { api_key: KEY, base_url: anthropic.url, ...settings } };
  return startCore({
    dataPath: dataWith([FILE], all),
    config: { openaiBaseUrl: nothing.baseUrl, ...config },
  });
}

const never = new AbortController().signal;

function callOf(overrides: Partial<ModelCall> = {}): ModelCall {
  const messages = [{ role: "user" as const, content: "Hi" }];
  return { model: "claude-test", messages, tools: [], parameters: {}, ...overrides };
}

function run(core: Core, overrides: Partial<ModelCall> = {}): Promise<ModelEvent[]> {
  return Array.fromAsync(core.model.stream(callOf(overrides), never));
}

/** What came before the failure, and its sentence. */
async function failing(core: Core, ...answers: readonly AnthropicAnswer[]) {
  anthropic.script(...answers);
  const events: ModelEvent[] = [];
  try {
    for await (const event of core.model.stream(callOf(), never)) events.push(event);
  } catch (error) {
    if (!isAppError(error)) throw error;
    expect(error.message).not.toContain(KEY);
    return { events, code: error.code, sentence: error.message, retryAfterS: error.retryAfterS };
  }
  throw new Error("the call did not fail");
}

describe("the contract", () => {
  for (const { name, run } of modelContract) test(name, async () => run(await start()));
});

describe("a reply", () => {
  const streamed = async (pieces: readonly Piece[]) => {
    anthropic.script(pieces);
    return run(await start());
  };

  test("comes as thinking, text, whole tool calls, usage with what was cached, and finish", async () => {
    const blocks = [
      thinking("Hm.", "sig"),
      text("Let ", "me ask."),
      toolUse("toolu_1", "clock", '{"zone":"UTC"}'),
      toolUse("toolu_2", "ping", ""),
    ];
    expect(await streamed(message(...blocks))).toEqual([
      { type: "thinking", text: "Hm." },
      { type: "text", text: "Let " },
      { type: "text", text: "me ask." },
      { type: "toolCall", callId: "toolu_1", name: "clock", arguments: '{"zone":"UTC"}' },
      { type: "toolCall", callId: "toolu_2", name: "ping", arguments: "{}" },
      {
        type: "opaque",
        from: "anthropic-model/claude-test",
        message: { thinking_blocks: [{ type: "thinking", thinking: "Hm.", signature: "sig" }] },
      },
      { type: "usage", inputTokens: 60, outputTokens: 7, cachedTokens: 30 },
      { type: "finish", reason: "stop" },
    ]);
  });

  test.each([
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["max_tokens", "length"],
    ["model_context_window_exceeded", "length"],
    ["refusal", "filtered"],
  ])("that ended by %s finishes with %s", async (stopReason, reason) => {
    const events = await streamed([MESSAGE_START, ...blockEvents(text("a"), 0), ...ending(stopReason)]);
    expect(events.at(-1)).toEqual({ type: "finish", reason } as ModelEvent);
  });

  test("may be cut anywhere by the network, and have events and blocks that nobody knows yet", async () => {
    const whole = message(text("für ", "dich"))
      .map((it) => `event: x\r\ndata: ${JSON.stringify(it)}\r\n\r\n`)
      .join("");
    const odd =
      'data: {"type":"novelty","index":9}\n\ndata:{"type":"content_block_delta","index":9,"delta":{"type":"x"}}\n\n';
    const cut = [...(odd + whole)].flatMap((it, at) => (at % 3 === 0 ? [it, Promise.resolve()] : [it]));
    const pieces = cut.filter((it) => typeof it === "string");
    expect(await streamed(pieces)).toContainEqual({ type: "text", text: "für " });
  });
});

describe("a request", () => {
  const sent = async (overrides: Partial<ModelCall>, settings: object = {}, core?: Core) => {
    await run(core ?? (await start(settings)), overrides);
    return anthropic.requests.at(-1)?.body;
  };

  test("has what the API asks for, and parameters of settings and call", async () => {
    const tool = {
      name: "ping",
      description: "Pongs.",
      parameters: { properties: {} } as never,
      execute: async () => 1,
    };
    const settings = { max_tokens: 100, parameters: { temperature: 0, top_k: 5 } };
    const messages = [
      { role: "system" as const, content: "Be brief." },
      { role: "user" as const, content: "Hi" },
    ];
    expect(await sent({ messages, tools: [tool], parameters: { temperature: 1 } }, settings)).toEqual({
      model: "claude-test",
      max_tokens: 100,
      temperature: 1,
      top_k: 5,
      system: "Be brief.",
      messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }],
      tools: [{ name: "ping", description: "Pongs.", input_schema: { type: "object", properties: {} } }],
      stream: true,
    });
    const demanded = (toolChoice: ModelCall["toolChoice"] & {}) =>
      sent({ messages, tools: [tool], toolChoice }, settings);
    expect(await demanded("required")).toMatchObject({ tool_choice: { type: "any" } });
    expect(await demanded({ name: "ping" })).toMatchObject({ tool_choice: { type: "tool", name: "ping" } });
  });

  test("has calls and results as blocks, those of one side in one message, and nothing blank", async () => {
    const messages: ModelCall["messages"] = [
      { role: "user", content: "Ask both." },
      {
        role: "assistant",
        content: " ",
        toolCalls: [
          { callId: "a", name: "clock", arguments: '{"zone":"UTC"}' },
          { callId: "b", name: "ping", arguments: "{broken" },
        ],
      },
      { role: "tool", callId: "a", content: "noon" },
      { role: "tool", callId: "b", content: "pong" },
      { role: "user", content: "And now?" },
      { role: "assistant", content: "It is \n" },
    ];
    expect((await sent({ messages })).messages).toEqual([
      { role: "user", content: [{ type: "text", text: "Ask both." }] },
      {
        role: "assistant",
        content: [
          { type: "tool_use", id: "a", name: "clock", input: { zone: "UTC" } },
          { type: "tool_use", id: "b", name: "ping", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "a", content: "noon" },
          { type: "tool_result", tool_use_id: "b", content: "pong" },
          { type: "text", text: "And now?" },
        ],
      },
      { role: "assistant", content: [{ type: "text", text: "It is" }] },
    ]);
  });

  test("has odd calls of other models in a form that the API takes, with their results", async () => {
    const messages = ["functions.clock:0", "functions.clock:0", "c".repeat(70)].flatMap((callId): ModelMessage[] => [
      { role: "user", content: "Again." },
      { role: "assistant", content: "", toolCalls: [{ callId, name: "no such tool!", arguments: "[1]" }] },
      { role: "tool", callId, content: "There is none." },
    ]);
    const blocks = (await sent({ messages })).messages.flatMap(({ content }: { content: unknown }) => content);
    const used = blocks.filter(({ type }: { type: string }) => type === "tool_use");
    expect(used).toMatchObject(Array(3).fill({ name: "no_such_tool_", input: {} }));
    expect(new Set(used.map(({ id }: { id: string }) => id)).size).toBe(3);
  });

  test("has images, PDFs and texts of the user, and names what it does not show", async () => {
    const core = await start();
    const put = (name: string, type: string, data: NewFile["data"]) => core.file.put("ann", { name, type, data });
    const files = [
      await put("a.png", "image/png", new Blob([PIXEL])),
      await put("b.pdf", "application/pdf", new Blob(["%PDF-1.4"])),
      await put("c.py", "application/octet-stream", new Blob(["words"])),
      await put("d.bin", "application/zip", new Blob(["\0\x01\x02"])),
      await put("e.png", "image/png", new Blob([PIXEL.subarray(0, 8), "x".repeat(6 * 1024 * 1024)])),
    ];
    const messages = [{ role: "user" as const, content: "Look", files }];
    const base64 = (data: string | Buffer) => Buffer.from(data as string).toString("base64");
    expect((await sent({ messages, username: "ann" }, {}, core)).messages[0].content).toEqual([
      { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL_BASE64 } },
      { type: "document", source: { type: "base64", media_type: "application/pdf", data: base64("%PDF-1.4") } },
      { type: "text", text: 'File "c.py":\nwords' },
      { type: "text", text: 'File "d.bin" (application/zip, 3 bytes) is attached, but this kind cannot be read.' },
      {
        type: "text",
        text: 'File "e.png" (image/png, 6291464 bytes) is attached, but this kind of picture cannot be shown to you.',
      },
      { type: "text", text: "Look" },
    ]);
    const others = await sent({ messages, username: "bob" }, {}, core);
    expect(JSON.stringify(others)).not.toContain(PIXEL_BASE64);
  });

  test("has the pictures of a tool's result in it", async () => {
    const core = await start();
    const file = await core.file.put("ann", { name: "a.png", type: "image/png", data: new Blob([PIXEL]) });
    const text = await core.file.put("ann", { name: "a.txt", type: "text/plain", data: new Blob(["words"]) });
    const toolCalls = [{ callId: "c1", name: "draw", arguments: "{}" }];
    const messages = [
      { role: "user" as const, content: "Draw" },
      { role: "assistant" as const, content: "", toolCalls },
      { role: "tool" as const, callId: "c1", content: "drawn", files: [file, text] },
    ];
    expect((await sent({ messages, username: "ann" }, {}, core)).messages[2].content[0].content).toEqual([
      { type: "text", text: "drawn" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: PIXEL_BASE64 } },
    ]);
  });

  test("brings the thinking before a tool call back, signature and all; without it the turn goes on without thinking", async () => {
    const parameters = { thinking: { type: "enabled", budget_tokens: 1024 } };
    const core = await start({ parameters });
    anthropic.script(message(thinking("Let me see.", "c2ln"), toolUse("toolu_9", "ping", "{}")));
    const opaque = (await run(core)).find((event) => event.type === "opaque");
    expect(anthropic.requests.at(-1)?.body.thinking).toEqual(parameters.thinking);
    const toolCalls = [{ callId: "toolu_9", name: "ping", arguments: "{}" }];
    const asked = { role: "user", content: "Hi" } as const;
    const answered = { role: "tool", callId: "toolu_9", content: "pong" } as const;
    const calling = (given: object) => [
      asked,
      { role: "assistant" as const, content: "", toolCalls, ...given },
      answered,
    ];
    const messages: ModelCall["messages"] = calling({ opaque });
    const known = await sent({ messages }, {}, core);
    expect(known.thinking).toEqual(parameters.thinking);
    expect(known.messages[1].content).toEqual([
      { type: "thinking", thinking: "Let me see.", signature: "c2ln" },
      { type: "tool_use", id: "toolu_9", name: "ping", input: {} },
    ]);
    for (const other of [
      {},
      { opaque: { ...opaque, from: "someone/else" } },
      { opaque: { from: null, message: { thinking_blocks: ["x"] } } },
    ]) {
      const forgotten = await sent({ messages: calling(other) }, { parameters });
      expect(forgotten.thinking).toBeUndefined();
      expect(forgotten.messages[1].content).toHaveLength(1);
    }
    // What a client of the API sends back is thinking too.
    expect(
      (await sent({ messages: calling({ opaque: { ...opaque, from: null } }) }, { parameters })).thinking,
    ).toBeDefined();
    // The turn before is over, and the API takes it without its thinking.
    const next = [
      ...messages,
      { role: "assistant" as const, content: "Done." },
      { role: "user" as const, content: "Go on" },
    ];
    expect((await sent({ messages: next }, { parameters })).thinking).toEqual(parameters.thinking);
  });
});

describe("models", () => {
  const upstream = startUpstream({ models: ["gpt", "claude-test"] });
  afterAll(() => upstream.stop());

  test("stand beside those of the endpoints, which keep ids that both have and get no key of ours", async () => {
    const core = await start({}, { openaiBaseUrl: upstream.baseUrl });
    anthropic.models = ["claude-test", "claude-other"];
    expect(await core.model.list()).toEqual(["gpt", "claude-test", "anthropic/claude-test", "claude-other"]);
    upstream.script(reply("from the endpoint"));
    expect(await run(core)).toContainEqual({ type: "text", text: " endpoint" });
    expect(anthropic.requests).toEqual([]);
    expect(JSON.stringify([...(upstream.requests[0]?.headers ?? [])])).not.toContain(KEY);
    await run(core, { model: "anthropic/claude-test" });
    expect(anthropic.requests[0]?.body.model).toBe("claude-test");
    expect(await core.model.describe?.("claude-other")).toMatchObject({
      id: "claude-other",
      capabilities: ["vision", "tools"],
    });
    expect((await core.model.describe?.("gpt"))?.capabilities).toBeUndefined();
  });

  test("that settings name are offered without asking", async () => {
    anthropic.models = null;
    const core = await start({ models: ["claude-mine"] });
    expect(await core.model.list()).toEqual(["claude-mine"]);
  });

  test("that the API refuses to list are told of to an administrator, beside what is said of endpoints", async () => {
    const core = await start({ api_key: "sk-ant-another-one-0123" });
    expect(await core.model.list()).toEqual([]);
    const told = (await core.model.missing?.()) ?? [];
    expect(told).toHaveLength(2);
    expect(told[0]).toContain("answers, and offers no models");
    expect(told[1]).toContain(`The endpoint “Anthropic” (${anthropic.url}/) does not accept the key`);
    expect(told[1]).toContain("plugins.yaml");
    expect(told.join()).not.toContain("another-one");
  });

  test("of an API that is down are not offered, and hide no others", async () => {
    anthropic.models = null;
    const core = await start({}, { openaiBaseUrl: upstream.baseUrl });
    expect(await core.model.list()).toEqual(["gpt", "claude-test"]);
  });
});

describe("a failure", () => {
  const start529 = () => refusal(529, "overloaded_error", "Overloaded");

  test.each<[status: number, type: string, sentence: string]>([
    [400, "invalid_request_error", "The endpoint “Anthropic” refuses the request (HTTP 400): max_tokens: too many"],
    [
      401,
      "authentication_error",
      "The endpoint “Anthropic” does not accept the key of this server. It says: max_tokens: too many",
    ],
    [
      403,
      "permission_error",
      "The endpoint “Anthropic” does not allow this server to use the model claude-test. It says: max_tokens: too many",
    ],
    [
      404,
      "not_found_error",
      "The endpoint “Anthropic” does not have the model claude-test, or its address is wrong. It says: max_tokens: too many",
    ],
    [
      413,
      "request_too_large",
      "The conversation is too large for the endpoint “Anthropic”. It says: max_tokens: too many",
    ],
    [
      429,
      "rate_limit_error",
      "The endpoint “Anthropic” takes no more requests at the moment. Try again a little later. It says: max_tokens: too many",
    ],
    [
      500,
      "api_error",
      "The endpoint “Anthropic” has a problem of its own (HTTP 500). Try again a little later. It says: max_tokens: too many",
    ],
    [
      529,
      "overloaded_error",
      "The endpoint “Anthropic” has a problem of its own (HTTP 529). Try again a little later. It says: max_tokens: too many",
    ],
  ])("with status %i is a sentence", async (status, type, sentence) => {
    const failed = await failing(await start(), () => refusal(status, type, "max_tokens: too many"));
    expect(failed).toMatchObject({ events: [], code: "upstream", sentence });
  });

  test("never shows the key that the API quotes", async () => {
    const { sentence } = await failing(await start(), () => refusal(400, "x", `Bad ${KEY} and\nsk-ant-other-1234`));
    expect(sentence).toBe("The endpoint “Anthropic” refuses the request (HTTP 400): Bad … and …");
  });

  const half = [MESSAGE_START, ...blockEvents(text("Half"), 0).slice(0, 2)];
  test.each<[what: string, pieces: Piece[], sentence: string]>([
    ["an end that is none", half, "The connection to the endpoint “Anthropic” broke before the reply was complete."],
    [
      "a cut",
      [...half, { reset: true }],
      "The connection to the endpoint “Anthropic” broke before the reply was complete.",
    ],
    [
      "an error in the stream",
      [...half, error("api_error")],
      "The endpoint “Anthropic” broke the reply off: It went wrong.",
    ],
    [
      "too much to do",
      [...half, error("overloaded_error")],
      "The endpoint “Anthropic” broke the reply off: It went wrong.",
    ],
    [
      "broken JSON",
      [...half, 'data: {"type":"content_bl\n\n'],
      "The endpoint “Anthropic” sent something that is not an answer of a model.",
    ],
    [
      "an end that nobody knows",
      [...half, ...ending("bored")],
      "The endpoint “Anthropic” ended the reply early, and says why in one word: bored.",
    ],
    [
      "silence",
      [...half, new Promise(() => {})],
      "The model claude-test sent nothing more for 0.3 seconds, as long as MODEL_IDLE_TIMEOUT_S lets it pause.",
    ],
  ])("after the first words by %s is not tried again", async (_, pieces, sentence) => {
    const failed = await failing(await start({}, { modelMaxRetries: 2, modelIdleTimeoutS: 0.3 }), pieces);
    expect(failed).toMatchObject({ events: [{ type: "text", text: "Half" }], sentence });
    expect(anthropic.requests).toHaveLength(1);
  });

  test("that is a web page, or nothing at all, is told as what it is", async () => {
    const page = () => new Response("<html>", { headers: { "content-type": "text/html" } });
    expect((await failing(await start(), page)).sentence).toBe(
      "The endpoint “Anthropic” sent something that is not an answer of a model.",
    );
    const core = await start({ base_url: deadUrl(), models: ["claude-test"] });
    expect((await failing(core)).sentence).toBe(
      "The endpoint “Anthropic” cannot be reached: nothing answers at its address.",
    );
  });

  test("before the first words is tried again, as often as configured and when the API says", async () => {
    const core = await start({}, { modelMaxRetries: 3 });
    anthropic.script(
      start529,
      [MESSAGE_START, error("overloaded_error")],
      [{ reset: true }],
      message(text("At last.")),
    );
    expect(await run(core)).toContainEqual({ type: "text", text: "At last." });
    expect(anthropic.requests).toHaveLength(4);

    const later = () => refusal(429, "rate_limit_error", "slow down", { "retry-after": "1" });
    anthropic.script(later, message(text("Now.")));
    const begun = performance.now();
    expect(await run(core)).toContainEqual({ type: "text", text: "Now." });
    expect(performance.now() - begun).toBeGreaterThan(950);
  }, 20_000);

  test("is not waited out when that would take longer than a person likes", async () => {
    const core = await start({}, { modelMaxRetries: 3 });
    const failed = await failing(core, () => refusal(429, "rate_limit_error", "slow", { "retry-after": "90" }));
    expect(failed).toMatchObject({ retryAfterS: 90, sentence: expect.stringContaining("in 90 seconds") });
    expect(anthropic.requests).toHaveLength(1);
  });
});

test("a stop ends the request at once", async () => {
  const core = await start();
  anthropic.script([MESSAGE_START, ...blockEvents(text("a"), 0).slice(0, 2), new Promise(() => {})]);
  const stop = new AbortController();
  const events: ModelEvent[] = [];
  for await (const event of core.model.stream(callOf(), stop.signal)) {
    events.push(event);
    stop.abort();
  }
  expect(events).toEqual([{ type: "text", text: "a" }]);
  await anthropic.requests[0]?.gone;
});

/** Each piece some time after the one before, so that all of them take longer than the API may be silent. */
async function slowly(start: readonly Piece[], pieces: readonly Piece[], rest: readonly Piece[] = []): Promise<void> {
  const gates = pieces.map(gate);
  anthropic.script([...start, ...pieces.flatMap((piece, at): Piece[] => [gates[at]?.opened ?? piece, piece]), ...rest]);
  for (const { open } of gates) {
    await Bun.sleep(200);
    open();
  }
}

const PINGS: readonly Piece[] = Array.from({ length: 6 }, () => ({ type: "ping" }));
const LIMITS = { modelFirstByteTimeoutS: 10, modelIdleTimeoutS: 0.6 };

test("a model that thinks for long before its reply begins is not given up", async () => {
  const running = run(await start({}, LIMITS));
  await slowly([MESSAGE_START], PINGS, message(text("So.")).slice(1));
  expect(await running).toContainEqual({ type: "text", text: "So." });
});

test("one whose reply has begun is given up, although the API says that it is there, unless it writes a call", async () => {
  const half = [MESSAGE_START, ...blockEvents(text("Half"), 0).slice(0, 2)];
  const core = await start({}, LIMITS);
  const [failed] = await Promise.all([failing(core), slowly(half, PINGS, ending("end_turn"))]);
  expect(failed).toMatchObject({
    sentence: "The model claude-test sent nothing more for 0.6 seconds, as long as MODEL_IDLE_TIMEOUT_S lets it pause.",
  });
  const call = blockEvents(toolUse("toolu_9", "ping", "{}"), 0);
  const json = (partial_json: string) => ({
    type: "content_block_delta",
    index: 0,
    delta: { type: "input_json_delta", partial_json },
  });
  const pieces = ['{"a', '":"', "b", "c", "d", '"}'].map(json);
  const rest = [...call.slice(-1), ...ending("tool_use")];
  const [events] = await Promise.all([run(core), slowly([MESSAGE_START, ...call.slice(0, 1)], pieces, rest)]);
  expect(events).toContainEqual({ type: "toolCall", callId: "toolu_9", name: "ping", arguments: '{"a":"bcd"}' });
});

test("a whole turn with thinking and a tool runs on it", async () => {
  const settings = {
    api_key: KEY,
    base_url: anthropic.url,
    parameters: { thinking: { type: "enabled", budget_tokens: 1024 } },
  };
  const dataPath = dataWith([FILE, "tools/ping.ts"], { "anthropic-model": settings });
  const server = await startServer({ dataPath, config: { openaiBaseUrl: nothing.baseUrl } });
  anthropic.script(
    message(thinking("Ping it.", "c2ln"), toolUse("toolu_5", "ping", "{}")),
    message(text("It said pong.")),
  );
  const client = await server.signIn();
  const events = await collectTurn(await client.post("/api/v1/message", { content: "Call it.", model: "claude-test" }));
  expect(textOf(events, "thinking_tokens")).toBe("Ping it.");
  expect(textOf(events)).toBe("It said pong.");
  expect(events.find(({ event }) => event === "tool_result")?.data.result).toBe("pong");
  expect(anthropic.requests[1]?.body.messages.slice(1)).toEqual([
    {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "Ping it.", signature: "c2ln" },
        { type: "tool_use", id: "toolu_5", name: "ping", input: {} },
      ],
    },
    { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_5", content: "pong" }] },
  ]);
  await server.stop();
  const restarted = await startServer({ dataPath, config: { openaiBaseUrl: nothing.baseUrl } });
  anthropic.script(message(text("Again.")));
  const again = { content: "And?", model: "claude-test", thread_id: events[0]?.data.thread_id };
  await collectTurn(await (await restarted.signIn()).post("/api/v1/message", again));
  expect(anthropic.requests[2]?.body.messages[1].content[0]).toEqual({
    type: "thinking",
    thinking: "Ping it.",
    signature: "c2ln",
  });
});

test("the API at an address of this machine is reached past a proxy of the environment", () =>
  behindDeadProxy(anthropic.url, async () => {
    const core = await start();
    expect(await core.model.list()).toEqual(["claude-test"]);
    anthropic.script(message(text("Near.")));
    expect(await run(core)).toContainEqual({ type: "text", text: "Near." });
  }));

test("without a key it is left out, and the rest runs", async () => {
  const logged: string[] = [];
  const core = await startCore({ dataPath: dataWith([FILE]), config: { openaiBaseUrl: nothing.baseUrl }, logged });
  expect(await core.model.list()).toEqual([]);
  expect(logged.join("\n")).toContain("api_key");
});

function error(type: string): Piece {
  return { type: "error", error: { type, message: "It went wrong." } };
}
