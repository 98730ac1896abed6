import { describe, expect, test } from "bun:test";
import { Type } from "@sinclair/typebox";
import type {
  Config,
  ContextMessage,
  Core,
  ModelCall,
  ModelEvent,
  ModelInfo,
  ModelReply,
  Plugin,
  Tool,
  TurnEvent,
  TurnInfo,
  TurnRequest,
  User,
} from "../../src/protocols";
import { loadPlugins } from "../support/plugin-files";

const ANN: User = { username: "ann", role: "user" };
const EMPTY = Type.Object({});

const text = (words: string): ModelEvent => ({ type: "text", text: words });
const call = (callId: string, name = "look"): ModelEvent => ({ type: "toolCall", callId, name, arguments: "{}" });
const usage = (inputTokens: number, outputTokens: number): ModelEvent => ({ type: "usage", inputTokens, outputTokens });
const FINISH: ModelEvent = { type: "finish", reason: "stop" };

const look: Tool = { name: "look", description: "", parameters: EMPTY, execute: async () => "seen" };

interface Scene {
  readonly core: Core;
  /** What the model was sent. */
  readonly calls: readonly ModelCall[];
  /** What happened, in order, where `plugins` say so. */
  readonly log: string[];
  /** Sends, and waits for the end of the turn. */
  send(request?: Partial<TurnRequest>, user?: User): Promise<Told>;
}

interface Told {
  readonly info: TurnInfo;
  readonly events: readonly TurnEvent[];
  readonly context: readonly ContextMessage[];
}

interface SceneOptions {
  readonly describe?: (model: string) => Promise<ModelInfo | null>;
  readonly plugins?: readonly Plugin[];
  readonly config?: Partial<Config>;
}

/** A core whose model plays one script for each call, the last one again and again. */
async function scene(scripts: readonly (readonly ModelEvent[])[], options: SceneOptions = {}): Promise<Scene> {
  const calls: ModelCall[] = [];
  const log: string[] = [];
  const scripted: Plugin = {
    name: "scripted",
    priority: 2,
    provide: {
      model: () => ({
        list: async () => ["small", "large"],
        ...(options.describe && { describe: options.describe }),
        stream(modelCall) {
          log.push("model");
          calls.push(modelCall);
          return play(scripts[Math.min(calls.length, scripts.length) - 1] ?? []);
        },
      }),
    },
  };
  const plugins = [scripted, ...(options.plugins ?? [])];
  const { core } = await loadPlugins({}, { ...options.config, plugins });
  return { core, calls, log, send: (request = {}, user = ANN) => send(core, user, request) };
}

async function* play(script: readonly ModelEvent[]): AsyncGenerator<ModelEvent> {
  yield* script;
}

async function send(core: Core, user: User, request: Partial<TurnRequest>): Promise<Told> {
  const { id, threadId } = await core.turns.start(user, { content: "Go", ...request });
  const batches = await core.turns.follow(user, id, 0, new AbortController().signal);
  const events = (await Array.fromAsync(batches ?? [])).flat().map(({ event }) => event);
  const info = await core.turns.get(user, id);
  if (!info) throw new Error("The turn is gone.");
  return { info, events, context: await core.context.get(user.username, threadId) };
}

/** A plugin with these hooks, over those that have none. */
function hooked(hooks: NonNullable<Plugin["hooks"]>): Plugin {
  return { name: "hooked", hooks };
}

describe("a turn goes", () => {
  test("from context to preCall, model, filterStream, tools and postCall, and again while there are tool calls", async () => {
    const log: string[] = [];
    const watcher: Plugin = {
      name: "watcher",
      provide: {
        context: (_, base) => ({
          ...base,
          get(...args) {
            log.push("context");
            return base.get(...args);
          },
        }),
        model: (_, base) => ({
          ...base,
          stream(...args) {
            log.push("model");
            return base.stream(...args);
          },
        }),
      },
      hooks: {
        preCall: () => void log.push("preCall"),
        filterStream(events) {
          log.push("filterStream");
          return events;
        },
        postCall: ({ step }) => void log.push(`postCall ${step}`),
      },
      tools: [{ ...look, execute: async () => log.push("tool") }],
    };
    const { send } = await scene(
      [
        [call("a"), FINISH],
        [text("Done."), FINISH],
      ],
      { plugins: [watcher] },
    );
    const { info } = await send();
    expect(info.status).toBe("done");
    const first = ["context", "preCall", "model", "filterStream", "tool", "postCall 1"];
    expect(log.slice(0, 11)).toEqual([...first, "context", "preCall", "model", "filterStream", "postCall 2"]);
  });

  test("no further than the step limit, and then says so", async () => {
    const { send, calls } = await scene([[call("a"), FINISH]], {
      config: { toolStepLimit: 3 },
      plugins: [{ name: "tools", tools: [look] }],
    });
    const { info, events } = await send();
    expect(calls).toHaveLength(3);
    expect(info.status).toBe("failed");
    expect(info.error).toContain("each of 3 steps");
    expect(events.filter(({ type }) => type === "toolResult")).toHaveLength(3);
    expect(events.at(-1)).toEqual({ type: "error", message: String(info.error) });
  });

  test("to an end that says whether a token limit cut it", async () => {
    const { send } = await scene([[text("Cut"), { type: "finish", reason: "length" }]]);
    expect((await send()).events.at(-1)).toMatchObject({ type: "end", reason: "length" });
  });
});

describe("the model is sent", () => {
  test("the prompt first, then the context, and the request's parameters over the prompt's", async () => {
    const preset = { temperature: 0, seed: 7 };
    const prompts: Plugin = {
      name: "prompts",
      provide: {
        systemPrompt: (_, base) => ({
          ...base,
          get: async (name) => ({ name, description: "", content: "Be brief.", parameters: preset }),
        }),
      },
    };
    const { send, calls } = await scene([[text("Yes."), FINISH]], { plugins: [prompts] });
    await send({ content: "Well?", parameters: { temperature: 1, top_p: 0.5 } });
    expect(calls[0]?.parameters).toEqual({ temperature: 1, seed: 7, top_p: 0.5 });
    expect(calls[0]?.messages.map(({ role, content }) => [role, content])).toEqual([
      ["system", "Be brief."],
      ["user", "Well?"],
    ]);
    expect(calls[0]).toMatchObject({ model: "small", username: "ann" });
  });

  const known: [what: string, describe: SceneOptions["describe"], tools: string[]][] = [
    ["that is known to have tools gets them", async (id) => ({ id, capabilities: ["tools"] }), ["look"]],
    ["that is known to have none gets none", async (id) => ({ id, capabilities: ["vision"] }), []],
    ["of which nothing is known gets them", async () => null, ["look"]],
    ["whose provider describes none gets them", undefined, ["look"]],
  ];
  test.each(known)("tools: a model %s", async (_, describe, tools) => {
    const { send, calls } = await scene([[text("Yes."), FINISH]], {
      ...(describe && { describe }),
      plugins: [{ name: "tools", tools: [look] }],
    });
    await send();
    expect(calls[0]?.tools.map(({ name }) => name)).toEqual(tools);
  });

  test("what a preCall hook made of the call, for that call alone, with its tools", async () => {
    let count = 0;
    const added: Tool = { ...look, name: "added", execute: async () => "from the hook" };
    const plugin = hooked({
      preCall: (modelCall) => (++count === 1 ? { ...modelCall, model: "large", tools: [added] } : undefined),
    });
    const { send, calls } = await scene(
      [
        [call("a", "added"), FINISH],
        [text("Done."), FINISH],
      ],
      { plugins: [plugin] },
    );
    const { events } = await send();
    expect(events).toContainEqual({ type: "toolResult", callId: "a", name: "added", result: "from the hook" });
    expect(calls.map(({ model, tools }) => [model, tools.length])).toEqual([
      ["large", 1],
      ["small", 0],
    ]);
  });

  test("nothing when a preCall hook chose a model that the user may not use", async () => {
    const plugin = hooked({ preCall: (modelCall) => ({ ...modelCall, model: "large" }) });
    const { send, calls } = await scene([[text("Never."), FINISH]], { plugins: [plugin] });
    const { info } = await send({}, { ...ANN, modelMask: "small" });
    expect(info).toMatchObject({ status: "failed", error: 'You may not use the model "large".' });
    expect(calls).toHaveLength(0);
    expect((await send({}, { ...ANN, modelMask: "small|large" })).info.status).toBe("done");
  });

  test("no parameter that names other models, of a user who may not use every model", async () => {
    const { send, calls } = await scene([[text("Hello."), FINISH]]);
    const others = { models: ["large"], fallbacks: ["large"], route: "fallback" };
    const parameters = { ...others, temperature: 0.5 };
    for (const user of [{ ...ANN, modelMask: "small" }, ANN]) await send({ model: "small", parameters }, user);
    expect(calls.map((modelCall) => modelCall.parameters)).toEqual([{ temperature: 0.5 }, parameters]);
  });
});

describe("a filter's change", () => {
  const shouting = (change: (words: string) => string): Plugin =>
    hooked({
      async *filterStream(events) {
        for await (const event of events) yield event.type === "text" ? text(change(event.text)) : event;
      },
    });

  test("is what the user sees and the thread keeps; the context and the next call have the original", async () => {
    const { send, core, calls } = await scene([[text("Hel"), text("lo."), FINISH]], {
      plugins: [shouting((words) => words.toUpperCase())],
    });
    const { info, events, context } = await send();
    expect(events.flatMap((event) => (event.type === "text" ? [event.text] : [])).join("")).toBe("HELLO.");
    expect((await core.thread.messages("ann", info.threadId)).at(-1)?.content).toBe("HELLO.");
    expect(context.at(-1)?.content).toBe("Hello.");
    await send({ threadId: info.threadId });
    expect(calls[1]?.messages.at(-2)).toMatchObject({ role: "assistant", content: "Hello." });
  });

  test("that leaves nothing of a text still leaves it to the context", async () => {
    const { send, core } = await scene([[text("Secret."), FINISH]], { plugins: [shouting(() => "")] });
    const { info, context } = await send();
    expect(await core.thread.messages("ann", info.threadId)).toHaveLength(1);
    expect(context.at(-1)).toMatchObject({ role: "assistant", content: "Secret." });
  });

  test("is not looked for in the step before when the model says nothing more", async () => {
    const replies: ModelReply[] = [];
    const watcher: Plugin = {
      name: "watcher",
      hooks: { filterStream: (events) => events, postCall: (reply) => void replies.push(reply) },
      tools: [look],
    };
    const { send } = await scene([[text("Looking."), call("a"), FINISH], [FINISH]], { plugins: [watcher] });
    const { context } = await send();
    expect(context.map(({ role, content }) => [role, content])).toEqual([
      ["user", "Go"],
      ["assistant", "Looking."],
      ["tool", "seen"],
    ]);
    expect(replies.map(({ step, content, messageId }) => [step, content, messageId === null])).toEqual([
      [1, "Looking.", false],
      [2, "", true],
    ]);
  });

  test("costs the context no edit when there was none", async () => {
    const { send, core } = await scene([[text("Same."), FINISH]], { plugins: [shouting((words) => words)] });
    const { info } = await send();
    expect(await core.context.mutationCount("ann", info.threadId)).toBe(0);
  });
});

test("postCall is told what the step was: text, thinking, calls, usage, and the message that holds the text", async () => {
  const replies: ModelReply[] = [];
  const { send, core } = await scene(
    [[{ type: "thinking", text: "Hm." }, text("Let me"), text(" look."), call("a"), usage(3, 4), FINISH], [FINISH]],
    { plugins: [hooked({ postCall: (reply) => void replies.push(reply) }), { name: "tools", tools: [look] }] },
  );
  const { info } = await send();
  const messages = await core.thread.messages("ann", info.threadId);
  expect(replies[0]).toMatchObject({
    model: "small",
    step: 1,
    content: "Let me look.",
    thinking: "Hm.",
    toolCalls: [{ callId: "a", name: "look", arguments: "{}" }],
    usage: { inputTokens: 3, outputTokens: 4 },
    messageId: String(messages.find(({ content }) => content === "Let me look.")?.id),
  });
});

test("the usage of a turn is the sum of its calls, those that told none left out", async () => {
  const { send } = await scene(
    [
      [call("a"), usage(10, 1), FINISH],
      [call("b"), FINISH],
      [text("Done."), usage(30, 5), FINISH],
    ],
    { plugins: [{ name: "tools", tools: [look] }] },
  );
  const { info, events } = await send();
  expect(info.usage).toEqual({ inputTokens: 40, outputTokens: 6 });
  expect(events.at(-1)).toEqual({ type: "end", reason: "stop", usage: { inputTokens: 40, outputTokens: 6 } });
});

test("tools of one step run at the same time", async () => {
  const [one, two] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  // Each waits for the other, so that one after the other would never end.
  const meeting = (name: string, own: () => void, other: Promise<void>): Tool => ({
    ...look,
    name,
    timeoutMs: 3000,
    async execute() {
      own();
      await other;
      return "met";
    },
  });
  const tools = [meeting("first", one.resolve, two.promise), meeting("second", two.resolve, one.promise)];
  const { send } = await scene(
    [
      [call("a", "first"), call("b", "second"), FINISH],
      [text("Done."), FINISH],
    ],
    {
      plugins: [{ name: "tools", tools }],
    },
  );
  const { context } = await send();
  const results = context.filter(({ role }) => role === "tool");
  expect(results.map(({ callId, content }) => [callId, content])).toEqual([
    ["a", "met"],
    ["b", "met"],
  ]);
});

test("shows a remark of the model's provider once in a chat, in whichever step and turn it comes", async () => {
  const remark: ModelEvent = { type: "notice", text: "This model takes no tools." };
  const { core, send } = await scene([
    [remark, call("1"), FINISH],
    [remark, text("Done."), FINISH],
    [remark, text("Again."), FINISH],
  ]);
  const { info } = await send();
  const { events } = await send({ threadId: info.threadId });
  expect(events.filter(({ type }) => type === "notice")).toEqual([]);
  const kept = await core.thread.messages("ann", info.threadId);
  expect(kept.filter(({ type }) => type === "notice").map(({ content }) => content)).toEqual([remark.text]);
  const other = await send();
  expect(other.events).toContainEqual(expect.objectContaining({ type: "notice" }));
});
