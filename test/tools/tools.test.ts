import { describe, expect, test } from "bun:test";
import { type TSchema, Type } from "@sinclair/typebox";
import { AppError } from "../../src/basics/errors";
import { createLog } from "../../src/basics/log";
import type { Core, NewFile, Tool, ToolEvent, Turn } from "../../src/protocols";
import { createTools, toolResult } from "../../src/tools/tools";
import { PIXEL } from "../support/pixel";
import { fileInfo } from "../support/upstream-core";

const ANY = Type.Object({});
const logged: string[] = [];
const plugins = { list: () => [{ name: "mine", tools: ["it"] }] } as unknown as Core["plugins"];
const file = {
  async put(_user: string, { name, type, data }: NewFile) {
    if (name === "large") throw new AppError("tooLarge", "There is no room.");
    return fileInfo(`id-${name}`, type, data.size, name);
  },
} as Core["file"];
const core = { log: createLog("warn", (_level, line) => void logged.push(line)), plugins, file } as Core;

/** Runs one call of a tool that does `execute`. */
async function run(execute: Tool["execute"], options: RunOptions = {}): Promise<ToolEvent[]> {
  const { parameters = ANY, args = "{}", name = "it", timeoutMs, signal = new AbortController().signal } = options;
  const tool: Tool = { name: "it", description: "", parameters, execute, ...(timeoutMs && { timeoutMs }) };
  const call = { callId: "c", name, arguments: args };
  return Array.fromAsync(
    createTools(async () => [tool]).run(call, [tool], { signal, core, user: { username: "ann" } } as Turn),
  );
}

interface RunOptions {
  readonly parameters?: TSchema;
  readonly args?: string;
  readonly name?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const result = (text: string) => ({ type: "toolResult" as const, callId: "c", name: "it", result: text });
const never = () => new Promise<never>(() => {});

describe("a tool", () => {
  test("gives text as it is, and anything else as JSON", async () => {
    expect(await run(async () => "plain")).toEqual([result("plain")]);
    expect(await run(async () => ({ a: [1, null] }))).toEqual([result('{"a":[1,null]}')]);
    expect(await run(async () => undefined)).toEqual([result("null")]);
    // JavaScript lets a tool answer at once, whatever the types say.
    expect(await run((() => "at once") as unknown as Tool["execute"])).toEqual([result("at once")]);
  });

  test("may give files, which are kept and told before the result, with what could not be kept", async () => {
    const files = [
      { name: "cat.bin", type: "application/octet-stream", data: new Blob([PIXEL]) },
      { name: "notes.txt", type: "text/plain", data: new Blob(["words"]) },
      { name: "large", type: "text/plain", data: new Blob(["too large"]) },
    ];
    const events = await run(async () => toolResult({ content: { drawn: 1 }, files }));
    expect(
      events.map((event) => ("file" in event ? [event.callId, event.file.id, event.file.type] : event.type)),
    ).toEqual([["c", "id-cat.bin", "image/png"], ["c", "id-notes.txt", "text/plain"], "toolResult"]);
    const { result: told = "" } = events.at(-1) as { result?: string };
    expect(told.split("\n")).toEqual([
      '{"drawn":1}',
      `[cat.bin](/api/v1/files/id-cat.bin) (image/png, ${PIXEL.length} bytes; the user sees it)`,
      "[notes.txt](/api/v1/files/id-notes.txt) (text/plain, 5 bytes; the user sees it)",
      '"large" could not be kept: There is no room.',
    ]);
  });

  test("may say that it failed, and with more files than a chat can show loses the rest", async () => {
    expect(await run(async () => toolResult({ content: "No.", isError: true }))).toMatchObject([{ error: "No." }]);
    expect(await run(async () => toolResult({ content: "", isError: true }))).toMatchObject([
      { error: "The tool failed and does not say why." },
    ]);
    const files = Array.from({ length: 52 }, (_, n) => ({ name: `f${n}`, type: "text/plain", data: new Blob(["a"]) }));
    const events = await run(async () => toolResult({ content: "many", files }));
    expect(events).toHaveLength(51);
    expect(events.at(-1)).toMatchObject({ result: expect.stringContaining("(2 more files were left out.)") });
  });

  test("shows progress, in order, before its result", async () => {
    const events = await run(async function* () {
      yield "half";
      yield { done: 0.9 };
      return "whole";
    });
    expect(events.map((event) => ("content" in event ? event.content : event.type))).toEqual([
      "half",
      '{"done":0.9}',
      "toolResult",
    ]);
    expect(events.at(-1)).toEqual(result("whole"));
  });

  test.each<[string, Tool["execute"], RunOptions, RegExp]>([
    ["throws", () => Promise.reject(new Error("It broke.")), {}, /It broke/],
    [
      "throws before it waits",
      () => {
        throw new Error("At once.");
      },
      {},
      /At once/,
    ],
    ["throws no error", () => Promise.reject("a word"), {}, /a word/],
    ["gives what is no JSON", async () => 1n, {}, /cannot be given as JSON.*BigInt/],
    ["gives what JSON would empty", async () => ({ found: new Map([["a", 1]]) }), {}, /as JSON: it holds a Map/],
    ["gives a promise in a list", async () => [Promise.resolve(1)], {}, /as JSON: it holds a Promise/],
    ["gives a function", async () => () => 1, {}, /as JSON: it holds a function/],
    [
      "gives a circle",
      async () => {
        const circle: { self?: object } = {};
        circle.self = circle;
        return circle;
      },
      {},
      /as JSON:/,
    ],
    [
      "nests without end",
      async () => JSON.parse("[".repeat(30_000) + "]".repeat(30_000)),
      {},
      /as JSON: it nests deeper than 64 levels/,
    ],
    ["does not exist", async () => "", { name: "other" }, /no tool "other".*it/],
    ["takes too long", never, { timeoutMs: 20 }, /longer than 0.02 seconds/],
    ["is stopped", never, { signal: AbortSignal.abort() }, /was stopped/],
    ["gets broken arguments", async () => "", { args: '{"a": ' }, /cannot be read as JSON/],
    [
      "gets arguments that do not fit",
      async () => "",
      { args: "{}", parameters: Type.Object({ zone: Type.String() }) },
      /zone/,
    ],
    [
      "gets arguments that nest too deep",
      async () => "",
      { args: `{"a":${"[".repeat(64)}${"]".repeat(64)}}` },
      /deeper than 64 levels/,
    ],
    ["gets arguments that are no object", async () => "", { args: "[1]" }, /do not fit/],
  ])("that %s has exactly one result, an error that says so", async (_name, execute, options, message) => {
    const events = await run(execute, options);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ type: "toolResult", error: expect.stringMatching(message) });
  });

  test.each(["functions.it", "default_api.it", "functions.it:3", " it"])(
    "is found by the name %j too, as some models write it",
    async (name) => {
      expect(await run(async () => "found", { name })).toEqual([{ ...result("found"), name }]);
    },
  );

  test("without arguments gets an empty object", async () => {
    expect(await run(async (args) => args, { args: " " })).toEqual([result("{}")]);
  });

  test("that hangs after progress is left, and cleans up when it wakes", async () => {
    const cleaned = Promise.withResolvers<void>();
    const wake = Promise.withResolvers<void>();
    const controller = new AbortController();
    const events = await run(
      async function* () {
        try {
          yield "begun";
          controller.abort();
          await wake.promise;
          yield "late";
        } finally {
          cleaned.resolve();
        }
      },
      { signal: controller.signal },
    );
    expect(events.map(({ type }) => type)).toEqual(["toolUpdate", "toolResult"]);
    wake.resolve();
    await cleaned.promise;
  });

  test("has a result of bounded size, which says that it was cut", async () => {
    const [event] = await run(async () => "x".repeat(5_000_000));
    const text = event && "result" in event ? event.result : "";
    expect(text.length).toBeLessThan(101_000);
    expect(text).toContain("5000000 characters");
  });

  test("shows no more progress than somebody might read, and goes on", async () => {
    const events = await run(async function* () {
      for (let n = 0; n < 50; n++) yield "x".repeat(10_000);
      return "whole";
    });
    const shown = events.map((event) => ("content" in event ? event.content.length : 0));
    expect(shown.reduce((sum, length) => sum + length, 0)).toBeLessThan(101_000);
    expect(events.at(-1)).toEqual(result("whole"));
  });

  test("learns from its signal that its time is over, and may have as much as it says", async () => {
    const told = Promise.withResolvers<string>();
    const [event] = await run(
      (_args, { signal }) => {
        signal.addEventListener("abort", () => told.resolve("aborted"), { once: true });
        return never();
      },
      { timeoutMs: 20 },
    );
    expect(event).toMatchObject({ error: expect.stringContaining("longer than") });
    expect(await told.promise).toBe("aborted");
    const endless = async (_args: object, { signal }: Turn) => {
      await new Promise(setImmediate);
      return signal.aborted;
    };
    expect(await run(endless, { timeoutMs: Number.POSITIVE_INFINITY })).toEqual([result("false")]);
  });

  test("that asks runs only after a yes, and its arguments are looked at before", async () => {
    const asked: string[] = [];
    const tool: Tool = {
      name: "it",
      description: "",
      parameters: Type.Object({ n: Type.Number() }),
      approval: true,
      execute: async ({ n }: { n: number }) => n,
    };
    const runWith = (answer: boolean, args: string) => {
      const approval: Turn["approval"] = async ({ callId }) => {
        asked.push(callId);
        return answer;
      };
      const turn = { signal: new AbortController().signal, core, approval } as Turn;
      return Array.fromAsync(
        createTools(async () => [tool]).run({ callId: "c", name: "it", arguments: args }, [tool], turn),
      );
    };
    expect(await runWith(true, '{"n":1}')).toEqual([result("1")]);
    expect(await runWith(false, '{"n":1}')).toMatchObject([{ error: expect.stringContaining("did not allow") }]);
    expect(asked).toEqual(["c", "c"]);
    expect(await runWith(true, "{}")).toMatchObject([{ error: expect.stringContaining("do not fit") }]);
    expect(asked).toHaveLength(2);
  });
});

test("a tool that holds up the server is named in the log, with its plugin", async () => {
  expect(await run(async () => Bun.sleepSync(250))).toEqual([result("null")]);
  expect(
    await run(async function* () {
      yield "half";
      Bun.sleepSync(250);
    }),
  ).toContainEqual(result("null"));
  const line = expect.stringMatching(/A plugin held up the whole server plugin=mine tool=it ms=\d{3}/);
  expect(logged).toEqual([line, line]);
});
