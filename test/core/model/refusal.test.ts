import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { refusedPart } from "../../../src/core/model/refusal";
import { type RequestBody as Body, mergeNeighbours, toolSchema } from "../../../src/core/model/request";
import type { ModelCall, ModelEvent, ModelProtocol, Tool } from "../../../src/protocols";
import { httpError, reply, startUpstream, type Upstream, type UpstreamBody } from "../../support/upstream";
import { modelCall, modelOf, openaiCore } from "../../support/upstream-core";

let upstream: Upstream;

beforeAll(() => {
  upstream = startUpstream();
});
beforeEach(() => upstream.otherwise(reply("Yes")));
afterEach(() => setSystemTime());
afterAll(() => upstream.stop());

const SENT = {
  model: "m",
  messages: [
    { role: "system", content: "s" },
    { role: "user", content: "u", name: "ann" },
  ],
  stream: true,
  stream_options: { include_usage: true },
  tools: [{ type: "function", function: { name: "clock", parameters: {}, strict: true } }],
  tool_choice: "required",
  parallel_tool_calls: true,
  temperature: 0.3,
  top_p: 0.9,
  max_tokens: 50,
  reasoning_effort: "low",
  response_format: { type: "json_object" },
  presence_penalty: 1,
  stop: ["x"],
} as unknown as Body;

function withReply(last: "user" | "assistant"): Body {
  const messages = [
    { role: "assistant", content: "a" },
    { role: "user", content: "u" },
  ];
  return { ...SENT, messages: last === "assistant" ? [...messages, messages[0]] : messages } as Body;
}

describe("a refusal", () => {
  test.each<[part: string, answer: unknown]>([
    ["max_tokens", { error: { message: "Use the other one.", param: "max_tokens", code: "unsupported_parameter" } }],
    ["max_tokens", "Unsupported parameter: 'max_tokens' is not supported with this model. Use another instead."],
    ["temperature", "Unsupported value: 'temperature' does not support 0.3 with this model. Only 1 is supported."],
    ["temperature", "UnsupportedParamsError: These models don't support temperature=0.3. Only 1 is supported."],
    ["temperature", "`temperature` is deprecated for this model."],
    ["top_p", "`temperature` and `top_p` cannot both be specified for this model."],
    ["reasoning_effort", "Unrecognized request argument supplied: reasoning_effort"],
    ["reasoning_effort", '"small:4b" does not support thinking'],
    ["presence_penalty", "Model big-4 does not support parameter presencePenalty."],
    ["stop", "Argument not supported on this model: stop"],
    ["response_format", "This model does not support response_format json_object"],
    ["stream_options", { detail: [{ type: "value_error.extra", loc: ["body", "stream_options"], msg: "no extras" }] }],
    ["stream_options", { message: { detail: [{ type: "extra_forbidden", loc: ["stream_options"], msg: "no" }] } }],
    ["stream_options", 'json: unknown field "stream_options"'],
    ["stream_options", [{ error: { message: 'Unknown name "stream_options": Cannot find field.' } }]],
    ["stream_options", "Additional properties are not allowed ('stream_options' was unexpected)"],
    ["stream_options", "chat() got an unexpected keyword argument 'stream_options'"],
    ["stream_options", "Extra inputs are not permitted, field: 'stream_options', value: {}"],
    ["tools", { error: "library/tiny:1b does not support tools" }],
    ["tools", "`tool calling` is not supported with this model"],
    ["tools", "No endpoints found that support tool use."],
    ["tools", "This model doesn't support function calling"],
    ["tools", "Tools are not supported here. Please remove them."],
    ["tools", "The role 'tool' is not supported"],
    ["tool_choice", "No endpoints found that support the provided 'tool_choice' value."],
    ["parallel_tool_calls", "Unknown parameter: 'parallel_tool_calls'."],
    ["strict", { detail: [{ type: "extra_forbidden", loc: ["body", "tools", 0, "function", "strict"], msg: "no" }] }],
    ["name", { detail: [{ type: "extra_forbidden", loc: ["body", "messages", 1, "user", "name"], msg: "no" }] }],
    ["role system", "System role not supported"],
    ["role system", "Developer instruction is not enabled for this model"],
    ["role system", { error: { message: "No 'system'.", param: "messages[0].role", code: "unsupported_value" } }],
    ["tool_choice", "Unrecognized request arguments supplied: tool_choice, tools"],
    ["tools", "该模型不支持工具调用"],
    ["stream_options", "参数 stream_options 不支持"],
    ["temperature", "invalid temperature: only 1 is allowed for this model"],
    ["role system", "Only user and assistant roles are supported!"],
    ["role system", "Conversation roles must alternate user/assistant/user/assistant/..."],
  ])("names %s: %j", (part, answer) => {
    for (const status of [400, 404, 422]) expect(refusedPart(status, answer, SENT)).toBe(part);
    expect(refusedPart(500, answer, SENT)).toBeNull();
  });

  test.each([
    '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    "tools param requires --jinja flag",
    "Tool parsing is not available without --tool-parser",
    "Please launch the server with --tool-call-parser if you want to use tool.",
  ])("names tools where the owner would have to switch them on, whatever the status: %s", (answer) => {
    for (const status of [400, 422, 500]) expect(refusedPart(status, answer, SENT)).toBe("tools");
  });

  test.each<[answer: unknown]>([
    ["Invalid 'tools': at most 64 are taken, there are 100."],
    ["temperature must be between 0 and 2"],
    ["Invalid parameter: temperature must be at most 2"],
    [{ detail: [{ loc: ["body", "temperature"], msg: "value is not a valid float" }] }],
    ["max_tokens is too large: 9000. This model supports at most 4096 tokens"],
    ["The context has 4096 tokens; your tools take 3000. Images are not supported."],
    ["This model does not support tools with more than 64 properties"],
    ["Invalid schema for function 'x': 'oneOf' is not supported in tools[0].function.parameters"],
    ["messages with role 'tool' must be a response to a preceding message with 'tool_calls'"],
    ["Tool names longer than 64 characters are not allowed"],
    ["This model does not support image input"],
    ["The system prompt is too long"],
    ["stream_options is malformed"],
    ["system is not available right now"],
    ["invalid temperature: only numbers are understood"],
    ["tools 参数格式错误"],
  ])("that merely names a field asks for no other request: %j", (answer) => {
    expect(refusedPart(400, answer, SENT)).toBeNull();
  });

  test("of what was not sent asks for no other request", () => {
    expect(refusedPart(400, "seed is not supported", SENT)).toBeNull();
  });

  test.each<[part: string, last: "user" | "assistant", answer: string]>([
    ["user last", "assistant", "Expected last role User or Tool for serving but got assistant"],
    [
      "user last",
      "assistant",
      "No prefill here: this is not supported. The conversation must end with a user message.",
    ],
    ["user first", "user", 'first message must use the "user" role'],
    ["user first", "user", "Please ensure that requests alternate between user and model"],
  ])("of the order of roles names %s where the last is the %s's", (part, last, answer) => {
    expect(refusedPart(400, answer, withReply(last))).toBe(part);
  });

  test("costs no more for hostile words than for others of their length", () => {
    const timeOf = (words: string) => {
      const beganMs = performance.now();
      refusedPart(400, words, SENT);
      return performance.now() - beganMs;
    };
    const usual = "temperature tools system stream_options are all well and not too long ".repeat(4);
    for (let n = 0; n < 5; n++) timeOf(usual);
    const usualMs = Math.max(...Array.from({ length: 5 }, () => timeOf(usual)));
    for (const piece of ["(", "the ", ": ", "a ", "tools ", "tools is not ", "unknown parameter "]) {
      const words = `tools system stream_options not support ${piece.repeat(300)}`;
      const times = Array.from({ length: 5 }, () => timeOf(words)).sort((a, b) => a - b);
      expect(times[2]).toBeLessThan(20 * Math.max(usualMs, 0.5));
    }
  });
});

const CLOCK: Tool = {
  name: "clock",
  description: "The time.",
  parameters: { type: "object" } as unknown as Tool["parameters"],
  execute: async () => "",
};

function called(overrides: Partial<ModelCall>): ModelCall {
  const messages = [
    { role: "system" as const, content: "Be kind." },
    { role: "user" as const, content: "Hi" },
  ];
  return modelCall({ messages, tools: [CLOCK], ...overrides });
}

/** The events of a call, and the requests that it took. */
async function run(model: ModelProtocol, overrides: Partial<ModelCall> = {}) {
  const before = upstream.requests.length;
  const events: ModelEvent[] = await Array.fromAsync(model.stream(called(overrides), new AbortController().signal));
  const notices = events.flatMap((event) => (event.type === "notice" ? [event.text] : []));
  return { events, notices, requests: upstream.requests.slice(before).map(({ body }) => body) };
}

function freshModel(): ModelProtocol {
  return modelOf(openaiCore(upstream).core);
}

/** Refuses requests of which this is true. */
function refusing(words: string, isRefused: (body: UpstreamBody) => boolean, status = 400): void {
  upstream.otherwise((body) => (isRefused(body) ? httpError(status, words) : reply("Yes")));
}

describe("an endpoint's model that refuses", () => {
  test("stream_options is asked again without, and never again with; nobody need know", async () => {
    refusing("unknown field stream_options", (body) => body.stream_options !== undefined, 422);
    const model = freshModel();
    expect((await run(model)).requests).toHaveLength(2);
    const { requests, notices } = await run(model);
    expect(requests).toHaveLength(1);
    expect(notices).toEqual([]);
  });

  test("tools is asked without them, the calls before told in words, and the person is told", async () => {
    refusing("tiny does not support tools", (body) => body.tools !== undefined);
    const messages = [
      { role: "user" as const, content: "What time is it?" },
      { role: "assistant" as const, content: "", toolCalls: [{ callId: "c1", name: "clock", arguments: "{}" }] },
      { role: "tool" as const, content: "12:00", callId: "c1" },
    ];
    const model = freshModel();
    const { requests, notices } = await run(model, { messages, toolChoice: "required" });
    expect(notices).toEqual(["This model takes no tools."]);
    expect(requests[1]).not.toHaveProperty("tools");
    expect(requests[1]).not.toHaveProperty("tool_choice");
    expect(requests[1]?.messages).toEqual([
      { role: "user", content: "What time is it?" },
      { role: "assistant", content: "(Called the tool clock with {})" },
      { role: "user", content: "(Result of the tool)\n12:00" },
    ]);
    expect((await run(model, { messages })).requests).toHaveLength(1);
  });

  test("the role system has its text in front of the first message", async () => {
    refusing("System role not supported", ({ messages }) => messages.some(({ role }) => role === "system"));
    const { requests, notices } = await run(freshModel(), { tools: [] });
    expect(requests[1]?.messages).toEqual([{ role: "user", content: "Be kind.\n\nHi" }]);
    expect(notices).toHaveLength(1);
  });

  test("a parameter is asked without it, and the person is told which", async () => {
    refusing("Unknown parameter: 'top_k'.", (body) => body.top_k !== undefined);
    const { requests, notices } = await run(freshModel(), { parameters: { top_k: 4, temperature: 1 } });
    expect(requests[1]).toMatchObject({ temperature: 1 });
    expect(requests[1]).not.toHaveProperty("top_k");
    expect(notices).toEqual(['This model does not take "top_k", which was left out.']);
  });

  test("the limit of a reply by its old name gets it by the newer one", async () => {
    refusing("'max_tokens' is not supported with this model.", (body) => body.max_tokens !== undefined);
    const { requests, notices } = await run(freshModel(), { parameters: { max_tokens: 70 } });
    expect(requests[1]).toMatchObject({ max_completion_tokens: 70 });
    expect(requests[1]).not.toHaveProperty("max_tokens");
    expect(notices).toEqual([]);
  });

  test("several things is asked without each", async () => {
    const order = ["stream_options", "tools", "temperature"];
    upstream.otherwise((body) => {
      const first = order.find((name) => body[name] !== undefined);
      return first ? httpError(400, `${first} is not supported`) : reply("Yes");
    });
    const model = freshModel();
    expect((await run(model, { parameters: { temperature: 1 } })).requests).toHaveLength(4);
    expect((await run(model, { parameters: { temperature: 1 } })).requests).toHaveLength(1);
  });

  test("that a reply goes on from its own words is asked by the user to go on", async () => {
    refusing("The conversation must end with a user message.", ({ messages }) => messages.at(-1)?.role !== "user");
    const messages = [
      { role: "user" as const, content: "Count" },
      { role: "assistant" as const, content: "One, t" },
    ];
    const { requests } = await run(freshModel(), { messages });
    expect(requests[1]?.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user"]);
  });

  test("for another reason is asked once, and nothing is remembered", async () => {
    upstream.otherwise(httpError(400, "temperature must be at most 2"));
    const model = freshModel();
    const before = upstream.requests.length;
    await expect(run(model)).rejects.toThrow("temperature must be at most 2");
    expect(upstream.requests.length - before).toBe(1);
    upstream.otherwise(reply("Yes"));
    expect((await run(model)).requests[0]).toHaveProperty("stream_options");
  });

  test("whatever it is asked is asked no more often than makes sense", async () => {
    upstream.otherwise(httpError(400, "tools are not supported"));
    const before = upstream.requests.length;
    await expect(run(freshModel())).rejects.toThrow("tools are not supported");
    expect(upstream.requests.length - before).toBe(2);
  });

  test("is asked with everything again after an hour", async () => {
    refusing("tools are not supported", (body) => body.tools !== undefined);
    const model = freshModel();
    await run(model);
    setSystemTime(Date.now() + 59 * 60_000);
    expect((await run(model)).requests).toHaveLength(1);
    setSystemTime(Date.now() + 2 * 60_000);
    expect((await run(model)).requests).toHaveLength(2);
  });

  test("is asked with everything again when models.yaml changes", async () => {
    refusing("tools are not supported", (body) => body.tools !== undefined);
    const { core } = openaiCore(upstream);
    const path = join(core.config.dataPath, "models.yaml");
    writeFileSync(path, `- { name: a, base_url: "${upstream.baseUrl}", models: [test-model, other] }`);
    const model = modelOf(core);
    await run(model);
    expect((await run(model)).requests).toHaveLength(1);
    // What one model does not take another one of the endpoint may.
    expect((await run(model, { model: "other" })).requests).toHaveLength(2);
    writeFileSync(path, `- { name: a, base_url: "${upstream.baseUrl}", parameters: { seed: 1 } }`);
    // The file is looked at again after a moment.
    setSystemTime(Date.now() + 10_000);
    expect((await run(model)).requests).toHaveLength(2);
  });
});

describe("what is sent", () => {
  test("has at most 128 tools, with the one that has to be called, and says so", async () => {
    const tools = Array.from({ length: 130 }, (_, n) => ({ ...CLOCK, name: `tool_${n}` }));
    const { requests, notices } = await run(freshModel(), { tools, toolChoice: { name: "tool_129" } });
    const names = requests[0]?.tools?.map((tool) => tool.function.name) ?? [];
    expect(names).toHaveLength(128);
    expect(names).toContain("tool_129");
    expect(notices).toEqual([expect.stringContaining("There are 130 tools")]);
  });

  test("has two neighbours of one side as one message, with their files", () => {
    const image = { type: "image_url" as const, image_url: { url: "data:" } };
    expect(
      mergeNeighbours([
        { role: "system", content: "a" },
        { role: "system", content: "b" },
        { role: "user", content: "one" },
        { role: "assistant", content: "" },
        { role: "user", content: [{ type: "text", text: "two" }, image] },
        { role: "assistant", content: "x" },
        { role: "assistant", content: null, tool_calls: [] },
        { role: "tool", content: "r", tool_call_id: "1" },
        { role: "tool", content: "s", tool_call_id: "2" },
        { role: "user", content: "by ann", name: "ann" },
        { role: "user", content: "by bob", name: "bob" },
      ]),
    ).toEqual([
      { role: "system", content: "a\n\nb" },
      { role: "user", content: [{ type: "text", text: "one" }, { type: "text", text: "two" }, image] },
      { role: "assistant", content: "x", tool_calls: [] },
      { role: "tool", content: "r", tool_call_id: "1" },
      { role: "tool", content: "s", tool_call_id: "2" },
      { role: "user", content: "by ann", name: "ann" },
      { role: "user", content: "by bob", name: "bob" },
    ]);
  });

  test.each<[what: string, schema: unknown, sent: object]>([
    ["no properties", { type: "object" }, { type: "object", properties: {} }],
    ["nothing", {}, { type: "object", properties: {} }],
    ["no schema", undefined, { type: "object", properties: {} }],
    ["a list as properties", { type: "object", properties: [] }, { type: "object", properties: {} }],
    ["null as required", { type: "object", properties: {}, required: null }, { type: "object", properties: {} }],
    [
      "values that keywords cannot have",
      {
        properties: { a: { anyOf: null, enum: null, default: null, items: [], not: "x" }, b: { allOf: [true, 1] } },
        required: ["a", null],
        $defs: { c: { required: {}, properties: null } },
      },
      {
        type: "object",
        properties: { a: { default: null, items: [], not: {} }, b: { allOf: [true, {}] } },
        required: ["a"],
        $defs: { c: {} },
      },
    ],
    [
      "the same inside",
      { properties: { a: { type: "array" }, b: { anyOf: [{ type: "object" }, { type: "null" }] } }, required: ["a"] },
      {
        type: "object",
        properties: {
          a: { type: "array", items: {} },
          b: { anyOf: [{ type: "object", properties: {} }, { type: "null" }] },
        },
        required: ["a"],
      },
    ],
  ])("has a tool's schema as strict endpoints want it, also of one with %s", (_what, schema, sent) => {
    expect(toolSchema(schema)).toEqual(sent as Record<string, unknown>);
  });
});
