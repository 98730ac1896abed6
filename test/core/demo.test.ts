import { beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { modelContract } from "../../src/contracts/model";
import { createDemo } from "../../src/core/demo";
import type { Config, Core, ModelCall, ModelEvent, ModelProtocol, Turn } from "../../src/protocols";
import { startUpstream } from "../support/upstream";
import { modelCall, modelCore, modelOf } from "../support/upstream-core";

const demo = createDemo(0);
const never = new AbortController().signal;

/** The default model with the demonstration around it. */
function demoCore(overrides: Partial<Config> = {}): Core {
  const { core } = modelCore(overrides);
  const model = demo.provide?.model?.(core, modelOf(core));
  if (!model) throw new Error("demo does not provide a model");
  return { ...core, model };
}

async function preCall(core: Core, call: ModelCall): Promise<ModelCall> {
  return (await demo.hooks?.preCall?.(call, { core, signal: never } as Turn)) ?? call;
}

function textOf(events: readonly ModelEvent[], type: "text" | "thinking" = "text"): string {
  return events.map((event) => (event.type === type ? event.text : "")).join("");
}

async function run(model: ModelProtocol, call: ModelCall): Promise<ModelEvent[]> {
  return Array.fromAsync(model.stream(call, never));
}

describe("contract", () => {
  for (const { name, run } of modelContract) test(name, () => run(demoCore()));
});

describe("the demonstration is offered", () => {
  test("when nothing is configured and no model server answers", async () => {
    expect(await demoCore().model.list()).toEqual(["demo"]);
  });

  test("no more when a model server answers", async () => {
    const upstream = startUpstream({ models: ["llama"] });
    const { core } = modelCore();
    const model = demo.provide?.model?.(core, modelOf(core, {}, { ollama: upstream.baseUrl }));
    expect(await model?.list()).toEqual(["llama"]);
    await upstream.stop();
  });

  const CONFIGURED: Partial<Config>[] = [{ openaiApiKey: "sk-1" }, { openaiBaseUrl: "http://127.0.0.1:1/v1" }];
  for (const overrides of CONFIGURED) {
    test(`not when ${Object.keys(overrides)[0]} is set, even though nothing answers`, async () => {
      const core = demoCore({ openaiBaseUrl: "http://127.0.0.1:1/v1", ...overrides });
      expect(await core.model.list()).toEqual([]);
      const call = modelCall({ model: "demo" });
      expect(await preCall(core, call)).toBe(call);
      await expect(run(core.model, call)).rejects.toThrow("cannot be reached");
    });
  }

  test("not when there is a models.yaml, and again when it is gone", async () => {
    const core = demoCore();
    writeFileSync(join(core.config.dataPath, "models.yaml"), "[]");
    expect(await core.model.list()).toEqual([]);
    expect(await core.model.describe?.("demo")).toBeNull();
  });
});

describe("a reply of the demonstration", () => {
  let core: Core;
  beforeEach(() => {
    core = demoCore();
  });

  test("thinks, says what it is, repeats a few words, and calls the tool", async () => {
    const call = modelCall({ model: "demo", messages: [{ role: "user", content: "Good <b>morning</b> `you`" }] });
    const events = await run(core.model, await preCall(core, call));
    expect(events[0]?.type).toBe("thinking");
    expect(textOf(events)).toContain("scripted demonstration, not a language model");
    expect(textOf(events)).toContain("“Good b morning b you”");
    expect(events.slice(-3).map(({ type }) => type)).toEqual(["toolCall", "usage", "finish"]);
  });

  test("goes on with Markdown of every kind after the tool, and tells how to get a real model", async () => {
    const call = modelCall({
      model: "demo",
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "…", toolCalls: [{ callId: "1", name: "demo_clock", arguments: "{}" }] },
        { role: "tool", callId: "1", content: "noon `sharp`" },
      ],
    });
    const events = await run(core.model, await preCall(core, call));
    const text = textOf(events);
    expect(events.some(({ type }) => type === "toolCall")).toBe(false);
    expect(text).toContain("`noon sharp `");
    for (const part of [
      "## ",
      "\n  - ",
      "| part |",
      "- [x]",
      "```ts",
      "$$",
      "](https://",
      "\n> ",
      "OPENAI_API_KEY",
      "models.yaml",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("shows everything in one step when no tool is on offer", async () => {
    const events = await run(core.model, modelCall({ model: "demo" }));
    expect(textOf(events)).toContain("| part |");
    expect(events.some(({ type }) => type === "toolCall")).toBe(false);
  });

  test("that was stopped anywhere goes on from there", async () => {
    const whole = textOf(await run(core.model, modelCall({ model: "demo" })));
    for (const at of [10, 100, whole.indexOf("A table")]) {
      const messages = [...modelCall().messages, { role: "assistant" as const, content: whole.slice(0, at) }];
      const rest = await run(core.model, modelCall({ model: "demo", messages }));
      expect(whole.slice(0, at) + textOf(rest)).toBe(whole);
      expect(textOf(rest, "thinking")).toBe("");
    }
  });

  test("adds its tool for its own model only, and never changes the call that it was given", async () => {
    const call = modelCall({ model: "demo" });
    expect((await preCall(core, call)).tools.map(({ name }) => name)).toEqual(["demo_clock"]);
    expect(call.tools).toEqual([]);
    const other = modelCall({ model: "other" });
    expect(await preCall(core, other)).toBe(other);
  });

  test("is paced like a model's, and a stop ends it between two tokens", async () => {
    const slow = createDemo(5).provide?.model?.(core, core.model);
    const stop = new AbortController();
    const start = performance.now();
    const events: ModelEvent[] = [];
    for await (const event of slow?.stream(modelCall({ model: "demo" }), stop.signal) ?? []) {
      if (events.push(event) === 10) stop.abort();
    }
    expect(events).toHaveLength(10);
    expect(performance.now() - start).toBeGreaterThan(45);
  });
});

test("the tool tells the time, with progress", async () => {
  const call = await preCall(demoCore(), modelCall({ model: "demo" }));
  // A turn that was stopped does not wait for the show.
  const running = call.tools[0]?.execute({ zone: "UTC" }, { signal: AbortSignal.abort() } as Turn);
  if (!running || !(Symbol.asyncIterator in running)) throw new Error("demo_clock is no generator");
  expect((await running.next()).value).toContain("Looking for a clock");
  await running.next();
  expect((await running.next()).value).toMatch(/\d{4} at \d\d:\d\d:\d\d UTC/);
});
