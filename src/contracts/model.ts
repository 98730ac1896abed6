/**
 * What every `model` promises, whatever is behind it. The cases use the first model that the part lists, of its own if it has
 * any, and send it one short message each.
 */

import assert from "node:assert/strict";
import { isAppError } from "../basics/errors";
import type { Core, ModelCall, ModelEvent } from "../protocols";
import { type ContractCase, holds, promptly } from "./contract";
import { STAND_IN } from "./stand-in";

const FINISH_REASONS = ["stop", "length", "filtered"];

export const modelContract: readonly ContractCase[] = [
  {
    name: "lists models by ids that are not blank, each once",
    async run(core) {
      const models = await core.model.list();
      holds(models, "a model to test with", ({ length }) => length > 0);
      for (const id of models) holds(id, "an id", isFilled);
      assert.deepEqual(models, [...new Set(models)]);
    },
  },
  {
    name: "describes a listed model under its own id, and an unknown one not at all",
    async run(core) {
      const model = await firstModel(core);
      const info = await core.model.describe?.(model);
      if (info) {
        assert.equal(info.id, model);
        holds(info.contextLength, "a number of tokens, or none", (length) => length === undefined || length > 0);
      }
      assert.equal((await core.model.describe?.(UNKNOWN_MODEL)) ?? null, null);
    },
  },
  {
    name: "streams well-formed events and ends with exactly one finish, nothing after it",
    async run(core) {
      const events = await Array.fromAsync(core.model.stream(await shortCall(core), new AbortController().signal));
      for (const event of events) checkEvent(event);
      const types = events.map(({ type }) => type);
      const isLast = types.length > 0 && types.indexOf("finish") === types.length - 1;
      holds(types, "one finish, which is the last", () => isLast);
      holds(types, "usage once", () => types.indexOf("usage") === types.lastIndexOf("usage"));
    },
  },
  {
    name: "gives each tool call of a reply an id of its own",
    async run(core) {
      const events = await Array.fromAsync(core.model.stream(await shortCall(core), new AbortController().signal));
      const ids = events.flatMap((event) => (event.type === "toolCall" ? [event.callId] : []));
      assert.deepEqual(ids, [...new Set(ids)]);
    },
  },
  {
    name: "throws AppError for a model that it does not have, before any event",
    async run(core) {
      const call = { ...(await shortCall(core)), model: UNKNOWN_MODEL };
      const { events, error } = await outcome(core.model.stream(call, new AbortController().signal));
      assert.deepEqual(events, []);
      holds(error, "an AppError", isAppError);
      holds(String((error as Error).message), "one sentence", (message) => message !== "" && !message.includes("\n"));
    },
  },
  {
    name: "sends nothing when the signal is aborted before it starts",
    async run(core) {
      const { events } = await promptly(outcome(core.model.stream(await shortCall(core), AbortSignal.abort())));
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
      await promptly(outcome({ [Symbol.asyncIterator]: () => events }));
    },
  },
  {
    name: "lets a reader leave early, and answers the next call",
    async run(core) {
      const call = await shortCall(core);
      const first = core.model.stream(call, new AbortController().signal)[Symbol.asyncIterator]();
      await first.next();
      await promptly(Promise.resolve(first.return?.()));
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
  if (model === undefined) assert.fail("there is no model to test with");
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
      holds(event.text, `text, in ${event.type}`, (text) => isText(text) && text !== "");
      break;
    case "toolCall":
      holds(event.callId, "the id of a tool call", isFilled);
      holds(event, "a name and arguments", ({ name, arguments: given }) => isText(name) && isText(given));
      break;
    case "notice":
      holds(event.text, "what a notice says", isFilled);
      break;
    case "wasThinking":
      break;
    case "opaque":
      holds(event.from, "who gave it, in opaque", isFilled);
      break;
    case "file":
      holds(event, "a file with a name and bytes", ({ name, data }) => name !== "" && data.size > 0);
      break;
    case "usage":
      for (const tokens of [event.inputTokens, event.outputTokens])
        holds(tokens, "a number of tokens", (count) => Number.isSafeInteger(count) && count >= 0);
      break;
    case "finish":
      holds(event.reason, FINISH_REASONS.join(" or "), (reason) => FINISH_REASONS.includes(reason));
      break;
    default:
      assert.fail(`an event of unknown type: ${JSON.stringify(event)}`);
  }
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isFilled(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
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
