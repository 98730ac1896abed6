/**
 * An upstream that keeps its connection alive and says nothing. Needs the machine alone: the limits are some hundred milliseconds, and an
 * endpoint that is to be quicker waits for the processor beside others.
 */

import { afterAll, describe, expect, test } from "bun:test";
import { messageOf } from "../../src/basics/errors";
import type { Config, ModelEvent } from "../../src/protocols";
import { type Part, startUpstream, toolCall } from "../support/upstream";
import { modelCall, modelOf, openaiCore } from "../support/upstream-core";

const upstream = startUpstream();
afterAll(() => upstream.stop());

const LIMITS = { modelFirstByteTimeoutS: 0.6, modelIdleTimeoutS: 0.3 };
const EVERY_MS = 20;
const FOR_EVER_MS = 10_000; // The test would fail long before.

async function* endless(start: readonly Part[], filling: Part): AsyncGenerator<Part> {
  yield* start;
  for (let ms = 0; ms < FOR_EVER_MS; ms += EVERY_MS) yield* [{ pauseMs: EVERY_MS }, filling];
}

async function run(parts: AsyncIterable<Part> | readonly Part[], limits: Partial<Config> = LIMITS) {
  upstream.script({ parts, finish: null, done: false });
  const events: ModelEvent[] = [];
  const stream = modelOf(openaiCore(upstream, limits).core).stream(modelCall(), new AbortController().signal);
  try {
    for await (const event of stream) events.push(event);
    return { events, failure: null };
  } catch (error) {
    return { events, failure: messageOf(error) };
  }
}

const FILLINGS: Record<string, Part> = {
  comments: { raw: ": still here\n\n" },
  "a comment without end": { raw: ":" },
  "an event without end": { raw: "data: " },
  "events without data": { raw: "event: ping\n\n" },
  "empty lines": { raw: "\n" },
  "empty deltas": { delta: {} },
  "empty texts": { delta: { role: "assistant", content: "", reasoning_content: "", tool_calls: [] } },
  "no choices": { chunk: { choices: [] } },
  usage: { chunk: { choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } } },
  "calls of nothing": { delta: { tool_calls: [{ index: 0, function: { arguments: "" } }] } },
};

describe("what is nothing of a reply does not keep a call alive:", () => {
  test.concurrent.each(Object.entries(FILLINGS))("%s", async (_, filling) => {
    const own = startUpstream();
    own.script({ parts: endless([], filling) }, { parts: endless(["Half"], filling) });
    const model = modelOf(openaiCore(own, LIMITS).core);
    const failures: string[] = [];
    for (const _call of [1, 2]) {
      const reading = Array.fromAsync(model.stream(modelCall(), new AbortController().signal));
      failures.push(await reading.then(() => "none", messageOf));
    }
    expect(failures).toEqual([
      "The model test-model sent nothing for 0.6 seconds, as long as MODEL_FIRST_BYTE_TIMEOUT_S lets it take.",
      "The model test-model sent nothing more for 0.3 seconds, as long as MODEL_IDLE_TIMEOUT_S lets it pause.",
    ]);
    await own.stop();
  });
});

test("after the finish such things have their time once, and the reply is complete", async () => {
  const finish = { chunk: { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] } };
  const { events, failure } = await run(endless(["All of it.", finish], { raw: ": still here\n\n" }), {
    ...LIMITS,
    modelIdleTimeoutS: 5,
  });
  expect(failure).toBeNull();
  expect(events.at(-1)).toEqual({ type: "finish", reason: "stop" });
});

test("the arguments of a call that grows are signs of life, and so is text that may be a tag", async () => {
  const slowly = async function* (parts: readonly Part[]): AsyncGenerator<Part> {
    for (const part of parts) yield* [{ pauseMs: 100 }, part];
  };
  const call = await run(slowly([...toolCall("note", { text: "0123456789".repeat(6) }), { raw: "data: [DONE]\n\n" }]));
  expect(call.failure).toBeNull();
  expect(call.events[0]).toMatchObject({ type: "toolCall", name: "note" });
  const text = await run(slowly([..." <thin", "g>", { raw: "data: [DONE]\n\n" }]), {
    ...LIMITS,
    modelFirstByteTimeoutS: 0.3,
  });
  expect([text.failure, text.events[0]]).toEqual([null, { type: "text", text: " <thing>" }]);
});

test("calls without end are ended before they fill the memory", async () => {
  const piece = { delta: { tool_calls: [{ index: 0, function: { arguments: "x".repeat(1024 * 1024) } }] } };
  const parts = [...toolCall("note", ""), ...Array.from({ length: 20 }, () => piece)];
  // Twenty megabytes may take a busy machine longer than the limits of the others.
  expect((await run(parts, {})).failure).toContain("is not an answer of a model");
});
