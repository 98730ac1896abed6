import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { isAppError } from "../../../src/basics/errors";
import { modelContract } from "../../../src/contracts/model";
import type { Config, ModelCall, ModelEvent, ModelProtocol } from "../../../src/protocols";
import {
  deadUrl,
  FAULTS,
  gate,
  httpError,
  interleave,
  type Part,
  reply,
  startUpstream,
  toolCall,
  type Upstream,
} from "../../support/upstream";
import { modelCall, modelOf, OWNER_KEY, openaiCore } from "../../support/upstream-core";

let upstream: Upstream;

beforeAll(() => {
  upstream = startUpstream();
});
beforeEach(() => upstream.otherwise(reply("Hello from the scripted model.")));
afterAll(() => upstream.stop());

function model(overrides: Partial<Config> = {}): ModelProtocol {
  return modelOf(openaiCore(upstream, overrides).core);
}

const never = new AbortController().signal;

async function run(part: ModelProtocol, overrides: Partial<ModelCall> = {}): Promise<ModelEvent[]> {
  return Array.fromAsync(part.stream(modelCall(overrides), never));
}

/** The events until the failure, and the failure. */
async function failing(part: ModelProtocol, overrides: Partial<ModelCall> = {}) {
  const events: ModelEvent[] = [];
  try {
    for await (const event of part.stream(modelCall(overrides), never)) events.push(event);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { events, error };
  }
  throw new Error("the call did not fail");
}

function textOf(events: readonly ModelEvent[], type: "text" | "thinking" = "text"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

describe("contract", () => {
  for (const { name, run } of modelContract) {
    test(name, async () => {
      const { core } = openaiCore(upstream);
      await run({ ...core, model: modelOf(core) });
    });
  }
});

describe("a reply", () => {
  const streamed = async (parts: readonly Part[], finish?: string) => {
    upstream.script({ parts, ...(finish === undefined ? {} : { finish }) });
    return run(model());
  };

  test("comes as text, usage and finish, in the pieces that the endpoint sends", async () => {
    expect(await streamed(["Hello", " you"])).toEqual([
      { type: "text", text: "Hello" },
      { type: "text", text: " you" },
      { type: "usage", inputTokens: 11, outputTokens: 7 },
      { type: "finish", reason: "stop" },
    ]);
  });

  test("has thinking from either field and from the text, and a field that comes twice only once", async () => {
    const same = { reasoning_content: "c" };
    const both = { delta: { reasoning: "c", ...same, provider_specific_fields: same } };
    const nested = { delta: { provider_specific_fields: { reasoning_content: "d" } } };
    const events = await streamed([
      { reasoning: "a" },
      { reasoningContent: "b" },
      both,
      nested,
      "<thi",
      "nk>e</th",
      "ink>\n\nYes",
    ]);
    expect(textOf(events, "thinking")).toBe("abcde");
    expect(textOf(events)).toBe("Yes");
  });

  test("has whole tool calls, put together from deltas that arrive in turns", async () => {
    const parts = interleave(
      toolCall("clock", { zone: "Europe/Berlin" }),
      toolCall("add", { a: 1, b: 2 }, { index: 1 }),
    );
    expect(await streamed(["Wait. ", ...parts])).toEqual([
      { type: "text", text: "Wait. " },
      { type: "toolCall", callId: "call_0", name: "clock", arguments: '{"zone":"Europe/Berlin"}' },
      { type: "toolCall", callId: "call_1", name: "add", arguments: '{"a":1,"b":2}' },
      { type: "usage", inputTokens: 11, outputTokens: 7 },
      { type: "finish", reason: "stop" },
    ]);
  });

  test("has an id for every tool call, also where the endpoint gives none or the same twice", async () => {
    const calls = [{ id: null }, { id: "same", index: 1 }, { id: "same", index: 2 }];
    const events = await streamed(calls.flatMap((options) => toolCall("clock", {}, options)));
    const ids = events.flatMap((event) => (event.type === "toolCall" ? [event.callId] : []));
    expect(ids).toHaveLength(3);
    expect(ids[1]).toBe("same");
    expect(new Set(ids).size).toBe(3);
    expect(ids.filter((id) => id.length === 0 || id.length > 40)).toEqual([]);
  });

  test("keeps two calls apart that the endpoint both numbers 0", async () => {
    const events = await streamed([...toolCall("a", { x: 1 }, { id: "1" }), ...toolCall("b", { y: 2 }, { id: "2" })]);
    expect(events.filter(({ type }) => type === "toolCall")).toEqual([
      { type: "toolCall", callId: "1", name: "a", arguments: '{"x":1}' },
      { type: "toolCall", callId: "2", name: "b", arguments: '{"y":2}' },
    ]);
  });

  const REASONS: [finish: string, reason: string][] = [
    ["stop", "stop"],
    ["tool_calls", "stop"],
    ["function_call", "stop"],
    ["eos", "stop"],
    ["END_TURN", "stop"],
    ["eosFound", "stop"],
    ["stop_token", "stop"],
    ["FINISH_REASON_STOP", "stop"],
    ["FINISH_REASON_MAX_TOKENS", "length"],
    ["length", "length"],
    ["MAX_TOKENS", "length"],
    ["model_context_window_exceeded", "length"],
    ["content_filter", "filtered"],
    ["PROHIBITED_CONTENT", "filtered"],
    ["guardrail_intervened", "filtered"],
  ];
  for (const [finish, reason] of REASONS) {
    test(`with finish_reason ${finish} ends with ${reason}`, async () => {
      expect((await streamed(["x"], finish)).at(-1)).toEqual({ type: "finish", reason } as ModelEvent);
    });
  }

  test("that ends for a reason that nobody knows is a failure that names it, after the text", async () => {
    upstream.script({ parts: ["Some "], finish: "out_of_coffee" });
    const { events, error } = await failing(model());
    expect(textOf(events)).toBe("Some ");
    expect(error.message).toBe("The endpoint “openai” ended the reply early, and says why in one word: out_of_coffee.");
  });

  const NO_REPLIES: [form: string, message: object, says: string][] = [
    [
      "a status beside no choices",
      { choices: null, base_resp: { status_code: 1008, status_msg: "no balance left" } },
      "no balance left",
    ],
    ["a fault", { fault: { faultstring: "too many calls", detail: { errorcode: "x" } } }, "too many calls"],
    ["a message beside an empty list", { choices: [], message: "the queue is full" }, "the queue is full"],
    ["an error in the delta", { choices: [{ index: 0, delta: { error: "out of memory" } }] }, "out of memory"],
    ["a reason", { result: "error", reason: "no such worker" }, "no such worker"],
  ];
  test.each(NO_REPLIES)(
    "in whose place there is %s is a failure with its words, after the text before it",
    async (_, chunk, says) => {
      for (const before of ["", "Some "]) {
        upstream.script({ parts: [...(before ? [before] : []), { chunk }], finish: null, usage: null });
        const { events, error } = await failing(model());
        expect(textOf(events)).toBe(before);
        expect(error.message).toBe(`The endpoint “openai” broke the reply off: ${says}`);
      }
    },
  );

  test("may be the only one of a list", async () => {
    const choices = [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }];
    upstream.script({ status: 200, body: [{ choices }] });
    expect(textOf(await run(model()))).toBe("Hello");
  });

  test("that ends with an error in the choice is a failure with its words, after the text of the same chunk", async () => {
    const choice = { index: 0, delta: { content: "Some " }, finish_reason: "error", error: { message: "Overloaded." } };
    upstream.script({ parts: [{ chunk: { choices: [choice] } }] });
    const { events, error } = await failing(model());
    expect(textOf(events)).toBe("Some ");
    expect(error.message).toBe("The endpoint “openai” broke the reply off: Overloaded.");
  });

  test.each([
    [{ prompt_tokens: 9, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4 } }, { cachedTokens: 4 }],
    [
      { prompt_tokens: 9, completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 3 } },
      { reasoningTokens: 3 },
    ],
    [{ prompt_tokens: 9, completion_tokens: 5, prompt_cache_hit_tokens: 0 }, { cachedTokens: 0 }],
    [{ input_tokens: 9, output_tokens: 5, prompt_tokens_details: null }, {}],
  ])("has the usage that %j tells", async (usage, more) => {
    const last = { chunk: { choices: [{ index: 0, delta: {}, finish_reason: "stop", usage }] } };
    upstream.script({ parts: ["a", last], usage: null });
    const events = await run(model());
    expect(events).toContainEqual({ type: "usage", inputTokens: 9, outputTokens: 5, ...more });
  });

  for (const usageIn of ["finish", "every"] as const) {
    test(`has usage once when the endpoint sends it in ${usageIn} chunk`, async () => {
      upstream.script({ parts: ["a", "b"], usageIn });
      const usages = (await run(model())).filter(({ type }) => type === "usage");
      expect(usages).toEqual([{ type: "usage", inputTokens: 11, outputTokens: 7 }]);
    });
  }

  test("is taken from an endpoint that does not stream", async () => {
    const message = { content: "<think>hm</think>Yes" };
    upstream.script({ status: 200, body: { choices: [{ message, finish_reason: "stop" }] } });
    expect(await run(model())).toEqual([
      { type: "thinking", text: "hm" },
      { type: "text", text: "Yes" },
      { type: "finish", reason: "stop" },
    ]);
  });

  test("that is complete survives a connection that breaks after it", async () => {
    const finish = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
    upstream.script({ parts: ["All.", { chunk: finish }, { pauseMs: 20 }, { reset: true }] });
    expect(await run(model())).toEqual([
      { type: "text", text: "All." },
      { type: "finish", reason: "stop" },
    ]);
  });

  test("of odd chunks is what can be understood of them", async () => {
    const odd: Part[] = [
      { chunk: { choices: [] } },
      { chunk: { choices: null, usage: { prompt_tokens: "many" } } },
      { delta: { content: null, tool_calls: [null, 3] } },
      { delta: { content: ["x"] } },
      { raw: ": comment\n\nevent: ping\n\n" },
    ];
    expect(textOf(await streamed([...odd, "Yes"]))).toBe("xYes");
  });
});

describe("a fault", () => {
  const name = "The endpoint “openai”";
  const broken = "The connection to the endpoint “openai” broke before the reply was complete.";
  const FAILURES: Partial<Record<keyof typeof FAULTS, { text?: string; message: string }>> = {
    unauthorized: { message: `${name} does not accept the key of this server. It says: Incorrect API key provided: …` },
    forbidden: {
      message: `${name} does not allow this server to use the model test-model. It says: You are not allowed to use this model.`,
    },
    notFound: {
      message: `${name} does not have the model test-model, or its address is wrong. It says: The model \`none\` does not exist.`,
    },
    badRequest: { message: `${name} refuses the request (HTTP 400): temperature must be at most 2` },
    rateLimited: {
      message: `${name} takes no more requests at the moment. Try again in 7 seconds. It says: Rate limit reached.`,
    },
    serverError: {
      message: `${name} has a problem of its own (HTTP 500). Try again a little later. It says: The server had an error.`,
    },
    badGateway: {
      message: `${name} has a problem of its own (HTTP 502). Try again a little later. It says: 502 Bad Gateway`,
    },
    cutAtOnce: { message: `${name} cannot be reached: it closes the connection.` },
    cut: { text: "Half of the ", message: broken },
    hang: {
      message: "The model test-model sent nothing for 0.3 seconds, as long as MODEL_FIRST_BYTE_TIMEOUT_S lets it take.",
    },
    hangAfterText: {
      text: "Half of ",
      message: "The model test-model sent nothing more for 0.2 seconds, as long as MODEL_IDLE_TIMEOUT_S lets it pause.",
    },
    malformedChunk: { text: "Half of ", message: `${name} sent something that is not an answer of a model.` },
    errorInStream: { text: "Half of ", message: `${name} broke the reply off: The engine is overloaded.` },
    endWithNeither: { text: "Half of ", message: broken },
    emptyBody: { message: broken },
  };
  for (const [fault, { text = "", message }] of Object.entries(FAILURES)) {
    test(`${fault} is one AppError with a sentence for a person, after the text that came`, async () => {
      upstream.otherwise(FAULTS[fault as keyof typeof FAULTS]);
      const { events, error } = await failing(model({ modelFirstByteTimeoutS: 0.3, modelIdleTimeoutS: 0.2 }));
      expect(textOf(events)).toBe(text);
      expect(error.code).toBe("upstream");
      expect(error.message).toBe(message);
    });
  }

  test("429 tells when to try again, to programs too", async () => {
    upstream.script(FAULTS.rateLimited);
    expect((await failing(model())).error.retryAfterS).toBe(7);
  });

  test("a refused connection is told apart, although the list of models could not be asked for", async () => {
    const part = model({ openaiBaseUrl: deadUrl() });
    expect(await part.list()).toEqual([]);
    expect((await failing(part)).error.message).toBe(`${name} cannot be reached: nothing answers at its address.`);
  });

  const FINE: [fault: keyof typeof FAULTS, length: number][] = [
    ["longLine", 3 * 1024 * 1024],
    ["doneWithoutFinish", 10],
    ["finishWithoutDone", 10],
    ["emptyReply", 0],
  ];
  for (const [fault, length] of FINE) {
    test(`${fault} is none: the reply ends normally`, async () => {
      upstream.script(FAULTS[fault]);
      const events = await run(model());
      expect(textOf(events)).toHaveLength(length);
      expect(events.at(-1)).toEqual({ type: "finish", reason: "stop" });
    });
  }

  test("broken arguments and unknown names of tools are passed on, for the model to be told", async () => {
    upstream.script(FAULTS.brokenToolCall, FAULTS.unknownTool);
    expect((await run(model()))[0]).toMatchObject({ name: "clock", arguments: '{"zone": "Eu' });
    expect((await run(model()))[0]).toMatchObject({ name: "no_such_tool", arguments: '{"a":1}' });
  });

  test("shows of what the endpoint says neither keys nor markup, and not too much", async () => {
    const said = `Bad <b>key</b> ${OWNER_KEY}\n or sk-proj-12345678 \u001b[31m${"long ".repeat(200)}`;
    upstream.otherwise(httpError(400, said));
    const { error } = await failing(model());
    expect(error.message).toContain("(HTTP 400): Bad key … or … long long");
    expect(error.message.length).toBeLessThan(400);
  });

  test("an HTML page at the wrong address is not taken for a broken connection", async () => {
    upstream.script({ status: 200, headers: { "content-type": "text/html" }, body: "<html>Welcome</html>" });
    expect((await failing(model())).error.message).toBe(`${name} sent something that is not an answer of a model.`);
  });

  test("before the first event is tried again, and not after it", async () => {
    const before = upstream.requests.length;
    upstream.script(httpError(503, "busy", { "retry-after": "0" }), FAULTS.cutAtOnce, reply("Yes"));
    expect(textOf(await run(model({ modelMaxRetries: 2 })))).toBe("Yes");
    expect(upstream.requests.length - before).toBe(3);

    upstream.script(FAULTS.cut, reply("No"));
    await failing(model({ modelMaxRetries: 2 }));
    expect(upstream.requests.length - before).toBe(4);
    expect(textOf(await run(model()))).toBe("No");
  });

  test("is not tried again when it will stay, or when the wait would be too long", async () => {
    for (const fault of [FAULTS.unauthorized, FAULTS.notFound, httpError(429, "no", { "retry-after": "60" })]) {
      const before = upstream.requests.length;
      upstream.script(fault);
      await failing(model({ modelMaxRetries: 2 }));
      expect(upstream.requests.length - before).toBe(1);
    }
  });
});

describe("an abort", () => {
  test("reaches the upstream within 100 ms, before the first byte and in the middle", async () => {
    for (const parts of [[], ["Half of "]] as Part[][]) {
      const hold = gate();
      upstream.script({ parts: [...parts, { wait: hold.opened }] });
      const stop = new AbortController();
      const events = model().stream(modelCall(), stop.signal)[Symbol.asyncIterator]();
      const arrival = upstream.request(upstream.requests.length + 1);
      const first = events.next();
      const { gone } = await arrival;
      if (parts.length > 0) await first;
      const start = performance.now();
      stop.abort();
      await gone;
      expect(performance.now() - start).toBeLessThan(100);
      expect((await (parts.length > 0 ? events.next() : first)).done).toBe(true);
      hold.open();
    }
  });

  test("a reader that leaves early ends the request upstream", async () => {
    const hold = gate();
    upstream.script({ parts: ["Half of ", { wait: hold.opened }] });
    const arrival = upstream.request(upstream.requests.length + 1);
    for await (const event of model().stream(modelCall(), never)) {
      expect(event).toEqual({ type: "text", text: "Half of " });
      break;
    }
    await (await arrival).gone;
    hold.open();
  });

  test("ends the wait before a retry", async () => {
    upstream.script(httpError(503, "busy", { "retry-after": "15" }));
    const stop = new AbortController();
    const arrival = upstream.request(upstream.requests.length + 1);
    const events = Array.fromAsync(model({ modelMaxRetries: 1 }).stream(modelCall(), stop.signal));
    await (await arrival).sent;
    // Nothing tells that the answer was read and the wait has begun.
    await Bun.sleep(50);
    stop.abort();
    expect(await events).toEqual([]);
  });
});

test("an endpoint that is faster than we read does not keep the event loop from turning", async () => {
  const many = Array.from({ length: 40_000 }, (_, n) => `data: {"choices":[{"delta":{"content":"${n} "}}]}\n\n`).join(
    "",
  );
  upstream.script({ parts: [{ raw: many }] });
  let longestMs = 0;
  let lastMs = performance.now();
  const watch = setInterval(() => {
    longestMs = Math.max(longestMs, performance.now() - lastMs);
    lastMs = performance.now();
  }, 1);
  const begun = performance.now();
  const events = await run(model());
  const allMs = performance.now() - begun;
  clearInterval(watch);
  expect(events.filter(({ type }) => type === "text")).toHaveLength(40_000);
  // A share of the whole, since a busy machine makes everything longer.
  expect(Math.max(longestMs, performance.now() - lastMs) / allMs).toBeLessThan(0.5);
});
