/**
 * What every `model` promises, whatever is behind it. The cases use the first model that the part lists, of its own if it has
 * any, and send it one short message each.
 */

import assert from "node:assert/strict";
import { isAppError } from "../basics/errors";
import type { Core, ModelCall, ModelEvent } from "../protocols";
import type { ContractCase } from "./contract";
import { STAND_IN } from "./stand-in";

const FINISH_REASONS = ["stop", "length", "filtered"];

export const modelContract: readonly ContractCase[] = [
  {
    name: "lists models by ids that are not blank, each once",
    async run(core) {
      const models = await core.model.list();
      assert.ok(models.length > 0, "there is no model to test with");
      assert.ok(models.every((id) => typeof id === "string" && id.trim() !== ""));
      assert.equal(new Set(models).size, models.length);
    },
  },
  {
    name: "describes a listed model under its own id, and an unknown one not at all",
    async run(core) {
      const model = await firstModel(core);
      const info = await core.model.describe?.(model);
      if (info) {
        assert.equal(info.id, model);
        assert.ok(info.contextLength === undefined || info.contextLength > 0);
      }
      assert.equal((await core.model.describe?.(UNKNOWN_MODEL)) ?? null, null);
    },
  },
  {
    name: "streams well-formed events and ends with exactly one finish, nothing after it",
    async run(core) {
      const events = await Array.fromAsync(core.model.stream(await shortCall(core), new AbortController().signal));
      for (const event of events) checkEvent(event);
      const finishes = events.filter(({ type }) => type === "finish");
      assert.equal(finishes.length, 1);
      assert.equal(events.at(-1)?.type, "finish");
      assert.ok(events.filter(({ type }) => type === "usage").length <= 1, "usage comes once");
    },
  },
  {
    name: "gives each tool call of a reply an id of its own",
    async run(core) {
      const events = await Array.fromAsync(core.model.stream(await shortCall(core), new AbortController().signal));
      const ids = events.flatMap((event) => (event.type === "toolCall" ? [event.callId] : []));
      assert.equal(new Set(ids).size, ids.length);
    },
  },
  {
    name: "throws AppError for a model that it does not have, before any event",
    async run(core) {
      const call = { ...(await shortCall(core)), model: UNKNOWN_MODEL };
      const { events, error } = await outcome(core.model.stream(call, new AbortController().signal));
      assert.deepEqual(events, []);
      assert.ok(isAppError(error), `expected an AppError, got ${error}`);
      assert.ok(error.message.length > 0 && !error.message.includes("\n"), "the message is one sentence");
    },
  },
  {
    name: "sends nothing when the signal is aborted before it starts",
    async run(core) {
      const { events } = await inTime(outcome(core.model.stream(await shortCall(core), AbortSignal.abort())));
      assert.deepEqual(
        events.filter(({ type }) => type !== "finish"),
        [],
      );
    },
  },
  {
    name: "ends promptly when the signal aborts after the first event",
    async run(core) {
      const stop = new AbortController();
      const events = core.model.stream(await shortCall(core), stop.signal)[Symbol.asyncIterator]();
      await events.next();
      stop.abort();
      // What was on its way may still come, but then it is over.
      await inTime(outcome({ [Symbol.asyncIterator]: () => events }));
    },
  },
  {
    name: "lets a reader leave early, and answers the next call",
    async run(core) {
      const call = await shortCall(core);
      const first = core.model.stream(call, new AbortController().signal)[Symbol.asyncIterator]();
      await first.next();
      await inTime(Promise.resolve(first.return?.()));
      const events = await Array.fromAsync(core.model.stream(call, new AbortController().signal));
      assert.equal(events.at(-1)?.type, "finish");
    },
  },
];

const UNKNOWN_MODEL = "no-endpoint-has-a-model-of-this-name";

/** One that the part itself offers, where there are such. */
async function firstModel(core: Core): Promise<string> {
  const models = await core.model.list();
  const model = models.find((id) => id !== STAND_IN) ?? models[0];
  assert.ok(model !== undefined, "there is no model to test with");
  return model;
}

async function shortCall(core: Core): Promise<ModelCall> {
  const messages = [
    { role: "system" as const, content: "Answer with one word." },
    { role: "user" as const, content: "Say hello." },
  ];
  return { model: await firstModel(core), messages, tools: [], parameters: {} };
}

function checkEvent(event: ModelEvent): void {
  switch (event.type) {
    case "text":
    case "thinking":
      assert.ok(typeof event.text === "string" && event.text !== "", `${event.type} without text`);
      break;
    case "toolCall":
      assert.ok(typeof event.callId === "string" && event.callId !== "", "a tool call without id");
      assert.ok(typeof event.name === "string" && typeof event.arguments === "string");
      break;
    case "notice":
      assert.ok(typeof event.text === "string" && event.text !== "", "a notice that says nothing");
      break;
    case "wasThinking":
      break;
    case "opaque":
      assert.ok(typeof event.from === "string" && event.from !== "", "opaque that nobody gave");
      break;
    case "file":
      assert.ok(event.name !== "" && event.data.size > 0, "a file without name or bytes");
      break;
    case "usage":
      assert.ok(Number.isSafeInteger(event.inputTokens) && event.inputTokens >= 0);
      assert.ok(Number.isSafeInteger(event.outputTokens) && event.outputTokens >= 0);
      break;
    case "finish":
      assert.ok(FINISH_REASONS.includes(event.reason), `a finish for the reason ${event.reason}`);
      break;
    default:
      assert.fail(`an event of unknown type: ${JSON.stringify(event)}`);
  }
}

/** What came until the stream ended, and what it threw, or null. */
async function outcome(stream: AsyncIterable<ModelEvent>): Promise<{ events: ModelEvent[]; error: unknown }> {
  const events: ModelEvent[] = [];
  try {
    for await (const event of stream) events.push(event);
    return { events, error: null };
  } catch (error) {
    return { events, error };
  }
}

const PROMPTLY_MS = 1_000; // A stop should take a tenth of that; the rest is for slow machines.

async function inTime<T>(promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new assert.AssertionError({ message: "not prompt" })), PROMPTLY_MS);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
