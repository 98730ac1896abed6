import { beforeEach, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type { AnswerRequest, ContextMessage, Core, Plugin, Tool, Turn, TurnEvent, User } from "../../src/protocols";
import { atEnd } from "../support/at-end";
import { startCore } from "../support/test-core";
import { gate, reply, startUpstream, toolCall, type Upstream } from "../support/upstream";

const ANN: User = { username: "ann", role: "admin" };
const BOB: User = { username: "bob", role: "user", modelMask: "small" };
const HELLO = [{ role: "user", content: "Hello" }] as const;

let upstream: Upstream;
let core: Core;
let seen: { readonly turn: Turn; readonly context: readonly ContextMessage[] }[];

function tool(name: string, more: Partial<Tool> = {}): Tool {
  return { name, description: name, parameters: Type.Object({}), execute: async () => `${name} ran`, ...more };
}

const plugin: Plugin = {
  name: "watches",
  tools: [tool("double"), tool("asks", { approval: true })],
  hooks: {
    async *filterStream(events) {
      for await (const event of events) {
        yield event.type === "text" ? { ...event, text: event.text.replaceAll("secret", "***") } : event;
      }
    },
    async postCall(_reply, turn) {
      seen.push({ turn, context: await turn.core.context.get(turn.user.username, turn.threadId) });
      turn.notify("A step is over.");
    },
  },
};

beforeEach(async () => {
  upstream = startUpstream({ models: ["large", "small"] });
  atEnd(() => upstream.stop());
  seen = [];
  core = await startCore({
    config: { openaiBaseUrl: upstream.baseUrl, rateLimitMessage: { max: 2, windowS: 60 } },
    plugins: [plugin],
  });
});

async function ask(request: Partial<AnswerRequest> = {}, user = ANN): Promise<TurnEvent[]> {
  const events = await core.turns.answer(user, { messages: HELLO, ...request }, new AbortController().signal);
  return Array.fromAsync(events);
}

function textOf(events: readonly TurnEvent[]): string {
  return events.map((event) => (event.type === "text" ? event.text : "")).join("");
}

test("an answer is made of the messages given, passes the hooks, and nothing is kept of it", async () => {
  upstream.script({ ...reply("A secret word."), usage: { prompt_tokens: 3, completion_tokens: 4 } });
  const messages = [...HELLO, { role: "assistant", content: "Hi" }, { role: "user", content: "Go on" }] as const;
  const events = await ask({ messages, system: "Be brief.", parameters: { temperature: 0 } });
  expect(textOf(events)).toBe("A *** word.");
  expect(events.at(-1)).toEqual({ type: "end", reason: "stop", usage: { inputTokens: 3, outputTokens: 4 } });
  expect(events).toContainEqual({ type: "notice", text: "A step is over." });
  const body = upstream.requests[0]?.body;
  expect(body?.messages).toEqual([{ role: "system", content: "Be brief." }, ...messages]);
  expect(body).toMatchObject({ model: "large", temperature: 0 });
  expect(await core.thread.list("ann")).toEqual([]);
  for (const { name } of await core.store.listStores()) expect(await core.store.count("ann", name)).toBe(0);
});

test("the context grows with each step, tools with their results and the original text included", async () => {
  upstream.script({ parts: ["My secret.", ...toolCall("double", {})] }, reply("Done."));
  await ask();
  const [first] = seen;
  expect(first?.context.map(({ id: _, ...message }) => message)).toEqual([
    HELLO[0],
    {
      role: "assistant",
      content: "My secret.",
      toolCalls: [{ callId: "call_0", name: "double", arguments: "{}" }],
    },
    { role: "tool", callId: "call_0", content: "double ran" },
  ]);
  expect(upstream.requests[1]?.body.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "tool"]);
  expect(seen[1]?.turn.messages.map(({ content }) => content)).toEqual(["My ***.", "double ran", "Done."]);
});

test("its context can be edited as any other", async () => {
  upstream.script({ parts: ["First", ...toolCall("double", {})] });
  await ask();
  const turn = seen[0]?.turn;
  if (!turn) throw new Error("No step came to its end.");
  const { context } = turn.core;
  const id = turn.threadId;
  const list = () => context.get("ann", id);
  const [hello, first] = await list();
  expect(await context.updateMessage("ann", id, hello?.id ?? "", "Good day")).toBe(true);
  expect(await context.mutationCount("ann", id)).toBe(1);
  expect(await context.replace("ann", id, [], { mutationCount: 0 })).toBe(false);
  const summary = { role: "user", content: "All so far" } as const;
  expect(await context.replace("ann", id, [summary], { upTo: first?.id ?? "", mutationCount: 1 })).toBe(true);
  // The result went with its call.
  expect((await list())[0]?.content).toBe("All so far");
  expect((await list()).some(({ role }) => role === "tool")).toBe(false);
  expect(await context.get("ann", "another")).toEqual([]);
});

test("the caller chooses the tools, and one that wants the user's yes is not among them", async () => {
  upstream.script({ parts: toolCall("mine", {}) }, reply("Done."));
  let installed: string[] = [];
  const events = await ask({
    tools: (others) => {
      installed = others.map(({ name }) => name);
      return [tool("mine")];
    },
  });
  expect(installed).toEqual(["double"]);
  expect(upstream.requests[0]?.body.tools?.map((offered) => offered.function.name)).toEqual(["mine"]);
  expect(events).toContainEqual({ type: "toolResult", callId: "call_0", name: "mine", result: "mine ran" });
});

test("an abort, and a reader that leaves, stop the model", async () => {
  for (const leave of ["abort", "break"]) {
    upstream.script({ parts: ["Half", { wait: gate().opened }] });
    const controller = new AbortController();
    for await (const event of await core.turns.answer(ANN, { messages: HELLO }, controller.signal)) {
      if (event.type !== "text") throw new Error(`There came a ${event.type} after the abort.`);
      if (leave === "break") break;
      controller.abort();
    }
    await upstream.requests.at(-1)?.gone;
  }
  expect(upstream.requests).toHaveLength(2);
});

test("the mask and the limit of messages hold, and a failure is thrown", async () => {
  await expect(ask({ model: "large" }, BOB)).rejects.toThrow('You may not use the model "large".');
  upstream.script({ status: 500, body: "no" });
  await expect(ask({}, BOB)).rejects.toMatchObject({ name: "AppError", code: "upstream" });
  expect(upstream.requests.map(({ body }) => body.model)).toEqual(["small"]);
  await expect(ask({}, BOB)).rejects.toMatchObject({ code: "limited" });
});
